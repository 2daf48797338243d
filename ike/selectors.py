"""Which traffic belongs to a Child SA: ranges of addresses and ports (RFC 7296 §3.13.1); it never sees a packet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    summarize_address_range,
)
from itertools import islice
from struct import pack
from typing import Self

from ike.errors import ConfigError, MalformedError
from ike.registry import TsType
from ike.wire import Reader

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Span = tuple[int, int, tuple[int, int], int, int]  # kind, protocol, ports, first and last address


@dataclass(frozen=True, slots=True)
class Selector:
    """One address range with its protocol and ports; both ends belong to it.

    +---------+----------+-----------------+------------+----------+
    | TS type | protocol | selector length | start port | end port |
    +---------+----------+-----------------+------------+----------+
    | starting address                     | ending address        |
    +--------------------------------------+-----------------------+
    """

    kind: int
    protocol: int  # 0: any
    port_start: int  # for ICMP: type and code (RFC 7296 §3.13.1)
    port_end: int
    start: Address
    end: Address

    @classmethod
    def from_network(cls, network: Network, protocol: int = 0, ports: tuple[int, int] = (0, 65535)) -> Self:
        """Select a whole network."""
        kind = TsType.IPV4_ADDR_RANGE if network.version == 4 else TsType.IPV6_ADDR_RANGE
        return cls(kind, protocol, *ports, network.network_address, network.broadcast_address)

    @classmethod
    def decode(cls, kind: int, body: Reader) -> Self:
        """Read what follows type and length of a range whose `kind` is IPv4 or IPv6."""
        size = ADDRESS_SIZE[kind]
        protocol = body.u8()
        port_start, port_end = body.u16(), body.u16()
        start, end = ip_address(body.take(size)), ip_address(body.take(size))
        body.end()
        if int(start) > int(end):
            raise MalformedError(f"traffic selector runs backwards from {start} to {end}")
        if port_start > port_end and (port_start, port_end) != OPAQUE:
            raise MalformedError(f"traffic selector ports run backwards from {port_start} to {port_end}")
        return cls(kind, protocol, port_start, port_end, start, end)

    def encode(self) -> bytes:
        """Write the whole substructure."""
        addresses = self.start.packed + self.end.packed
        head = pack("!BBHHH", self.kind, self.protocol, 8 + len(addresses), self.port_start, self.port_end)
        return head + addresses

    def contains(self, other: "Selector") -> bool:
        """Tell whether all of the other's traffic belongs here too."""
        return self.overlap(other) == other

    def overlap(self, other: "Selector") -> "Selector | None":
        """Give the traffic that belongs to both, if there is any."""
        common = _common(self.span, other.span)
        return None if common is None else _selector(common)

    def networks(self) -> tuple[Network, ...]:
        """Cover exactly this range by networks, as routes need them."""
        start, end = self.start, self.end
        if isinstance(start, IPv4Address) and isinstance(end, IPv4Address):
            return tuple(summarize_address_range(start, end))
        if isinstance(start, IPv6Address) and isinstance(end, IPv6Address):
            return tuple(summarize_address_range(start, end))
        raise ConfigError("a traffic selector mixes IPv4 and IPv6")

    def describe(self) -> str:
        """Say it for people, as in "10.50.0.0/24" or "10.50.0.10/32 protocol 6 ports 104-104"."""
        networks = self.networks()
        where = str(networks[0]) if len(networks) == 1 else f"{self.start}-{self.end}"
        what = f" protocol {self.protocol}" if self.protocol else ""
        return where + what + ("" if self._any_port else f" ports {self.port_start}-{self.port_end}")

    @property
    def span(self) -> Span:
        """The same in plain numbers, which compare fast: a hostile peer may send 255 selectors to hold against 255."""
        return self.kind, self.protocol, (self.port_start, self.port_end), int(self.start), int(self.end)

    @property
    def _any_port(self) -> bool:
        return (self.port_start, self.port_end) == ANY_PORT


