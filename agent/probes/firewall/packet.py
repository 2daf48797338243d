"""The packet that is asked about, and what each field of it is: known, known in part, absent, or open.

It compares nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from agent.posture.facts.network import Transport
from agent.probes.firewall.sources import NONE, Sources


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a stranger who is in no hurry; it comes in by `link`.

    `destinations` are the addresses that it may be for, none where any is possible; `onward` is the link that it
    leaves by, empty for a packet for ourselves. Who is among `translated` may have got another destination on the
    way; `state` is what connection tracking says of the packet, nothing where that is not certain.
    """

    transport: Transport
    port: int
    version: int
    link: str
    destinations: tuple[int, ...] = ()
    onward: str = ""
    translated: Sources = NONE
    state: str | None = "new"


@dataclass(frozen=True, slots=True)
class Labels:
    """A value that is known, by every name that nft may give it."""

    names: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Bits:
    """Flags: which are set, and what they are called."""

    set: int
    names: Mapping[str, int]

    def mask(self, told: object) -> int | None:
        """Read one or several flags by their names."""
        match told:
            case str(name):
                return self.names.get(name)
            case int(number):
                return number
            case [*parts] | {"|": [*parts]}:
                masks = [self.mask(part) for part in parts]
                known = [mask for mask in masks if mask is not None]
                return reduce(or_, known, 0) if len(known) == len(masks) else None
        return None


@dataclass(frozen=True, slots=True)
class Sender:
    """The address of whoever sends: any."""


@dataclass(frozen=True, slots=True)
class Aims:
    """The address that is sent to: one of these."""

    addresses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WayBack:
    """The link that an answer would leave by."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A header between IPv6 and its content, which hardly any packet has."""


@dataclass(frozen=True, slots=True)
class Joined:
    """Several values that are compared together."""

    parts: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """A field that this packet does not have: no rule that asks for it applies."""


@dataclass(frozen=True, slots=True)
class Open:
    """A value that nobody can tell."""


Value = Labels | Bits | Sender | Aims | WayBack | Extension | Joined | Absent | Open


def read_value(packet: Packet, expression: object) -> Value:
    """Tell what an expression of nft is for this packet."""
    match expression:
        case {"concat": [*parts]}:
            return _join(tuple(read_value(packet, part) for part in parts))
        case {"&": [inner, mask]}:
            return _masked(read_value(packet, inner), mask)
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return _field(packet, protocol, field)
        case {"meta": {"key": str(key)}}:
            return _about(packet, key)
        case {"ct": {"key": str(key)}}:
            return _connection(packet, key)
        case {"fib": {"result": str(result), "flags": [*flags]}}:
            return _route(packet, result, flags)
        case {"exthdr": _}:
            return Extension()
    return OPEN


def _join(parts: tuple[Value, ...]) -> Value:
    return ABSENT if ABSENT in parts else Joined(parts)


def _masked(value: Value, told: object) -> Value:
    if not isinstance(value, Bits):
        return ABSENT if value == ABSENT else OPEN
    mask = value.mask(told)
    return OPEN if mask is None else Bits(value.set & mask, value.names)


def _field(packet: Packet, protocol: str, field: str) -> Value:
    if protocol in NETWORK_PROTOCOLS:
        return _network_field(packet, field) if NETWORK_PROTOCOLS[protocol] == packet.version else ABSENT
    if protocol not in ("th", "tcp", "udp"):
        return ABSENT if protocol in OTHER_TRANSPORTS else OPEN
    if protocol not in ("th", packet.transport):
        return ABSENT
    match protocol, field:
        case _, "dport":
            return Labels((packet.port,))
        case "tcp", "flags":
            return Bits(TCP_FLAGS["syn"], TCP_FLAGS)
    return OPEN


def _network_field(packet: Packet, field: str) -> Value:
    match field:
        case "saddr":
            return Sender()
        case "daddr":
            return Aims(packet.destinations) if packet.destinations else OPEN
        case "protocol":
            return Labels(TRANSPORTS[packet.transport])
    return OPEN


def _about(packet: Packet, key: str) -> Value:
    match key:
        case "iif" | "iifname":
            return Labels((packet.link,))
        case "oif" | "oifname" if packet.onward:
            return Labels((packet.onward,))
        case "l4proto":
            return Labels(TRANSPORTS[packet.transport])
        case "nfproto" | "protocol":
            return Labels(VERSIONS[key, packet.version])
        case "pkttype":
            return Labels(("host", "unicast", 0))
    return OPEN


def _connection(packet: Packet, key: str) -> Value:
    if packet.state is None:
        return OPEN
    match key:
        case "state":
            return Bits(STATES[packet.state], STATES)
        case _ if packet.state == BEFORE_TRACKING:
            return ABSENT
        case "status" if not packet.translated:
            return Bits(0, STATUS)
        case "direction":
            return Labels(("original", 0))
    return OPEN


def _route(packet: Packet, result: str, flags: list[object]) -> Value:
    if (result, flags) == ("type", ["daddr"]):
        return Labels(("unicast", 1) if packet.onward else ("local", 2))
    return WayBack() if result == "oif" and "saddr" in flags else OPEN


OPEN, ABSENT = Open(), Absent()

# Fixed by the kernel (linux/netfilter.h, nf_conntrack_common.h) and by nft's names.
NETWORK_PROTOCOLS = {"ip": 4, "ip6": 6}
OTHER_TRANSPORTS = frozenset({"icmp", "icmpv6", "igmp", "udplite", "sctp", "dccp", "esp", "ah", "comp", "arp"})
TRANSPORTS: Mapping[Transport, tuple[str | int, ...]] = {Transport.TCP: ("tcp", 6), Transport.UDP: ("udp", 17)}
VERSIONS: Mapping[tuple[str, int], tuple[str | int, ...]] = {
    ("nfproto", 4): ("ipv4", 2),
    ("nfproto", 6): ("ipv6", 10),
    ("protocol", 4): ("ip", 0x0800),
    ("protocol", 6): ("ip6", 0x86DD),
}
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
BEFORE_TRACKING = "invalid"
STATUS = {
    "expected": 1,
    "seen-reply": 2,
    "assured": 4,
    "confirmed": 8,
    "snat": 16,
    "dnat": 32,
    "dying": 512,
}
