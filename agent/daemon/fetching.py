"""Fetches a newer policy through a tunnel, bounded in size and time; whether it is good is not decided here.

It speaks through the tunnel's interface only, follows no redirection and sends no name of this machine.
"""

import asyncio
import http.client
import io
import re
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from agent.daemon.policy_file import LARGEST_POLICY
from agent.posture.policy.signing import LARGEST_SIGNATURE, SUFFIX
from agent.problems import Trouble


@dataclass(frozen=True, slots=True)
class Fetched:
    """A policy's bytes as they came, and its detached signature if one lay beside it."""

    policy: bytes
    signature: bytes | None


async def fetch_policy(url: str, interface: str) -> Fetched:
    """Get a policy and the signature beside it; Trouble("policy.unfetched") says why that failed."""
    place = urlsplit(url)
    beside = place._replace(path=f"{place.path}{SUFFIX}")
    try:
        async with asyncio.timeout(LONGEST_FETCH):
            policy = await _get(place, interface, LARGEST_POLICY)
            if policy is None:
                raise ValueError("the server has no policy there")
            return Fetched(policy, await _get(beside, interface, LARGEST_SIGNATURE))
    except TimeoutError as error:
        raise Trouble("policy.unfetched", "the server takes too long") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Trouble("policy.unfetched", str(error) or type(error).__name__) from error


async def _get(place: SplitResult, interface: str, most: int) -> bytes | None:
    """Get one file of at most `most` bytes; None where there is none (404, 410)."""
    host, port = place.hostname or "", place.port or DEFAULT_PORTS[place.scheme]
    connected = await _connect(host, port, interface)
    tls = place.scheme == "https"
    try:
        reader, writer = await asyncio.open_connection(
            sock=connected, ssl=_unproven() if tls else None, server_hostname=host if tls else None
        )
    except BaseException:
        connected.close()
        raise
    try:
        writer.write(_request(place))
        return _content(await _read(reader, most + LARGEST_HEAD), most)
    finally:
        writer.transport.abort()


async def _connect(host: str, port: int, interface: str) -> socket.socket:
    """Connect through the tunnel's interface: where it is gone, nothing leaves by another way."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        await loop.sock_connect(opened, found[0][4])
    except BaseException:
        opened.close()
        raise
    return opened


def _unproven() -> ssl.SSLContext:
    """Demand no authority: the gateway was proven already, and the policy's own signature is what counts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(place: SplitResult) -> bytes:
    """Ask in HTTP/1.0: the answer comes in one piece and ends with the connection."""
    target = f"{place.path or '/'}?{place.query}" if place.query else place.path or "/"
    return f"GET {target} HTTP/1.0\r\nHost: {place.netloc}\r\nUser-Agent: sekisho\r\n\r\n".encode("ascii")


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    content = bytearray()
    while piece := await reader.read(PIECE):
        content += piece
        if len(content) > most:
            raise ValueError(f"the answer is longer than {most} bytes")
    return bytes(content)


def _content(answer: bytes, most: int) -> bytes | None:
    """Read the body out of an answer (RFC 9112 §2.1), whole or not at all."""
    file = io.BytesIO(answer)
    status = re.match(rb"HTTP/1\.[0-9] ([0-9]{3})\b", file.readline())
    if status is None:
        raise ValueError("the server does not speak HTTP")
    if int(status[1]) in MISSING:
        return None
    if int(status[1]) != http.client.OK:
        raise ValueError(f"the server answered with status {int(status[1])}")
    headers, body = http.client.parse_headers(file), file.read()
    length = headers.get("Content-Length", str(len(body)))
    if "Transfer-Encoding" in headers or length.strip() != str(len(body)) or len(body) > most:
        raise ValueError("the answer has not the length that it promises, or is too long")
    return body


# Fixed by RFC 9110 and by the two schemes.
DEFAULT_PORTS = {"http": 80, "https": 443}
MISSING = frozenset({http.client.NOT_FOUND, http.client.GONE})

# Our choices, in bytes and seconds.
LARGEST_HEAD = 16_384
PIECE = 65_536
LONGEST_FETCH = 10.0
