"""What this machine offers to others: sockets that wait, ways through it, and what the firewall lets in."""

from agent.probes.exposure.source import ExposureSource

__all__ = ["ExposureSource"]
