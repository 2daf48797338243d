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


@dataclass(frozen=True, slots=True)
class Wire:
    """What answered on one link: hardware addresses for the gateway, and DHCP servers."""

    macs: tuple[str, ...] = ()
    servers: tuple[IPv4Address, ...] = ()

    @property
    def contested(self) -> Told:
        """Tell whether two answered for the gateway; UNTOLD where none did."""
        if not self.macs:
            return Told.UNTOLD
        return Told.YES if len(self.macs) > 1 else Told.NO


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
        return read_wire(await _output(process))
    except TimeoutError:
        return None
    finally:
        await _end(process)


def read_wire(output: bytes) -> Wire | None:
    """Read the lines that the program wrote; None without the last one, or where one is not as agreed."""
    macs: list[str] = []
    servers: list[IPv4Address] = []
    *lines, last = output.splitlines() or [b""]
    if last != DONE:
        return None
    for line in lines:
        try:
            match json.loads(line):
                case {"gateway": str(mac)} if MAC.fullmatch(mac):
                    macs.append(mac)
                case {"dhcp": str(address)}:
                    servers.append(IPv4Address(address))
                case _:
                    return None
        except (ValueError, RecursionError):
            return None
    return Wire(tuple(dict.fromkeys(macs)), tuple(dict.fromkeys(servers)))


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
