"""A virtual machine with simulated radios: real access points for probes that this kernel alone could not try."""
