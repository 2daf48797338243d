"""The daemon and the command line against the lab, as the doctor meets them (needs root)."""
