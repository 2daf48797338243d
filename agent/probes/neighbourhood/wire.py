"""Runs the program that asks on the wire itself (ARP, DHCP), and reads what it heard.

The program is one of its own, with its own rights; it is ended at the deadline, and what it writes is bounded
and believed only as far as it is written as agreed.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import cast

from agent.posture.facts import Told
from agent.posture.facts.network import DhcpServer


@dataclass(frozen=True, slots=True)
class Wire:
    """What answered on one link: hardware addresses for the gateway, and DHCP servers.

    It is not `whole` where the program heard more than it can judge, as under a flood.
    """

    macs: tuple[str, ...] = ()
    servers: tuple[DhcpServer, ...] = ()
    whole: bool = True

    @property
    def contested(self) -> Told:
        """Tell whether two answered for the gateway; UNTOLD where none did, or one and perhaps more."""
        if len(self.macs) > 1:
            return Told.YES
        return Told.NO if self.macs and self.whole else Told.UNTOLD


async def ask_wire(command: Sequence[str], interface: str, gateway: IPv4Address, ours: IPv4Address) -> Wire | None:
    """Run the program for one gateway, from our own address; None where it could not ask."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            *(interface, str(gateway), str(ours)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        return read_wire(await _output(process), interface)
    except TimeoutError:
        return None
    finally:
        await _end(process)


def read_wire(output: bytes, interface: str) -> Wire | None:
    """Read the lines that the program wrote of an interface; None where it wrote none, or one not as agreed."""
    macs: list[str] = []
    servers: list[DhcpServer] = []
    lines = output.splitlines()
    whole = lines[-1:] == [DONE]
    for line in lines[:-1] if whole else lines:
        try:
            match json.loads(line):
                case {"gateway": str(mac)} if MAC.fullmatch(mac):
                    macs.append(mac)
                case {"dhcp": str(address), "routers": [*routers], "resolvers": [*resolvers]}:
                    servers.append(DhcpServer(interface, IPv4Address(address), _read(routers), _read(resolvers)))
                case _:
                    return None
        except (ValueError, RecursionError):
            return None
    return Wire(tuple(dict.fromkeys(macs)), tuple(dict.fromkeys(servers)), whole) if lines else None


def _read(addresses: list[object]) -> tuple[IPv4Address, ...]:
    return tuple(IPv4Address(str(address)) for address in addresses)


async def _output(process: asyncio.subprocess.Process) -> bytes:
    async with asyncio.timeout(LONGEST_RUN):
        return await _read_bounded(cast(asyncio.StreamReader, process.stdout))


async def _read_bounded(stream: asyncio.StreamReader) -> bytes:
    read = b""
    while len(read) <= LARGEST_OUTPUT and (more := await stream.read(LARGEST_OUTPUT)):
        read += more
    return read if len(read) <= LARGEST_OUTPUT else b""


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


# Agreed with the program.
DONE = b'{"done": true}'
MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")

# Our choices, in seconds and in bytes.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "HOME": "/nonexistent", "PATH": "/nonexistent"}
LONGEST_RUN = 10.0
LARGEST_OUTPUT = 64 << 10
