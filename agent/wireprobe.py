# SPDX-License-Identifier: GPL-2.0-only
"""Asks on one link who answers as the gateway (ARP) and who hands out addresses (DHCP), and writes what it hears.

A program of its own under the GPL, as scapy is: nothing imports it, and it imports nothing else of this project.
It opens its two packet sockets, gives up every right, and only then reads what the network sends. It asks with
this machine's own addresses, discovers DHCP servers and never requests a lease.

    python -I -m agent.wireprobe INTERFACE GATEWAY OUR_ADDRESS

It writes a line of JSON for each answer, {"gateway": "02:..."} or {"dhcp": "192.0.2.1", "routers": ["192.0.2.1"],
"resolvers": []}, and {"done": true} at the end; without that last line more may be there than was heard.
"""

import ctypes
import json
import os
import secrets
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether


@dataclass(frozen=True)
class Ends:
    """Who asks, and about which gateway; `call` is the number by which DHCP servers answer us."""

    mac: str
    address: str
    gateway: str
    call: int


def main(words: list[str]) -> int:
    """Ask, listen for `LISTEN` seconds, write what was heard."""
    if len(words) != len(("interface", "gateway", "address")):
        return 2
    interface, gateway, address = words
    try:
        arp, dhcp = open_socket(interface, ETH_P_ARP), open_socket(interface, ETH_P_IP, ONLY_DHCP)
        give_up_rights()
        *_, kind, mac = arp.getsockname()
        if kind != ARPHRD_ETHER:
            return 1
        for said in heard(arp, dhcp, Ends(mac.hex(":"), address, gateway, secrets.randbits(32))):
            print(said, flush=True)
    except OSError:
        return 1
    print(json.dumps({"done": True}), flush=True)
    return 0


def open_socket(interface: str, protocol: int, program: bytes = b"") -> socket.socket:
    """Open a packet socket on one interface; it hears nothing before its filter is in place."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if program:
        held = ctypes.create_string_buffer(program, len(program))
        pointer = struct.pack("HP", len(program) // INSTRUCTION.size, ctypes.addressof(held))
        opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
    opened.bind((interface, protocol))
    return opened


def give_up_rights() -> None:
    """Become nobody where that is allowed, and give up every capability and the way to new ones, always."""
    with suppress(PermissionError):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.capset(CAPABILITIES, bytes(LENGTH_OF_SETS)) != 0:
        raise OSError(ctypes.get_errno(), "the rights cannot be given up")


def heard(arp: socket.socket, dhcp: socket.socket, ends: Ends) -> Iterator[str]:
    """Ask several times and give each different answer once, as a line; raise OSError under a flood."""
    told: set[str] = set()
    now = started = time.monotonic()
    ask_at = [started + wait for wait in ASK_AFTER]
    for _ in range(MOST_FRAMES):
        while ask_at and now >= ask_at[0]:
            arp.send(who_has(ends))
            dhcp.send(discover(ends))
            ask_at.pop(0)
        until = ask_at[0] if ask_at else started + LISTEN
        ready, _, _ = select.select([arp, dhcp], [], [], max(0.0, until - now))
        for each in ready:
            answer = read(each.recv(LARGEST_FRAME), ends)
            line = json.dumps(answer)
            if answer is not None and line not in told and len(told) < MOST_TOLD:
                told.add(line)
                yield line
        now = time.monotonic()
        if now >= started + LISTEN:
            return
    raise OSError("more was heard than can be judged")


def who_has(ends: Ends) -> bytes:
    """Write the question for the gateway's hardware address."""
    question = ARP(op=WHO_HAS, hwsrc=ends.mac, psrc=ends.address, pdst=ends.gateway)
    return bytes(Ether(src=ends.mac, dst=EVERYBODY) / question)


def discover(ends: Ends) -> bytes:
    """Write the question for DHCP servers; they shall answer to everybody, so that nobody must have an address."""
    request = BOOTP(chaddr=bytes.fromhex(ends.mac.replace(":", "")), xid=ends.call, flags=ANSWER_TO_ALL)
    kind = DHCP(options=[("message-type", "discover"), ("param_req_list", [ROUTERS, RESOLVERS]), "end"])
    way = Ether(src=ends.mac, dst=EVERYBODY) / IP(src="0.0.0.0", dst="255.255.255.255")  # noqa: S104  # RFC 2131 §4.1
    return bytes(way / UDP(sport=68, dport=67) / request / kind)


def read(frame: bytes, ends: Ends) -> dict[str, object] | None:
    """Read who claims to be the gateway, or what a server offers; None for any other frame, also a broken one."""
    try:
        packet = Ether(frame)
        if ARP in packet and packet[ARP].psrc == ends.gateway and packet[ARP].hwsrc != ends.mac:
            return {"gateway": str(packet[ARP].hwsrc).lower()}
        if DHCP in packet and packet[BOOTP].xid == ends.call:
            return offered({option[0]: option[1:] for option in packet[DHCP].options if isinstance(option, tuple)})
    except Exception:  # scapy promises no narrower one for what it cannot read
        return None
    return None


def offered(options: dict[str, tuple[object, ...]]) -> dict[str, object] | None:
    """Read an offer; None for any other message, or where the server does not say who it is."""
    if options.get("message-type") != (OFFER,) or "server_id" not in options:
        return None
    routers, resolvers = (sorted(map(str, options.get(name, ())))[:MOST_NAMED] for name in ("router", "name_server"))
    return {"dhcp": str(options["server_id"][0]), "routers": routers, "resolvers": resolvers}


# Fixed by the kernel, by RFC 826 and by RFC 2131.
ETH_P_IP, ETH_P_ARP = 0x0800, 0x0806
ARPHRD_ETHER = 1
SO_ATTACH_FILTER = 26
PR_SET_NO_NEW_PRIVS = 38
CAPABILITIES = struct.pack("=Ii", 0x20080522, 0)
LENGTH_OF_SETS = 24
EVERYBODY = "ff:ff:ff:ff:ff:ff"
WHO_HAS, OFFER = 1, 2
ANSWER_TO_ALL = 0x8000
ROUTERS, RESOLVERS = 3, 6

# What a DHCP server sends to a client: code, jump if true, jump if false, value (linux/filter.h).
INSTRUCTION = struct.Struct("=HBBI")
ONLY_DHCP = b"".join(
    INSTRUCTION.pack(*instruction)
    for instruction in (
        (0x30, 0, 0, 23),  # the protocol of the IP packet
        (0x15, 0, 7, 17),  # is UDP,
        (0x28, 0, 0, 20),
        (0x45, 5, 0, 0x1FFF),  # it is no later fragment,
        (0xB1, 0, 0, 14),  # and behind its header
        (0x48, 0, 0, 14),
        (0x15, 0, 2, 67),  # it comes from a server's port
        (0x48, 0, 0, 16),
        (0x15, 1, 0, 68),  # and goes to a client's
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFF),
    )
)

# Our choices, in seconds and in pieces.
ASK_AFTER = (0.0, 0.5, 1.0)
LISTEN = 4.0
MOST_FRAMES = 5_000
LARGEST_FRAME = 2_048
MOST_TOLD = 32
MOST_NAMED = 8
NOBODY = 65_534

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
