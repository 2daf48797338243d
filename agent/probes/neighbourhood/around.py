"""One look at the network by netlink, as values; it asks nothing and judges nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface

from agent.posture.facts.network import Address, OnLink, Prefix, Route

Interface = IPv4Interface | IPv6Interface
Neighbour = tuple[int, Address]


@dataclass(frozen=True, slots=True)
class Link:
    """A physical link that is up; `losses` counts how often it lost its carrier since it was made."""

    index: int
    name: str
    losses: int


@dataclass(frozen=True, slots=True)
class KernelRoute:
    """A route, and whether whoever made it wrote that DHCP or a router's advertisement asked for it."""

    route: Route
    marked: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What makes a gateway's link the same one as before: no loss of carrier, and the same prefixes."""

    link: Link
    gateway: Address
    prefixes: frozenset[Prefix]


@dataclass(frozen=True, slots=True)
class Around:
    """The links, the addresses that each holds, the ways out, and the neighbours with their hardware addresses.

    `ours` are the addresses of our own tunnel.
    """

    links: tuple[Link, ...]
    addresses: Mapping[int, tuple[Interface, ...]]
    routes: tuple[KernelRoute, ...]
    neighbours: Mapping[Neighbour, str]
    ours: frozenset[Address] = frozenset()

    @property
    def on_link(self) -> tuple[OnLink, ...]:
        """Give the prefixes that are reached directly; link-local ones are the same everywhere."""
        held = [OnLink(link.name, one.network) for link in self.links for one in self.addresses[link.index]]
        direct = [OnLink(way.interface, way.prefix) for way in self._ways if way.gateway is None]
        many = (one for one in held + direct if one.prefix.prefixlen > 0 and one.prefix.num_addresses > 1)
        return tuple(dict.fromkeys(one for one in many if not one.prefix.is_link_local))

    @property
    def places(self) -> tuple[Place, ...]:
        """Give the default gateways, each with its link as it is now."""
        by_name = {link.name: link for link in self.links}
        defaults = (way for way in self._ways if way.prefix.prefixlen == 0)
        found = ((by_name[way.interface], way.gateway) for way in defaults if way.gateway is not None)
        return tuple(dict.fromkeys(Place(link, at, self._prefixes(link, at.version)) for link, at in found))

    def holds(self, interface: str, address: Address) -> bool:
        """Tell whether an interface has an address."""
        held = (one.ip for link in self.links if link.name == interface for one in self.addresses[link.index])
        return address in held

    def address_towards(self, place: Place) -> IPv4Address | None:
        """Give the IPv4 address of ours that shares a prefix with a gateway."""
        held = (one for one in self.addresses[place.link.index] if place.gateway in one.network)
        return next((one.ip for one in held if isinstance(one, IPv4Interface)), None)

    @property
    def _ways(self) -> Iterator[Route]:
        return (known.route for known in self.routes)

    def _prefixes(self, link: Link, version: int) -> frozenset[Prefix]:
        return frozenset(one.network for one in self.addresses[link.index] if one.version == version)
