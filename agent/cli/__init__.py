"""The `sekisho` command: terminal words over the service's control socket, and nothing else of the machine."""
