"""What the network around the machine says: prefixes, routes, gateways, DHCP, login pages, lying name servers."""

from agent.probes.neighbourhood.questions import WIRE_PROBE, Questions
from agent.probes.neighbourhood.source import NeighbourhoodSource

__all__ = ["WIRE_PROBE", "NeighbourhoodSource", "Questions"]
