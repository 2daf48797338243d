"""What a gateway hands out, bounded before anything is configured (RFC 7296 §3.15); it never touches an interface."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from ike.config import Config, ResponderConfig
from ike.effects import Note
from ike.errors import PeerError
from ike.payloads import CfgValue, Configuration
from ike.registry import CfgAttribute, CfgType, NotifyType

Handout = tuple[tuple[IPv4Interface, ...], tuple[IPv4Address, ...], tuple[Note, ...]]

REQUEST = Configuration(
    CfgType.REQUEST,
    (CfgValue(CfgAttribute.INTERNAL_IP4_ADDRESS), CfgValue(CfgAttribute.INTERNAL_IP4_DNS)),
)


def accept(config: Config, reply: Configuration | None) -> Handout:
    """Take what is within bounds; a bad address refuses the gateway, a bad name server is left out."""
    if reply is None or reply.kind != CfgType.REPLY:
        silent = (Note("address.absent", "the gateway handed out no address"),) if config.want_address else ()
        return (), (), silent
    if not config.want_address:
        return (), (), (Note("address.unasked", "the gateway handed out what nobody asked for; it is left out"),)
    addresses = _values(reply, CfgAttribute.INTERNAL_IP4_ADDRESS)
    for address in addresses:
        if not _acceptable(address, config.address_bounds or PRIVATE):
            raise PeerError(
                f"the gateway handed out the address {address}",
                code="address.refused",
                notify=NotifyType.INTERNAL_ADDRESS_FAILURE,
            )
    servers = _values(reply, CfgAttribute.INTERNAL_IP4_DNS)
    good = tuple(server for server in servers if _is_host(server))
    notes = tuple(
        Note("address.dns", f"the gateway handed out the name server {server}, which is left out")
        for server in servers
        if server not in good
    )
    return tuple(map(IPv4Interface, addresses)), good, notes


def hand_out(config: ResponderConfig, request: Configuration) -> Configuration | None:
    """Answer a client that asks for an address; None when there is none left."""
    if not config.pool:
        return None
    address = CfgValue(CfgAttribute.INTERNAL_IP4_ADDRESS, config.pool[0].packed)
    asked = any(value.kind == CfgAttribute.INTERNAL_IP4_DNS for value in request.attributes)
    servers = config.dns if asked else ()
    values = (CfgValue(CfgAttribute.INTERNAL_IP4_DNS, server.packed) for server in servers)
    return Configuration(CfgType.REPLY, (address, *values))


def _values(reply: Configuration, kind: CfgAttribute) -> tuple[IPv4Address, ...]:
    found = [value.ipv4() for value in reply.attributes if value.kind == kind and value.data]
    return tuple(dict.fromkeys(found))[:MOST_VALUES]


def _acceptable(address: IPv4Address, bounds: Sequence[IPv4Network]) -> bool:
    return _is_host(address) and any(address in bound for bound in bounds)


def _is_host(address: IPv4Address) -> bool:
    return not (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or address.is_reserved
    )


# Fixed by RFC 1918 §3, RFC 6598 §7
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))

# Our choice
MOST_VALUES = 8
