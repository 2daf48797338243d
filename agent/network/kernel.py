"""One change, one request to the kernel: addresses, routes and rules by netlink.

It never decides an order and never retries; what is already gone counts as removed.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from agent.network.errors import NetworkRefused
from agent.network.plan import (
    AddressChange,
    KernelChange,
    LinkChange,
    LinkState,
    NetworkConfig,
    RouteChange,
    RuleChange,
)


class Answer(Protocol):
    """One object of a dump."""

    def get(self, key: str) -> object:
        """Give an attribute or a header field; None when it is absent."""


class Requests(Protocol):
    """The few requests of `pyroute2.IPRoute` that are used."""

    def link(self, command: str, **fields: object) -> object:
        """Change an interface."""

    def addr(self, command: str, **fields: object) -> object:
        """Change an address."""

    def route(self, command: str, **fields: object) -> object:
        """Change a route."""

    def rule(self, command: str, **fields: object) -> object:
        """Change a rule."""

    def get_links(self, index: int) -> Iterable[Answer]:
        """Ask for one interface."""

    def get_routes(self, *, family: int, table: int) -> Iterable[Answer]:
        """List the routes of a table."""

    def get_rules(self, *, family: int) -> Iterable[Answer]:
        """List the rules."""

    def close(self) -> None:
        """Close the socket."""


class Kernel:
    """The kernel's side of the network, for as long as the `with` lasts."""

    def __init__(self, requests: Callable[[], Requests] = IPRoute) -> None:
        try:
            self._requests = requests()
        except (OSError, NetlinkError) as error:
            raise refused("netlink", error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._requests.close()

    def link_state(self, config: NetworkConfig) -> LinkState:
        """Look at the interface as it is, and make sure that it is the one that is meant."""
        try:
            answers = list(self._requests.get_links(config.index))
        except (OSError, NetlinkError) as error:
            raise refused("link", error) from error
        if not answers or answers[0].get("IFLA_IFNAME") != config.interface:
            raise NetworkRefused("link", f"interface {config.index} is not {config.interface}")
        flags = _number(answers[0], "flags")
        return LinkState(_number(answers[0], "IFLA_MTU"), _number(answers[0], "IFLA_TXQLEN"), bool(flags & IFF_UP))

    def check_free(self, config: NetworkConfig) -> None:
        """Refuse to start where our table or our places in the list of rules are in use."""
        try:
            taken = [self._taken(config, FAMILIES[family]) for family in config.families]
        except (OSError, NetlinkError) as error:
            raise refused("rules", error) from error
        for what in filter(None, taken):
            raise NetworkRefused("rules", f"{what} is already in use by another program")

    def carry_out(self, change: KernelChange) -> None:
        """Make one change; raise `NetworkRefused` where the kernel says no."""
        try:
            self._carry_out(change)
        except (OSError, NetlinkError) as error:
            adding = not isinstance(change, LinkChange) and change.add
            if adding or not _is_gone(error):
                raise refused(STEPS[type(change)], error) from error

    def _carry_out(self, change: KernelChange) -> None:
        match change:
            case LinkChange():
                self._set_link(change)
            case AddressChange():
                self._requests.addr(_verb(change.add), **_address(change))
            case RouteChange():
                self._requests.route(_verb(change.add), **_route(change))
            case RuleChange():
                self._requests.rule(_verb(change.add), **_rule(change))

    def _set_link(self, change: LinkChange) -> None:
        if change.after.up:
            self._stay_silent(change.index)
        wanted = change.after
        state = "up" if wanted.up else "down"
        self._requests.link("set", index=change.index, mtu=wanted.mtu, txqlen=wanted.queue, state=state)

    def _stay_silent(self, index: int) -> None:
        """Let the interface make no IPv6 address of its own: it would solicit routers through the tunnel."""
        mode = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", IN6_ADDR_GEN_MODE_NONE]]}]]}
        try:
            self._requests.link("set", index=index, IFLA_AF_SPEC=mode)
        except NetlinkError as error:
            if error.code not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
                raise

    def _taken(self, config: NetworkConfig, family: int) -> str | None:
        for rule in self._requests.get_rules(family=family):
            if rule.get("FRA_PRIORITY") in config.priorities:
                return f"rule {rule.get('FRA_PRIORITY')}"
        for route in self._requests.get_routes(family=family, table=config.table):
            if route.get("RTA_TABLE") == config.table:
                return f"routing table {config.table}"
        return None


def refused(step: str, error: Exception) -> NetworkRefused:
    """Put what the kernel said into one clause."""
    code = getattr(error, "code", None) or getattr(error, "errno", None)
    return NetworkRefused(step, f"the system said '{os.strerror(code)}'" if code else type(error).__name__)


def _address(change: AddressChange) -> dict[str, object]:
    address = change.address
    # Nobody else is on a tunnel: an address that first looks for duplicates could not yet be a route's source.
    flags = IFA_F_NOPREFIXROUTE | (IFA_F_NODAD if address.version == IPV6 else 0)
    where = {"index": change.index, "address": str(address.ip), "prefixlen": address.network.prefixlen}
    return where | {"IFA_FLAGS": flags}


def _route(change: RouteChange) -> dict[str, object]:
    family = FAMILIES[change.network.version]
    common = {"family": family, "dst": str(change.network), "table": change.table}
    if change.index is None:
        return common | {"type": "unreachable", "priority": LAST_METRIC}
    return common | {"oif": change.index, "prefsrc": str(change.source), "scope": "link"}


def _rule(change: RuleChange) -> dict[str, object]:
    common: dict[str, object] = {"family": FAMILIES[change.family], "priority": change.priority}
    if change.network is not None:
        return common | {"dst": str(change.network), "table": change.table}
    if change.mark is not None:
        return common | {"fwmark": change.mark, "fwmask": WHOLE_MARK, "action": "goto", "FRA_GOTO": change.target}
    return common | {"action": "nop"}


def _verb(add: bool) -> str:
    return "add" if add else "del"


def _number(answer: Answer, name: str) -> int:
    value = answer.get(name)
    if not isinstance(value, int):
        raise NetworkRefused("link", f"the system told no {name}")
    return value


def _is_gone(error: Exception) -> bool:
    return isinstance(error, NetlinkError) and error.code in GONE


# Fixed by the kernel.
IFF_UP = 1
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 0x02, 0x200
IPV6 = 6
IN6_ADDR_GEN_MODE_NONE = 1
LAST_METRIC = 0xFFFF_FFFF
WHOLE_MARK = 0xFFFF_FFFF
FAMILIES = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
GONE = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENXIO, errno.EADDRNOTAVAIL})
STEPS: dict[type, str] = {LinkChange: "link", AddressChange: "addresses", RouteChange: "routes", RuleChange: "rules"}
