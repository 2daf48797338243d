"""Our tunnel against real strongSwan, in network namespaces."""
