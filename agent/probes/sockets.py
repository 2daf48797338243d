"""Which sockets wait for others: TCP that listens, UDP without a partner (inet_diag of the kernel).

Programs behind them are not looked at. What listens on the loopback alone is left out, and what carries our mark.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from agent.posture.facts.network import Address, Transport
from agent.probes.netlink import attributes, dump


@dataclass(frozen=True, slots=True)
class Waiting:
    """A socket that waits; `device` is the index of the one interface that it is bound to, 0 for all.

    `versions` are the IP versions that it hears.
    """

    transport: Transport
    port: int
    versions: tuple[int, ...]
    address: Address
    device: int
    uid: int


def read_waiting(mark: int) -> tuple[Waiting, ...]:
    """List who waits in this network namespace, without sockets of this mark; raise OSError when it is not told."""
    found: set[Waiting] = set()
    for transport, (protocol, state) in ASKED.items():
        for family in FAMILIES:
            question = QUESTION.pack(family, protocol, 0, 1 << state)
            found.update(_others(transport, mark, dump(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, question)))
    return tuple(sorted(found, key=_order))


def _others(transport: Transport, mark: int, answers: Iterator[bytes]) -> Iterator[Waiting]:
    for answer in answers:
        told = dict(attributes(answer[ANSWER.size :]))
        waiting = _read(transport, answer, told.get(INET_DIAG_SKV6ONLY, b"") in (b"", b"\0"))
        ours = told.get(INET_DIAG_MARK) == mark.to_bytes(4, sys.byteorder)
        if waiting.port and not (ours or waiting.address.is_loopback or waiting.device == LOOPBACK):
            yield waiting


def _read(transport: Transport, answer: bytes, shared: bool) -> Waiting:
    """Read one answer; a `shared` socket of every IPv6 address hears IPv4 too."""
    if len(answer) < ANSWER.size:
        raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
    family, port, raw, device, uid = ANSWER.unpack_from(answer)
    address = IPv4Address(raw[:4]) if family == socket.AF_INET else IPv6Address(raw)
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    versions = (6, 4) if shared and address == EVERY_ADDRESS else (address.version,)
    return Waiting(transport, int.from_bytes(port, "big"), versions, address, device, uid)


def _order(waiting: Waiting) -> tuple[object, ...]:
    return waiting.transport, waiting.port, waiting.versions, int(waiting.address), waiting.device, waiting.uid


# Fixed by the kernel (linux/sock_diag.h, linux/inet_diag.h, net/tcp_states.h).
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
QUESTION = struct.Struct("=BBBxI48x")  # family, protocol, wanted attributes, states, which sockets: all
ANSWER = struct.Struct("=B3x2s2x16s16xI8x12xI4x")  # family, port, address, interface, uid
INET_DIAG_SKV6ONLY, INET_DIAG_MARK = 11, 15
LISTENING, WITHOUT_PARTNER = 10, 7
LOOPBACK = 1
ASKED = {
    Transport.TCP: (socket.IPPROTO_TCP, LISTENING),
    Transport.UDP: (socket.IPPROTO_UDP, WITHOUT_PARTNER),
}
FAMILIES = (socket.AF_INET, socket.AF_INET6)
EVERY_ADDRESS = IPv6Address(0)
