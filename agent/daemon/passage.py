"""One site's way through: credentials, interface, tunnel, network - opened step by step, and taken down again.

It is asked once to open and once to close; it judges nothing, and whatever fails is a `Trouble`.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from agent import events
from agent.control.messages import StepName
from agent.daemon.credentials import Credentials, config_for, protected, read_credentials
from agent.network.apply import Network
from agent.network.dns import DnsConfig
from agent.network.errors import NetworkRefused
from agent.network.plan import NetworkConfig
from agent.network.tun import Tun, open_tun
from agent.network.udp import open_udp
from agent.posture.policy import Gateway, Site
from agent.problems import Problem, Trouble, problem
from agent.tunnel.driver import Ended, Told, Tunnel
from ike.config import Dice, Instant
from ike.effects import Configure, Note, Rekeyed, Summary, Up

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a passage uses of the machine."""

    clock: Callable[[], Instant]
    dice: Dice
    network: Network
    resolv_conf: Path


@dataclass(frozen=True, slots=True)
class Voice:
    """How a passage speaks: each step that ended, keys renewed, and the problem that broke an open tunnel."""

    stepped: Callable[[StepName], None]
    rekeyed: Callable[[events.RekeyKind], None]
    broken: Callable[[Problem], None]


@dataclass(frozen=True, slots=True)
class Carried:
    """What an open tunnel is: everything a status tells of it."""

    interface: str
    gateway: str
    addresses: tuple[IPv4Interface, ...]
    summary: Summary
    since: float


class Passage:
    """The way into one site for one user."""

    def __init__(self, site: Site, machine: Machine, voice: Voice) -> None:
        self._site = site
        self._machine = machine
        self._voice = voice
        self._tun: Tun | None = None
        self._udp: socket.socket | None = None
        self._tunnel: Tunnel | None = None
        self._answer: asyncio.Future[tuple[Summary, Configure]] | None = None
        self._summary: Summary | None = None
        self._traffic = (0, 0)
        self.carried: Carried | None = None

    async def open(self) -> Carried:
        """Go all the way, or raise `Trouble`; after that, `close` takes down what there is."""
        credentials = read_credentials(self._site)
        networks = protected(self._site)
        self._voice.stepped("key")
        try:
            self._tun = open_tun(vnet_hdr=True)
            self._udp = open_udp()
            self._voice.stepped("tunnel")
            gateway, (summary, configure) = await self._reach(credentials)
            self._voice.stepped("gateway")
            self._machine.network.apply(
                NetworkConfig(
                    self._tun.name, self._tun.index, INNER_MTU, configure.addresses, networks, self._dns(configure)
                )
            )
        except NetworkRefused as error:
            raise Trouble(error.code, str(error)) from error
        self._voice.stepped("network")
        self.carried = Carried(self._tun.name, gateway, configure.addresses, summary, self._machine.clock().boot)
        return self.carried

    async def close(self) -> tuple[int, int]:
        """Stop the traffic, restore the machine, take leave; return the bytes that came in and went out."""
        if self._tunnel is not None:
            self._traffic = self.traffic()
            self._tunnel.stop_traffic()
        left = self._machine.network.undo()
        for what in left.left + left.failed:
            log.warning("not put back: %s", what)
        if self._tunnel is not None:
            await self._tunnel.close(FAREWELL)
        self._release()
        return self._traffic

    def traffic(self) -> tuple[int, int]:
        """Count the bytes that came in and went out."""
        if self._tunnel is None:
            return self._traffic
        stats = self._tunnel.stats()
        return stats.bytes_in, stats.bytes_out

    async def _reach(self, credentials: Credentials) -> tuple[str, tuple[Summary, Configure]]:
        """Try the gateways in order; only one that does not answer or has no address leads to the next."""
        for gateway in self._site.gateways[:-1]:
            try:
                return await self._try(gateway, credentials)
            except Trouble as trouble:
                if trouble.problem.code not in ("gateway.unreachable", "gateway.unresolved"):
                    raise
                log.warning("the gateway %s: %s", gateway.address, trouble)
        return await self._try(self._site.gateways[-1], credentials)

    async def _try(self, gateway: Gateway, credentials: Credentials) -> tuple[str, tuple[Summary, Configure]]:
        if self._tun is None or self._udp is None:
            raise Trouble("internal", "there is no interface to open a tunnel on")
        address = await resolve(gateway.address)
        self._answer = asyncio.get_running_loop().create_future()
        self._tunnel = Tunnel(
            config_for(self._site, gateway, address, credentials),
            signer=credentials.signer,
            tun=self._tun.fd,
            udp=self._udp.fileno(),
            clock=self._machine.clock,
            dice=self._machine.dice,
            tell=self._told,
        )
        self._tunnel.start()
        return address, await self._answer

    def _told(self, what: Told) -> None:
        match what:
            case Up(summary):
                self._summary = summary
            case Configure():
                self._configured(what)
            case Rekeyed(kind):
                self._voice.rekeyed(events.RekeyKind(kind))
            case Note(code, detail):
                log.info("%s: %s", code, detail)
            case Ended(trouble):
                self._ended(trouble)

    def _configured(self, configure: Configure) -> None:
        if self._answer is not None and not self._answer.done() and self._summary is not None:
            self._answer.set_result((self._summary, configure))

    def _ended(self, trouble: Problem | None) -> None:
        if self._answer is not None and not self._answer.done():
            ended = trouble or problem("peer.closed")
            self._answer.set_exception(Trouble(ended.code, ended.detail))
        elif trouble is not None:
            self._voice.broken(trouble)

    def _dns(self, configure: Configure) -> DnsConfig | None:
        wanted = self._site.dns
        servers = () if wanted is None else wanted.servers or configure.dns
        if wanted is None or not servers:
            return None
        return DnsConfig(self._machine.resolv_conf, servers, wanted.names)

    def _release(self) -> None:
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        if self._tun is not None:
            self._tun.close()
            self._tun = None
        self._tunnel = None
        self.carried = None


async def resolve(name: str) -> str:
    """Find a gateway's IPv4 address; Trouble("gateway.unresolved") if there is none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE):
            found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Trouble("gateway.unresolved", name) from error
    return str(found[0][4][0])


# Our choices: an inner MTU that fits every suite into Japanese PPPoE's 1454 bytes; seconds.
INNER_MTU = 1390
FAREWELL = 2.0
RESOLVE = 10.0