@dataclass(frozen=True, slots=True)
class OtherSelector:
    """A selector of a type we do not know, kept as it came."""

    kind: int
    body: bytes  # what follows type and length; the first byte stands where the protocol would

    def encode(self) -> bytes:
        """Write the whole substructure."""
        return pack("!BBH", self.kind, self.body[0], 3 + len(self.body)) + self.body[1:]


def decode_selectors(body: Reader) -> tuple[Selector | OtherSelector, ...]:
    """Read the list of a TS payload: count, three reserved bytes, then exactly so many selectors (RFC 7296 §3.13)."""
    count = body.u8()
    body.take(3)
    if not count:
        raise MalformedError("a traffic selector payload without selectors")
    return tuple(_decode_one(body) for _ in range(count))


def encode_selectors(selectors: Sequence[Selector | OtherSelector]) -> bytes:
    """Write the list of a TS payload."""
    if not 0 < len(selectors) <= MAXIMUM_SELECTORS:
        raise ConfigError(f"{len(selectors)} traffic selectors where 1 to {MAXIMUM_SELECTORS} fit")
    return pack("!B3x", len(selectors)) + b"".join(selector.encode() for selector in selectors)


def within(inner: Iterable[Selector], outer: Sequence[Selector]) -> bool:
    """Tell whether each inner selector lies in one of the outer ones; an answer must (RFC 7296 §2.9)."""
    spans = [wide.span for wide in outer]
    return all(any(_common(wide, one) == one for wide in spans) for one in (narrow_one.span for narrow_one in inner))


def narrow(offered: Iterable[Selector], allowed: Sequence[Selector]) -> tuple[Selector, ...]:
    """Cut what was offered down to what is allowed, in the order of the offer (RFC 7296 §2.9)."""
    rules = [rule.span for rule in allowed]
    common = (_common(offer, rule) for offer in (one.span for one in offered) for rule in rules)
    return tuple(map(_selector, islice(dict.fromkeys(span for span in common if span), MAXIMUM_SELECTORS)))


def _decode_one(body: Reader) -> Selector | OtherSelector:
    # the protocol byte lies between type and length
    kind, protocol, length = body.u8(), body.take(1), body.u16()
    if length < HEADER_SIZE:
        raise MalformedError(f"traffic selector length {length} is shorter than its header")
    content = protocol + body.take(length - HEADER_SIZE)
    return Selector.decode(kind, Reader(content)) if kind in ADDRESS_SIZE else OtherSelector(kind, content)


def _common(one: Span, other: Span) -> Span | None:
    kind, protocol, ports, start, end = one
    other_kind, other_protocol, other_ports, other_start, other_end = other
    if kind != other_kind or start > other_end or other_start > end:
        return None
    if protocol and other_protocol and protocol != other_protocol:
        return None
    shared = ports if ports == other_ports else _common_ports(ports, other_ports)
    if shared is None:
        return None
    return kind, protocol or other_protocol, shared, max(start, other_start), min(end, other_end)


def _selector(span: Span) -> Selector:
    kind, protocol, ports, start, end = span
    address = IPv4Address if kind == TsType.IPV4_ADDR_RANGE else IPv6Address
    return Selector(kind, protocol, *ports, address(start), address(end))


def _common_ports(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int] | None:
    if OPAQUE in (one, other):
        return OPAQUE if {one, other} <= {OPAQUE, ANY_PORT} else None
    start, end = max(one[0], other[0]), min(one[1], other[1])
    return (start, end) if start <= end else None


# Fixed by RFC 7296 §3.13
HEADER_SIZE = 4
ADDRESS_SIZE: dict[int, int] = {TsType.IPV4_ADDR_RANGE: 4, TsType.IPV6_ADDR_RANGE: 16}
ANY_PORT = (0, 65535)
OPAQUE = (65535, 0)
MAXIMUM_SELECTORS = 255
