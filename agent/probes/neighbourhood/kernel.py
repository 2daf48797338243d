"""Reads the physical links, their addresses, routes and neighbours from the kernel by netlink, and hears of changes.

It changes nothing. The loopback, our own tunnel and its routes, and tunnels of others are left out.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Protocol, cast

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from agent.posture.facts.network import Address, Prefix, Route
from agent.probes.neighbourhood.around import Around, Interface, KernelRoute, Link, Neighbour
from agent.probes.ours import Ours


class Answer(Protocol):
    """One object of a dump, one event, or a part of one."""

    def get(self, key: str) -> object:
        """Give an attribute or a header field; None when it is absent."""


class KernelError(Exception):
    """The kernel gave no usable answer; the text says why in one clause."""


async def look_around(ours: Ours) -> Around:
    """Look once, and again where a link came or went meanwhile; raise `KernelError` where that cannot be done."""
    try:
        async with AsyncIPRoute() as netlink:
            devices = await _read_devices(netlink)
            for _ in range(MOST_LOOKS):
                around = await _read(netlink, devices, ours)
                before, devices = devices, await _read_devices(netlink)
                if devices == before:
                    break
            return around
    except (OSError, NetlinkError, ValueError) as error:
        raise _told(error) from error


async def hear() -> AsyncGenerator[tuple[Neighbour, str] | None, None]:
    """Tell each change: a neighbour and its hardware address, or None for any other; raise `KernelError` at the end."""
    try:
        async with AsyncIPRoute() as netlink:
            await netlink.bind(groups=GROUPS)
            yield None
            while True:
                async for event in netlink.get():
                    if event.get("event") not in NEIGHBOUR_EVENTS:
                        yield None
                    elif (neighbour := _neighbour(event)) is not None:
                        yield neighbour
    except (OSError, NetlinkError, ValueError) as error:
        raise _told(error) from error


@dataclass(frozen=True, slots=True)
class _Device:
    """A network interface that is up, and its kind as the kernel calls it; real hardware has none."""

    link: Link
    kind: object
    loopback: bool

    def is_physical(self, ours: Ours, carrying: set[str]) -> bool:
        """Tell whether it leads out; a bridge does where a gateway is reached by it, else it serves containers."""
        if self.loopback or self.link.name == ours.interface or self.kind in NO_WAY_OUT:
            return False
        return self.kind != "bridge" or self.link.name in carrying


async def _read(netlink: AsyncIPRoute, devices: tuple[_Device, ...], ours: Ours) -> Around:
    held = [_address(answer) async for answer in _dump(netlink.get_addr())]
    names = {device.link.index: device.link.name for device in devices}
    answers = [answer async for answer in _dump(netlink.get_routes())]
    routes = [known for answer in answers for known in _routes(answer, names, ours)]
    neighbours = [_neighbour(answer) async for answer in _dump(netlink.get_neighbours())]

    carrying = {known.route.interface for known in routes if known.route.gateway is not None}
    links = tuple(device.link for device in devices if device.is_physical(ours, carrying))
    addresses = {link.index: tuple(one for index, one in held if index == link.index) for link in links}
    tunnel = {index for index, name in names.items() if name == ours.interface}
    return Around(
        links,
        addresses,
        tuple(known for known in routes if known.route.interface in {link.name for link in links}),
        dict(one for one in neighbours if one is not None and one[0][0] in addresses),
        frozenset(one.ip for index, one in held if index in tunnel),
    )


async def _read_devices(netlink: AsyncIPRoute) -> tuple[_Device, ...]:
    return tuple([device async for answer in _dump(netlink.get_links()) for device in _devices(answer)])


def _devices(answer: Answer) -> Iterator[_Device]:
    flags, losses, about = (answer.get(key) for key in ("flags", "IFLA_CARRIER_DOWN_COUNT", "IFLA_LINKINFO"))
    kind = None if about is None else cast(Answer, about).get("IFLA_INFO_KIND")
    if isinstance(flags, int) and flags & IFF_UP:
        link = Link(_number(answer, "index"), str(answer.get("IFLA_IFNAME")), losses if isinstance(losses, int) else 0)
        yield _Device(link, kind, bool(flags & IFF_LOOPBACK))


def _address(answer: Answer) -> tuple[int, Interface]:
    """Read an address; where the other end has its own, the prefix is that one's, and only our end counts here."""
    address = answer.get("IFA_LOCAL") or answer.get("IFA_ADDRESS")
    return _number(answer, "index"), ip_interface(f"{address}/{_number(answer, 'prefixlen')}")


