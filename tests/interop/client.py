"""Knows how to run one tunnel of ours on the lab's laptop, from this process, and how to send pings through it.

Never judges what comes of it: tests do. The tunnel lives in a thread of its own, for a test must wait for strongSwan.
"""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from threading import Condition, Thread
from typing import Self, TypeVar

import esp
from agent.daemon.credentials import FileSigner
from agent.network.tun import open_tun
from agent.network.udp import open_udp
from agent.tunnel.driver import Ended, Told, Tunnel
from ike.config import Config, Instant, Timers
from ike.crypto import FileKey, load_private_key
from ike.effects import Configure, Note, Rekeyed, Summary, Up
from ike.identity import Identity
from ike.selectors import Selector
from ike.window import Schedule
from tests.certificates import Issued
from tests.lab.namespaces import GATEWAY, HOSPITAL, PACS, PING, Namespace
from tests.lab.pki import DEVICE_NAME, GATEWAY_NAME, Papers
from tests.lab.run import Program, Run, wait_until

Answer = TypeVar("Answer")


def config_of(papers: Papers, device: Issued | None = None) -> Config:
    """Tell the session what a policy for the lab's gateway would."""
    own = papers.device if device is None else device
    return Config(
        local_identity=Identity.fqdn(DEVICE_NAME),
        remote_identity=Identity.fqdn(GATEWAY_NAME),
        anchors=(papers.authority.der,),
        certificates=(own.der, *own.chain),
        schemes=key_of(own).schemes(),
        gateway=GATEWAY,
        local_selectors=(Selector.from_network(IPv4Network("0.0.0.0/0")),),
        remote_selectors=(Selector.from_network(IPv4Network(HOSPITAL)),),
        timers=BRISK,
    )


def key_of(issued: Issued) -> FileKey:
    """Read the private key of a certificate."""
    return load_private_key(issued.key_pem)


