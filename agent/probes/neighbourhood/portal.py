"""Asks for a page that answers 204 to everybody: whatever else comes back was sent by a login page.

It sends no cookie and no name of this program, follows nothing, and reads the first line of the answer only.
"""

import asyncio
import re
from contextlib import suppress
from urllib.parse import urlsplit

from agent.posture.facts import Told


async def ask_portal(url: str) -> Told:
    """Tell whether a login page answers in the place of `http://host[:port]/path`; UNTOLD where nobody does."""
    page = urlsplit(url)
    try:
        async with asyncio.timeout(LONGEST_WAIT):
            line = await _first_line(page.hostname or "", page.port or HTTP_PORT, page.netloc, page.path or "/")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, UnicodeError):
        return Told.UNTOLD
    return read_status(line)


def read_status(line: bytes) -> Told:
    """Read the status line of the answer: 204 is the page itself, an error of the server tells nothing."""
    status = STATUS.match(line)
    if status is None:
        return Told.UNTOLD
    if status[1] == NO_CONTENT:
        return Told.NO
    return Told.YES if status[1] in BY_A_LOGIN_PAGE or status[1][:1] in (b"2", b"3") else Told.UNTOLD


async def _first_line(host: str, port: int, called: str, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, limit=LONGEST_LINE)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {called}\r\nConnection: close\r\n\r\n".encode("ascii"))
        return await reader.readuntil(b"\n")
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


# Fixed by RFC 9110 and RFC 6585.
HTTP_PORT = 80
STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")
NO_CONTENT = b"204"
BY_A_LOGIN_PAGE = frozenset({b"401", b"407", b"511"})

# Our choices.
LONGEST_WAIT = 3.0
LONGEST_LINE = 4096
