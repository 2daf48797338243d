"""The ESP data plane's typed face: SAs, their selectors and the pump. Packets never enter Python."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from esp import _native
from esp._native import frame, unframe

__all__ = ["Cipher", "Pump", "Sa", "Selector", "Stats", "frame", "unframe"]


class Cipher(StrEnum):
    """An algorithm that protects packets, by the name that policies use."""

    AES_128_GCM = "aes128gcm16"
    AES_256_GCM = "aes256gcm16"
    CHACHA20_POLY1305 = "chacha20poly1305"


@dataclass(frozen=True, slots=True)
class Selector:
    """Addresses, ports and a protocol on one side of the tunnel (RFC 7296 §3.13.1); protocol 0 is any."""

    protocol: int
    ports: tuple[int, int]
    start: IPv4Address | IPv6Address
    end: IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Sa:
    """One direction of one SA; `key` is the key and then the salt, as KEYMAT gives them."""

    spi: int
    cipher: Cipher
    key: bytes = field(repr=False)
    local: tuple[Selector, ...]
    remote: tuple[Selector, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """What the pump has counted since it was made.

    `drops` has every cause, also those that never happened. `last_inbound` is in
    seconds since the last authentic packet, and None before the first.
    """

    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    batches_in: int
    batches_out: int
    drops: Mapping[str, int]
    last_inbound: float | None


class Pump:
    """One native thread between a TUN device, a UDP socket and the IKE side.

    The descriptors are copied, so the caller closes his own. IKE messages pass the
    SOCK_SEQPACKET pair `ike` as frames. When the thread ends by itself, the pair is
    shut down and `failed` says why.
    """

    def __init__(self, *, tun: int, udp: int, ike: int, keepalive: float = 20.0) -> None:
        self._native = _native.Pump(tun=tun, udp=udp, ike=ike, keepalive=keepalive)

    @property
    def failed(self) -> str | None:
        """Say why the thread ended without being told to."""
        return self._native.failed

    def start(self) -> None:
        """Start the thread; a pump starts once."""
        self._native.start()

    def stop(self) -> None:
        """End the thread and wipe its keys; nothing happens if it has ended."""
        self._native.stop()

    def install_inbound(self, sa: Sa) -> None:
        """Receive on one more SA; it is in force on return.

        A key that was removed before is refused: what it received is forgotten.
        """
        self._native.install_inbound(sa)

    def remove_inbound(self, spi: int) -> None:
        """Receive no more on an SA, known or not."""
        self._native.remove_inbound(spi)

    def install_outbound(self, sa: Sa, peer: tuple[str, int]) -> None:
        """Send on this SA from now on, to an address and port.

        A key that this pump has sent with before carries its sequence numbers on, whatever
        came between.
        """
        self._native.install_outbound(sa, peer)

    def remove_outbound(self) -> None:
        """Send no more; what comes from the TUN device is dropped."""
        self._native.remove_outbound()

    def stats(self) -> Stats:
        """Read the counters."""
        counts, drops, last_inbound = self._native.stats()
        return Stats(*counts, dict(drops), last_inbound)
