"""Asks the link's name server for a name that does not exist: a liar gives an address (RFC 1035 over UDP).

It asks for that one name only, tells nothing about this machine, and reads at most one datagram's worth of any answer.
"""

import asyncio
import os
import re
import socket
from collections.abc import Collection
from ipaddress import ip_address
from pathlib import Path
from struct import pack, unpack_from

from agent.posture.facts import Told
from agent.posture.facts.network import Address


async def ask_canary(name: str, resolver_file: Path, ours: Collection[Address]) -> Told:
    """Tell whether the first name server says that the name does not exist; UNTOLD without a usable answer.

    A name server that is reached from an address of `ours` is the hospital's, and is not asked.
    """
    servers = read_servers(resolver_file)
    if not servers:
        return Told.UNTOLD
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            return await _ask(name, servers[0], ours)
    except (OSError, TimeoutError):
        return Told.UNTOLD


def read_servers(resolver_file: Path) -> tuple[Address, ...]:
    """Read the name servers of a resolver file; none where it cannot be read."""
    try:
        with resolver_file.open("rb") as opened:
            text = opened.read(LARGEST_FILE).decode("ascii", "replace")
    except OSError:
        return ()
    found = []
    for word in SERVER.findall(text):
        try:
            found.append(ip_address(word))
        except ValueError:
            continue
    return tuple(found)


def question(number: int, name: str) -> bytes:
    """Write a question for a name's IPv4 address (RFC 1035 §4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split("."))
    return pack("!HHHHHH", number, RECURSION_DESIRED, 1, 0, 0, 0) + labels + b"\0" + pack("!HH", A, IN)


def answer(asked: bytes, told: bytes) -> Told | None:
    """Read what a server told of a name that does not exist; None for what is no answer to this question.

    The answer must repeat number and question; then only its status and the count of records matter, so
    that no record needs to be decoded.
    """
    if len(told) < len(asked) or told[:2] != asked[:2] or told[HEADER : len(asked)].lower() != asked[HEADER:].lower():
        return None
    flags, questions, records = unpack_from("!HHH", told, 2)
    if not flags & IS_ANSWER or flags & OPCODE or questions != 1:
        return None
    match flags & STATUS:
        case 3:
            return Told.YES
        case 0 if records and len(told) > len(asked):
            return Told.NO
        case _:
            return Told.UNTOLD


async def _ask(name: str, server: Address, ours: Collection[Address]) -> Told:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if server.version == IPV6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asking:
        asking.connect((str(server), DNS_PORT))
        if ip_address(str(asking.getsockname()[0]).partition("%")[0]) in ours:
            return Told.UNTOLD
        asked = question(int.from_bytes(os.urandom(2)), name)
        await loop.sock_sendall(asking, asked)
        for _ in range(MOST_ANSWERS):
            told = answer(asked, await loop.sock_recv(asking, LARGEST_ANSWER))
            if told is not None:
                return told
    return Told.UNTOLD


# Fixed by RFC 1035.
DNS_PORT = 53
HEADER = 12
A, IN = 1, 1
IS_ANSWER, OPCODE, RECURSION_DESIRED, STATUS = 0x8000, 0x7800, 0x0100, 0x000F
IPV6 = 6
SERVER = re.compile(r"^[ \t]*nameserver[ \t]+([0-9A-Fa-f.:%]+\w*)", re.MULTILINE)

# Our choices.
LONGEST_WAIT = 3.0
LARGEST_ANSWER = 4096
MOST_ANSWERS = 16
LARGEST_FILE = 64 << 10
