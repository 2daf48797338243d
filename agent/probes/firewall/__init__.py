"""What the machine's own packet filter does with a packet that nobody here asked for; it never changes a rule."""
