"""Two ends of an ESP tunnel in network namespaces of their own, joined by a wire.

The pumps run in this process; only their descriptors live inside. The machine's own
network is never touched.
"""

import ctypes
import os
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from agent.network.tun import open_tun
from esp import Cipher, Pump, Sa, Selector

Result = TypeVar("Result")
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass
class End:
    """One end: its namespace, its descriptors and its pump."""

    namespace: str
    outer: str
    inner: str
    inner6: str
    udp: socket.socket
    ike: socket.socket
    pump: Pump
    peer: "End" = field(init=False, repr=False)

    @property
    def port(self) -> int:
        """Tell the UDP port of this end."""
        return int(self.udp.getsockname()[1])

    @property
    def address(self) -> tuple[str, int]:
        """Tell where the other end sends to."""
        return self.outer, self.port

    def run(self, *argv: str, seconds: float = 60.0) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, whatever it answers."""
        command = ["ip", "netns", "exec", self.namespace, *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)

    def inside(self, work: Callable[[], Result]) -> Result:
        """Call a function in a thread that is inside; a socket that it opens stays inside."""
        return inside(self.namespace, work)

    def ping(self, *options: str, address: str | None = None) -> str:
        """Ping the other end's inner address."""
        return self.run("ping", "-n", "-c", "1", "-W", "5", *options, address or self.peer.inner).stdout

    def receives(self, spi: int, key: bytes, cipher: Cipher = Cipher.AES_256_GCM) -> Sa:
        """Describe an SA on which this end receives."""
        return Sa(spi, cipher, key, local=selectors(self), remote=selectors(self.peer))

    def sends(self, spi: int, key: bytes, cipher: Cipher = Cipher.AES_256_GCM) -> Sa:
        """Describe an SA on which this end sends."""
        return self.receives(spi, key, cipher)

    def tell(self, spi: int, key: bytes, cipher: Cipher = Cipher.AES_256_GCM) -> None:
        """Make an SA towards the other end: first there, then here."""
        self.peer.pump.install_inbound(self.peer.receives(spi, key, cipher))
        self.pump.install_outbound(self.sends(spi, key, cipher), self.peer.address)


def selectors(end: End) -> tuple[Selector, ...]:
    """Allow everything of an end's own two inner addresses."""
    four, six = IPv4Address(end.inner), IPv6Address(end.inner6)
    return Selector(0, (0, 65535), four, four), Selector(0, (0, 65535), six, six)


def inside(namespace: str, work: Callable[[], Result]) -> Result:
    """Call a function in a thread that has entered a namespace."""
    thread = ThreadPoolExecutor(1, initializer=_enter, initargs=(namespace,))
    result = thread.submit(work).result(30)
    thread.shutdown()
    return result


def _has_wire(end: End) -> bool:
    """Tell whether the wire passes packets; the kernel says so a moment after both its ends are up."""
    return "state UP" in end.run("ip", "-o", "link", "show", "wire").stdout


def _enter(namespace: str) -> None:
    with Path("/run/netns", namespace).open() as entry:
        if LIBC.setns(entry.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def bound_udp(address: str, port: int = 0, protocol: int = 0) -> socket.socket:
    """Open a bound UDP socket with large buffers."""
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM, protocol)
    for option in (SO_RCVBUFFORCE, SO_SNDBUFFORCE):
        made.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
    made.bind((address, port))
    made.settimeout(10)
    return made


@contextmanager
def two_ends(
    *,
    vnet_hdr: bool = False,
    mtu: int = 1400,
    keepalive: float = 20.0,
    outer6: bool = False,
    bound: Callable[[str], socket.socket] = bound_udp,
) -> Iterator[tuple[End, End]]:
    """Make two ends with running pumps and no SA; everything goes when the block ends."""
    run = f"sk-esp-{os.getpid()}-{secrets.token_hex(2)}"
    with ExitStack() as cleanup:
        names = [f"{run}-{part}" for part in ("near", "far")]
        for name in names:
            ip("netns", "add", name)
            cleanup.callback(ip, "netns", "del", name)
        near, far = names
        ip("-n", near, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", far)
        ends = [
            _end(name, number, mtu, cleanup, _Options(vnet_hdr, keepalive, outer6, bound))
            for number, name in enumerate(names, 1)
        ]
        ends[0].peer, ends[1].peer = ends[1], ends[0]
        for end in ends:
            until(partial(_has_wire, end), f"the wire of {end.namespace} passes packets")
        yield ends[0], ends[1]


@dataclass(frozen=True)
class _Options:
    vnet_hdr: bool
    keepalive: float
    outer6: bool
    bound: Callable[[str], socket.socket]


def _end(name: str, number: int, mtu: int, cleanup: ExitStack, options: _Options) -> End:
    outer = f"2001:db8::{number}" if options.outer6 else f"198.51.100.{number}"
    inner, inner6 = f"10.60.0.{number}", f"fd00:60::{number}"
    ip("-n", name, "link", "set", "lo", "up")
    ip("-n", name, "addr", "add", outer + ("/64" if options.outer6 else "/24"), "dev", "wire", *NO_DAD[options.outer6])
    ip("-n", name, "link", "set", "wire", "up")
    tun = inside(name, lambda: open_tun("inner%d", vnet_hdr=options.vnet_hdr))
    udp = inside(name, lambda: options.bound(outer))
    ip("-n", name, "addr", "add", f"{inner}/24", "dev", tun.name)
    ip("-n", name, "addr", "add", f"{inner6}/64", "dev", tun.name, "nodad")
    ip("-n", name, "link", "set", tun.name, "mtu", str(mtu), "txqueuelen", "2000", "up")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pump = Pump(tun=tun.fd, udp=udp.fileno(), ike=theirs.fileno(), keepalive=options.keepalive)
    theirs.close()
    tun.close()
    ours.settimeout(10)
    for close in (udp.close, ours.close, pump.stop):
        cleanup.callback(close)
    pump.start()
    return End(name, outer, inner, inner6, udp, ours, pump)


def lost(ping: str) -> str:
    """Read what part of the pings was lost, in per cent."""
    found = re.search(r"([\d.]+)% packet loss", ping)
    assert found, ping
    return found[1]


def refused(end: End, *causes: str) -> int:
    """Count the packets that an end dropped for some causes."""
    drops = end.pump.stats().drops
    return sum(drops[cause] for cause in causes)


def ip(*arguments: str) -> None:
    """Run one `ip` command."""
    subprocess.run(["ip", *arguments], check=True, timeout=30)


def until(holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until something holds; fail at the deadline."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.005)


NO_DAD: dict[bool, tuple[str, ...]] = {False: (), True: ("nodad",)}

# Fixed by the kernel.
CLONE_NEWNET = 0x4000_0000
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
