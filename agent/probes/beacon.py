"""Whether a site's beacon answers on the physical links: proof that the machine stands on the hospital's own network.

A beacon is known by its very certificate, and nothing is sent to it but a TLS handshake. It goes out by a physical
link and never by a tunnel, ours or another's.
"""

import asyncio
import hashlib
import hmac
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from agent.boot_clock import boot_clock
from agent.posture.facts import Grade, Observed, Place, Places, Told, Unseen
from agent.probes.neighbourhood.around import Around, Link
from agent.probes.neighbourhood.kernel import KernelError, hear, look_around
from agent.probes.ours import Ours

Seen = Observed[Places] | Unseen


@dataclass(frozen=True, slots=True)
class Beacon:
    """Where a beacon listens, and the SHA-256 of its certificate (DER) in hexadecimal digits."""

    host: str
    port: int
    sha256: str


class BeaconSource:
    """Asks the beacons of all sites: when read, after each change of the links, and each minute while inside."""

    facts = frozenset({"places"})

    def __init__(
        self,
        ours: Ours,
        beacons: Callable[[], Mapping[str, Beacon]],
        boot: Callable[[], float] = boot_clock,
    ) -> None:
        """Remember what is our own, and who tells the beacons by site."""
        self._ours = ours
        self._beacons = beacons
        self._boot = boot
        self._asking = asyncio.Lock()
        self._changed = asyncio.Event()
        self._asked_at: tuple[object, ...] = ()
        self._told: Seen = Unseen("nobody has asked a beacon yet", 0.0)

    async def read(self) -> Mapping[str, Seen]:
        """Ask now, but where the links are those on which nobody answered before; never raises."""
        async with self._asking:
            return {"places": await self._ask(again=False)}

    async def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give the places now, a moment after each change of the links, and each minute while inside."""
        hearing = asyncio.create_task(self._hear())
        hearing.add_done_callback(lambda _: self._changed.set())
        try:
            while not hearing.done():
                self._changed.clear()
                async with self._asking:
                    seen = await self._ask(again=True)
                yield {"places": seen}
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), AGAIN if is_inside(seen) else None)
                await asyncio.sleep(SETTLE)
            hearing.result()  # an error of our own
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])

    async def close(self) -> None:
        """Let go of nothing: between two questions nothing is held."""

    async def _ask(self, *, again: bool) -> Seen:
        beacons = self._beacons()
        if not beacons:
            return Observed(Places(()), Grade.ROOT, METHOD, self._boot())
        try:
            around = await asyncio.wait_for(look_around(self._ours), LONGEST_LOOK)
        except (KernelError, TimeoutError) as error:
            return Unseen(str(error) or "the kernel gave no answer in time", self._boot())
        asked_at = (around.links, around.addresses, beacons)
        if again or is_inside(self._told) or asked_at != self._asked_at:
            places = await asyncio.gather(*(self._place(site, beacon, around) for site, beacon in beacons.items()))
            self._told = Observed(Places(tuple(places)), Grade.ROOT, METHOD, self._boot())
            self._asked_at = asked_at
        return self._told

    async def _place(self, site: str, beacon: Beacon, around: Around) -> Place:
        """Ask one beacon by every link that has an address, all at once; one that proves itself is enough."""
        names = [link.name for link in around.links if _has_address(around, link)]
        patience = LONGEST_ASK if is_inside(self._told) else LONGEST_CONNECT  # one lost packet takes no place away
        asked = (proves(beacon, name, self._ours.mark, patience) for name in names)
        proven = await asyncio.gather(*asked)
        by = next((name for name, is_there in zip(names, proven, strict=True) if is_there), "")
        return Place(site, Told.YES if by else Told.NO if names else Told.UNTOLD, by)

    async def _hear(self) -> None:
        """Note each change of the links, addresses and routes; after a gap ask again."""
        while True:
            with suppress(KernelError):
                async for neighbour in hear():
                    if neighbour is None:
                        self._changed.set()
            self._changed.set()
            await asyncio.sleep(HEAR_AGAIN)


def is_inside(seen: Seen) -> bool:
    """Tell whether any beacon proved itself."""
    return isinstance(seen, Observed) and any(place.inside is Told.YES for place in seen.value.places)


async def proves(beacon: Beacon, interface: str, mark: int, patience: float) -> bool:
    """Tell whether the beacon answers by this interface with its own certificate, and holds the key to it.

    Whoever does not take the connection up within `patience` seconds is not there.
    """
    try:
        async with asyncio.timeout(LONGEST_ASK):
            certificate = await _handshake(beacon, await _connect(beacon, interface, mark, patience))
    except (OSError, TimeoutError, UnicodeError):
        return False
    return hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), beacon.sha256)


async def _connect(beacon: Beacon, interface: str, mark: int, patience: float) -> socket.socket:
    loop = asyncio.get_running_loop()
    family, _, _, _, address = (await loop.getaddrinfo(beacon.host, beacon.port, type=socket.SOCK_STREAM))[0]
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        async with asyncio.timeout(patience):
            await loop.sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def _handshake(beacon: Beacon, connected: socket.socket) -> bytes:
    """Give the certificate (DER) whose key the other end proved to hold; nothing else is said."""
    try:
        _, writer = await asyncio.open_connection(sock=connected, ssl=_pinning(), server_hostname=beacon.host)
    except BaseException:
        connected.close()
        raise
    try:
        secured = writer.get_extra_info("ssl_object")
        return secured.getpeercert(binary_form=True) or b""
    finally:
        writer.transport.abort()


def _has_address(around: Around, link: Link) -> bool:
    return any(not address.ip.is_link_local for address in around.addresses[link.index])


def _pinning() -> ssl.SSLContext:
    """Ask no authority: the certificate itself is pinned."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


# Our choices, in seconds. A beacon stands on the same network: what takes longer is none.
METHOD = "TLS handshake with the pinned beacon"
LONGEST_LOOK = 2.0
LONGEST_CONNECT = 0.5
LONGEST_ASK = 2.0
AGAIN = 60.0
SETTLE = 0.2
HEAR_AGAIN = 1.0
