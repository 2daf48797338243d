"""Reads the interfaces, their addresses and whether routes use them, and tells ways out from tunnels and bridges.

It changes nothing and hears of no change.
"""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol, cast

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from agent.posture.facts.network import Address


class Answer(Protocol):
    """One object of a dump, or a part of one."""

    def get(self, key: str) -> object:
        """Give an attribute or a header field; None when it is absent."""


class LinksError(Exception):
    """The kernel gave no usable answer; the text says why in one clause."""


@dataclass(frozen=True, slots=True)
class Link:
    """An interface that is up; `kind` is the kernel's word, none for hardware, `master` the bridge that it is part of.

    `routed` tells whether any route uses it, `leads_out` whether a default route does.
    """

    index: int
    name: str
    kind: str
    loopback: bool = False
    master: int = 0
    addresses: tuple[Address, ...] = ()
    routed: bool = False
    leads_out: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """The interfaces that are up, without our own tunnel."""

    all: tuple[Link, ...]

    @property
    def outer(self) -> tuple[Link, ...]:
        """Give those at which strangers are: no tunnel, no part of a bridge, no inner network of this machine."""
        return tuple(link for link in self.all if self._is_outer(link))

    @property
    def tunnels(self) -> tuple[str, ...]:
        """Name other VPNs that carry something. A modem's own `ppp` is a way out, not a tunnel on one."""
        carried = any(link.leads_out and link.kind not in TUNNELS for link in self.all)
        lines = TUNNELS if carried else TUNNELS - {"ppp"}
        return tuple(link.name for link in self.all if link.kind in lines and link.routed and not link.master)

    @property
    def bridges(self) -> tuple[str, ...]:
        """Name bridges that join a link to the outside with something else."""
        ports = Counter(link.master for link in self.all)
        joined = {link.master for link in self.all if link.kind not in INNER | TUNNELS}
        return tuple(
            link.name for link in self.all if link.kind == "bridge" and link.index in joined and ports[link.index] > 1
        )

    @property
    def ways_out(self) -> tuple[str, ...]:
        """Name the physical links with a default route."""
        return tuple(link.name for link in self.outer if link.leads_out)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Give all addresses of the machine."""
        return tuple(address for link in self.all for address in link.addresses)

    def _is_outer(self, link: Link) -> bool:
        if link.loopback or link.master or link.name in self.tunnels:
            return False
        return link.leads_out or link.kind not in INNER | TUNNELS


async def read_links(ours: str) -> Links:
    """Look once, without the interface that is ours; raise `LinksError` when that cannot be done."""
    try:
        async with AsyncIPRoute() as netlink:
            links = [answer async for answer in _dump(netlink.get_links())]
            addresses = [answer async for answer in _dump(netlink.get_addr())]
            routes = [answer async for answer in _dump(netlink.get_routes())]
    except (OSError, NetlinkError) as error:
        raise LinksError(f"the kernel did not tell its interfaces ({type(error).__name__})") from error
    held = [(answer.get("index"), ip_address(str(_own_end(answer)))) for answer in addresses]
    used = [use for answer in routes for use in _uses(answer)]
    return Links(tuple(one for answer in links for one in _link(answer, held, used) if one.name != ours))


def _link(answer: Answer, held: list[tuple[object, Address]], used: list[tuple[object, bool]]) -> Iterator[Link]:
    index, flags, about = (answer.get(key) for key in ("index", "flags", "IFLA_LINKINFO"))
    if not isinstance(index, int) or not isinstance(flags, int) or not flags & IFF_UP:
        return
    yield Link(
        index,
        str(answer.get("IFLA_IFNAME")),
        "" if about is None else str(cast(Answer, about).get("IFLA_INFO_KIND") or ""),
        bool(flags & IFF_LOOPBACK),
        _number(answer.get("IFLA_MASTER")),
        tuple(address for where, address in held if where == index),
        any(where == index for where, _ in used),
        (index, True) in used,
    )


def _own_end(answer: Answer) -> object:
    return answer.get("IFA_LOCAL") or answer.get("IFA_ADDRESS")


def _uses(answer: Answer) -> Iterator[tuple[object, bool]]:
    """Tell which interfaces a route uses, and whether it is a default route; the link's own scope is no use."""
    target = str(answer.get("RTA_DST") or "")
    if answer.get("type") != RTN_UNICAST or target.startswith(("fe80:", "ff")):
        return
    for hop in cast(list[Answer], answer.get("RTA_MULTIPATH") or [answer]):
        yield hop.get("RTA_OIF" if hop is answer else "oif"), answer.get("dst_len") == 0


def _number(told: object) -> int:
    return told if isinstance(told, int) else 0


async def _dump(asked: Awaitable[AsyncIterable[Answer]]) -> AsyncGenerator[Answer, None]:
    count = 0
    async for answer in await asked:
        if (count := count + 1) > MOST_OBJECTS:
            raise LinksError(f"the kernel knows of more than {MOST_OBJECTS} interfaces, addresses or routes")
        yield answer


# Fixed by the kernel (linux/if.h, linux/rtnetlink.h) and its names for kinds of interface.
IFF_UP, IFF_LOOPBACK = 0x1, 0x8
RTN_UNICAST = 1
TUNNELS = frozenset({"tun", "wireguard", "ovpn", "ppp", "xfrm", "vti", "vti6", "vxlan", "geneve", "l2tpeth"}) | {
    *("ipip", "sit", "gre", "gretap", "ip6gre", "ip6gretap", "ip6tnl"),
}
INNER = frozenset({"bridge", "veth", "dummy", "ifb"})

# Our choices.
MOST_OBJECTS = 20_000
