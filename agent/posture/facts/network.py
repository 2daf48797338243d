"""What the network around the machine says, and what the machine offers to it. Our own tunnel is left out."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from agent.posture.facts.observed import Told

Address = IPv4Address | IPv6Address
Prefix = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class OnLink:
    """A prefix that an interface reaches directly."""

    interface: str
    prefix: Prefix


@dataclass(frozen=True, slots=True)
class Route:
    """A way to a prefix; `pushed` tells that the network itself asked for it (DHCP 121 or 249, IPv6 RIO)."""

    interface: str
    prefix: Prefix
    gateway: Address | None
    pushed: bool = False


@dataclass(frozen=True, slots=True)
class Gateway:
    """A default gateway and every hardware address that answered for it since the link came up.

    `contested` tells that two answered at the same time; UNTOLD where nobody asked on the wire.
    """

    interface: str
    address: Address
    macs: tuple[str, ...]
    contested: Told = Told.UNTOLD


@dataclass(frozen=True, slots=True)
class DhcpServer:
    """A server that gave this machine its address, or offered one, with the routers and name servers that it named."""

    interface: str
    address: Address
    routers: tuple[Address, ...] = ()
    resolvers: tuple[Address, ...] = ()

    def disagrees(self, other: "DhcpServer") -> bool:
        """Tell whether both are on one link and name routers, or name servers, of which they have none in common."""
        named = ((self.routers, other.routers), (self.resolvers, other.resolvers))
        return self.interface == other.interface and any(
            bool(ours and theirs) and set(ours).isdisjoint(theirs) for ours, theirs in named
        )


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What the physical links say of where the machine is.

    `portal` tells whether a login page stands in the way; `canary` whether names are answered truthfully (NO: a
    name that must not exist was answered).
    """

    on_link: tuple[OnLink, ...]
    routes: tuple[Route, ...]
    gateways: tuple[Gateway, ...]
    dhcp_servers: tuple[DhcpServer, ...] = ()
    portal: Told = Told.UNTOLD
    canary: Told = Told.UNTOLD


class Transport(StrEnum):
    """What a listener speaks."""

    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that waits for others; `reachable` from a physical link, past the machine's own firewall."""

    transport: Transport
    address: Address
    port: int
    uid: int
    reachable: Told


@dataclass(frozen=True, slots=True)
class Exposure:
    """Every way by which this machine could carry others into the hospital.

    Names of interfaces but for `published`, the ports that are handed on to containers. `routers` forward
    packets between interfaces, `bridges` join physical links, `hotspots` serve others, `tunnels` are other VPNs
    with a route, `ways_out` have a default route. A published port 0 stands for all. `untold` are those of these
    fields that could not be told in full.
    """

    listeners: tuple[Listener, ...]
    routers: tuple[str, ...] = ()
    bridges: tuple[str, ...] = ()
    hotspots: tuple[str, ...] = ()
    published: tuple[int, ...] = ()
    tunnels: tuple[str, ...] = ()
    ways_out: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Firewall:
    """Whether the firewall turns away on a physical link what nobody here asked for."""

    turns_away: Told
    why_untold: str = ""
