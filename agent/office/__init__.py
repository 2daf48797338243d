"""IT's desk: what is decided about laptops, by programs that run without the daemon."""