class Client:
    """One tunnel of ours on the laptop, its interface and all that it told."""

    def __init__(self, run: Run, laptop: Namespace, config: Config, key: FileKey) -> None:
        self.told: list[Told] = []
        self._run, self._laptop, self._config, self._signer = run, laptop, config, FileSigner(key)
        self._news = Condition()
        self._tun = laptop.inside(lambda: open_tun(vnet_hdr=True))
        self._udp = laptop.inside(open_udp)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._tunnel = self._call(self._begin())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._udp.close()
        self._tun.close()

    def connect(self, seconds: float = 20.0) -> Summary:
        """Wait until the tunnel is up and give the laptop its address and route."""
        self.wait(lambda: bool(self.of(Up, Ended)), "the tunnel", seconds)
        assert not self.of(Ended), self.told
        self._apply(self.of(Configure)[-1])
        return self.of(Up)[-1].summary

    def end(self, seconds: float = 20.0) -> str | None:
        """Wait until the tunnel is over and return the code of its problem."""
        self.wait(lambda: bool(self.of(Ended)), "the end of the tunnel", seconds)
        (ended,) = self.of(Ended)
        assert self.told[-1] is ended
        return None if ended.problem is None else ended.problem.code

    def close(self, patience: float = 2.0) -> None:
        """Take leave of the gateway; afterwards nothing is left but the interface."""
        self._call(self._tunnel.close(patience))

    def wait(self, happened: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        """Wait until what was told makes something true."""
        with self._news:
            assert self._news.wait_for(happened, seconds), f"{what} did not come within {seconds:g} s: {self.told}"

    def wait_rekeyed(self, kind: str, times: int = 1, seconds: float = 20.0) -> None:
        """Wait until fresh keys were told so many times in all."""
        self.wait(lambda: self.rekeys(kind) >= times, f"rekey {times} of the {kind} SA", seconds)

    def rekeys(self, kind: str) -> int:
        """Count the rekeys of a kind so far."""
        return sum(rekeyed.kind == kind for rekeyed in self.of(Rekeyed))

    def of(self, *kinds: type[Answer]) -> list[Answer]:
        """List what was told of some kinds so far."""
        return [told for told in self.told if isinstance(told, kinds)]

    def notes(self) -> set[str]:
        """Name the oddities noted so far."""
        return {note.code for note in self.of(Note)}

    @property
    def addresses(self) -> list[str]:
        """List the addresses that the gateway gave."""
        return [str(address.ip) for given in self.of(Configure) for address in given.addresses]

    @property
    def port(self) -> int:
        """The source port of our outer packets, before the router changes it."""
        return int(self._udp.getsockname()[1])

    @property
    def spis(self) -> list[tuple[int, int]]:
        """List the SPIs in and out of every Child SA that the data plane holds."""
        children = self._tunnel._children.values()  # nobody else needs to know them
        return [(child.spi_in, child.spi_out) for child in children]

    def stats(self) -> esp.Stats:
        """Count what the data plane moved."""
        return self._tunnel.stats()

    def pings(self, count: int = 3, seconds: float = 5.0) -> bool:
        """Tell whether the PACS answers every one of some pings through the tunnel."""
        argv = (PING, "-n", "-q", "-c", str(count), "-i", "0.01", "-W", str(seconds), PACS)
        return self._laptop.attempt(*argv).returncode == 0

    def wait_ping(self, seconds: float = 20.0) -> None:
        """Wait until a ping is answered."""
        wait_until(lambda: self._laptop.pings(PACS, 0.1), "an answered ping", seconds)

    def row(self) -> "Row":
        """Send pings, one every 2 ms, until they are counted; return when the first was answered."""
        argv = (PING, "-n", "-i", "0.002", PACS)
        row = Row(self._run.start(f"row-{time.monotonic_ns()}", argv, enter=self._laptop.enter))
        row.wait_past(0)
        return row

    def _apply(self, given: Configure) -> None:
        name = self._tun.name
        self._laptop.ip(
            *(f"addr add {address} dev {name}" for address in given.addresses),
            f"link set {name} mtu {INNER_MTU} up",
            *(f"route replace {HOSPITAL} dev {name} src {address.ip}" for address in given.addresses),
        )

    async def _begin(self) -> Tunnel:
        tunnel = Tunnel(
            self._config,
            signer=self._signer,
            tun=self._tun.fd,
            udp=self._udp.fileno(),
            clock=_now,
            dice=os.urandom,
            tell=self._hear,
        )
        tunnel.start()
        return tunnel

    def _hear(self, told: Told) -> None:
        with self._news:
            self.told.append(told)
            self._news.notify_all()

    def _call(self, work: Coroutine[None, None, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


@dataclass(frozen=True)
class Row:
    """Pings under way."""

    program: Program = field(repr=False)

    def wait_past(self, number: int) -> None:
        """Wait until a ping after the one of this number was answered."""
        wait_until(lambda: max(self._answered(), default=0) > number, f"an answer after ping {number}", 20)

    def lost(self) -> int:
        """Count the pings up to now that nobody answered, and end; a doubled answer counts as lost too."""
        latest = max(self._answered())
        self.wait_past(latest + AFTERWARDS)
        self.program.stop(by=signal.SIGINT)
        answered = [number for number in self._answered() if number <= latest]
        doubled = len(answered) - len(set(answered))
        return latest - len(set(answered)) + doubled

    def _answered(self) -> list[int]:
        return [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl=", self.program.log.read_text())]


def _now() -> Instant:
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


# Our choices: patience that a test can wait for, with the shape of the defaults
BRISK = Timers(
    schedule=Schedule(first=0.2, factor=1.5, cap=1.0, tries=8),
    error_patience=0.3,
    probing=Schedule(first=0.2, factor=1.0, cap=0.2, tries=10),
    keep_old_inbound=0.5,
    jitter=0.0,
)
INNER_MTU = 1390
AFTERWARDS = 100  # pings after which an answer is no longer on its way