def _routes(answer: Answer, names: dict[int, str], ours: Ours) -> Iterator[KernelRoute]:
    """Read a route, one for each of its next hops."""
    if _number(answer, "type") != RTN_UNICAST or answer.get("RTA_TABLE") == ours.table:
        return
    prefix = _prefix(answer)
    if prefix.is_link_local or prefix.is_multicast:
        return
    for hop in cast(list[Answer], answer.get("RTA_MULTIPATH") or [answer]):
        index, gateway = hop.get("RTA_OIF" if hop is answer else "oif"), _gateway(hop)
        if isinstance(index, int) and index in names:
            marked = gateway is not None and _number(answer, "proto") in ASKED_FOR
            yield KernelRoute(Route(names[index], prefix, gateway), marked)


def _prefix(answer: Answer) -> Prefix:
    nowhere = "::" if _number(answer, "family") == INET6 else "0.0.0.0"  # noqa: S104  # a prefix, nothing is bound
    return ip_network(f"{answer.get('RTA_DST') or nowhere}/{_number(answer, 'dst_len')}")


def _gateway(hop: Answer) -> Address | None:
    gateway = hop.get("RTA_GATEWAY")
    if gateway is None and (via := hop.get("RTA_VIA")) is not None:  # an IPv4 route by way of an IPv6 neighbour
        gateway = cast(Answer, via).get("addr")
    return ip_address(gateway) if isinstance(gateway, str) else None


def _neighbour(answer: Answer) -> tuple[Neighbour, str] | None:
    """Read a neighbour that has answered; None for one that has not."""
    address, mac = answer.get("NDA_DST"), answer.get("NDA_LLADDR")
    if not isinstance(address, str) or not isinstance(mac, str) or not _number(answer, "state") & HAS_ANSWERED:
        return None
    return (_number(answer, "ifindex"), ip_address(address)), mac.lower()


def _number(answer: Answer, name: str) -> int:
    value = answer.get(name)
    if not isinstance(value, int):
        raise ValueError(f"the kernel told no {name}")
    return value


async def _dump(asked: Awaitable[AsyncIterable[Answer]]) -> AsyncGenerator[Answer, None]:
    count = 0
    async for answer in await asked:
        if (count := count + 1) > MOST_OBJECTS:
            raise KernelError(f"the kernel knows of more than {MOST_OBJECTS} of a kind")
        yield answer


def _told(error: Exception) -> KernelError:
    return KernelError(f"the kernel gave no usable answer ({type(error).__name__})")


# Fixed by the kernel (linux/if.h, linux/rtnetlink.h, linux/neighbour.h).
INET6 = 10
IFF_UP, IFF_LOOPBACK = 0x1, 0x8
RTN_UNICAST = 1
RTPROT_RA, RTPROT_DHCP = 9, 16
ASKED_FOR = frozenset({RTPROT_RA, RTPROT_DHCP})
REACHABLE, STALE, DELAY, PROBE = 0x02, 0x04, 0x08, 0x10
HAS_ANSWERED = REACHABLE | STALE | DELAY | PROBE
LINKS, NEIGHBOURS, V4_ADDRESSES, V4_ROUTES, V6_ADDRESSES, V6_ROUTES = 0x1, 0x4, 0x10, 0x40, 0x100, 0x400
GROUPS = LINKS | NEIGHBOURS | V4_ADDRESSES | V4_ROUTES | V6_ADDRESSES | V6_ROUTES
NEIGHBOUR_EVENTS = frozenset({"RTM_NEWNEIGH", "RTM_DELNEIGH"})
NO_WAY_OUT = frozenset(
    {
        "tun",
        "wireguard",
        "ppp",
        "xfrm",
        "vti",
        "vti6",
        "ipip",
        "sit",
        "gre",
        "gretap",
        "ip6gre",
        "ip6tnl",
        "vxlan",
        "dummy",
    }
)

# Our choices.
MOST_LOOKS = 3
MOST_OBJECTS = 4_096
