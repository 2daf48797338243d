"""One site's way through: credentials, interface, tunnel, network - opened step by step, and taken down again.

It is asked once to open and once to close; it judges nothing, and whatever fails is a `Trouble`.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Self

from agent import events
from agent.control.messages import StepName
from agent.daemon.credentials import Credentials, config_for, protected, read_credentials, told, translate
from agent.network.apply import Network
from agent.network.dns import MOST_SERVERS, DnsConfig
from agent.network.errors import NetworkRefused
from agent.network.plan import NetworkConfig
from agent.network.tun import Tun, open_tun
from agent.network.udp import open_udp
from agent.posture.policy import Gateway, Site
from agent.problems import Problem, Trouble, problem
from agent.tunnel.driver import Ended, Told, Tunnel
from ike.config import Config, Dice, Instant
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
    """What an open tunnel is: everything a status tells of it. Identities are written as events tell them."""

    interface: str
    gateway: str
    addresses: tuple[IPv4Interface, ...]
    networks: tuple[IPv4Network, ...]
    local_identity: str
    remote_identity: str
    summary: Summary
    since: float

    def record(self, site: str, uid: int, reach: events.Reach) -> events.Opened:
        """Tell the evidence what was opened, for whom."""
        return events.Opened(
            site=site,
            user=uid,
            gateway=self.gateway,
            addresses=tuple(str(address.ip) for address in self.addresses),
            local_identity=self.local_identity,
            remote_identity=self.remote_identity,
            remote_certificate=self.summary.remote_certificate,
            ike_suite=self.summary.ike_suite,
            esp_suite=self.summary.esp_suite,
            handshake_ms=self.summary.handshake_ms,
            reach=reach,
        )


@dataclass(frozen=True, slots=True)
class Edges:
    """The interface that carries inner packets and the marked socket that carries outer ones."""

    tun: Tun
    udp: socket.socket

    @classmethod
    def open(cls) -> Self:
        """Open both, or neither."""
        tun = open_tun(vnet_hdr=True)
        try:
            return cls(tun, open_udp())
        except NetworkRefused:
            tun.close()
            raise

    def close(self) -> None:
        """Close both; the interface goes."""
        self.udp.close()
        self.tun.close()


@dataclass(frozen=True, slots=True)
class Reached:
    """A gateway that proved who it is, at its address, and what it gave us."""

    gateway: Gateway
    address: str
    summary: Summary
    configure: Configure


class Passage:
    """The way into one site for one user."""

    def __init__(self, site: Site, machine: Machine, voice: Voice) -> None:
        self._site = site
        self._machine = machine
        self._voice = voice
        self._edges: Edges | None = None
        self._tunnel: Tunnel | None = None
        self._given: Configure | None = None
        self._answer: asyncio.Future[tuple[Summary, Configure]] = asyncio.get_running_loop().create_future()
        self._traffic = (0, 0)
        self._notes = 0
        self.carried: Carried | None = None

    async def open(self) -> Carried:
        """Go all the way, or raise `Trouble`; after that, `close` takes down what there is."""
        credentials, networks = read_credentials(self._site), protected(self._site)
        self._voice.stepped("key")
        try:
            edges = self._edges = Edges.open()
            self._voice.stepped("tunnel")
            reached = await self._reach(edges, credentials)
            self._voice.stepped("gateway")
            self._machine.network.apply(self._network(edges.tun, reached.configure, networks))
        except NetworkRefused as error:
            raise Trouble(error.code, str(error)) from error
        self._voice.stepped("network")
        self.carried = Carried(
            interface=edges.tun.name,
            gateway=reached.address,
            addresses=reached.configure.addresses,
            networks=networks,
            local_identity=told(credentials.identity),
            remote_identity=told(translate(reached.gateway.identity)),
            summary=reached.summary,
            since=self._machine.clock().boot,
        )
        return self.carried

    async def close(self) -> None:
        """Stop the traffic, restore the machine, take leave; raise `Trouble` if something could not be put back."""
        async with AsyncExitStack() as last_first:  # whatever goes wrong on the way, the rest is still taken down
            last_first.callback(self._release)
            if self._tunnel is not None:
                last_first.push_async_callback(self._tunnel.close, FAREWELL)
            last_first.callback(self._restore)
            if self._tunnel is not None:
                self._traffic = self.traffic()
                self._tunnel.stop_traffic()

    def traffic(self) -> tuple[int, int]:
        """Count the bytes that came in and went out."""
        if self._tunnel is None:
            return self._traffic
        stats = self._tunnel.stats()
        return stats.bytes_in, stats.bytes_out

    async def _reach(self, edges: Edges, credentials: Credentials) -> Reached:
        """Try the gateways in order; only one that does not answer or has no address leads to the next."""
        for gateway in self._site.gateways[:-1]:
            try:
                return await self._try(gateway, edges, credentials)
            except Trouble as trouble:
                if trouble.problem.code not in ("gateway.unreachable", "gateway.unresolved"):
                    raise
                log.warning("the gateway %s: %s", gateway.address, trouble)
        return await self._try(self._site.gateways[-1], edges, credentials)

    async def _try(self, gateway: Gateway, edges: Edges, credentials: Credentials) -> Reached:
        address = await resolve(gateway.address)
        self._answer = asyncio.get_running_loop().create_future()
        config = config_for(self._site, gateway, address, credentials)
        try:
            self._tunnel = self._dig(config, edges, credentials)
            self._tunnel.start()
        except OSError as error:
            raise Trouble("pump.failed", str(error)) from error
        return Reached(gateway, address, *await self._answer)

    def _dig(self, config: Config, edges: Edges, credentials: Credentials) -> Tunnel:
        return Tunnel(
            config,
            signer=credentials.signer,
            tun=edges.tun.fd,
            udp=edges.udp.fileno(),
            clock=self._machine.clock,
            dice=self._machine.dice,
            tell=self._told,
        )

    def _told(self, what: Told) -> None:
        match what:
            case Configure():
                self._given = what
            case Up(summary) if self._given is not None and not self._answer.done():
                self._answer.set_result((summary, self._given))
            case Rekeyed(kind):
                self._voice.rekeyed(events.RekeyKind(kind))
            case Note(code, detail):
                self._note(code, detail)
            case Ended(trouble):
                self._ended(trouble)

    def _note(self, code: str, detail: str) -> None:
        """Log an oddity, but let no flood of them fill a disk."""
        self._notes += 1
        if self._notes <= MOST_NOTES:
            log.info("%s: %s", code, detail)
        if self._notes == MOST_NOTES:
            log.warning("further oddities on the way to this gateway are not logged")

    def _ended(self, trouble: Problem | None) -> None:
        if not self._answer.done():
            ended = trouble or problem("peer.closed")
            self._answer.set_exception(Trouble(ended.code, ended.detail))
        elif trouble is not None:
            self._voice.broken(trouble)

    def _network(self, tun: Tun, configure: Configure, networks: tuple[IPv4Network, ...]) -> NetworkConfig:
        dns = self._dns(configure)
        return NetworkConfig(tun.name, tun.index, INNER_MTU, configure.addresses, networks, dns)

    def _dns(self, configure: Configure) -> DnsConfig | None:
        wanted = self._site.dns
        servers = () if wanted is None else wanted.servers or self._inside(configure.dns)
        if wanted is None or not servers:
            return None
        return DnsConfig(self._machine.resolv_conf, servers[:MOST_SERVERS], wanted.names)

    def _inside(self, servers: tuple[IPv4Address, ...]) -> tuple[IPv4Address, ...]:
        """Leave out name servers that are not reached through the tunnel: they would be asked in clear."""
        inside = tuple(server for server in servers if any(server in network for network in self._site.networks))
        if inside != servers:
            log.warning("the gateway handed out name servers outside the site's networks; they are left out")
        return inside

    def _restore(self) -> None:
        undone = self._machine.network.undo()
        for what in undone.left:
            log.warning("left as somebody else wrote it: %s", what)
        if undone.failed:
            raise Trouble("network.left", "; ".join(undone.failed))

    def _release(self) -> None:
        if self._edges is not None:
            self._edges.close()
            self._edges = None
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
MOST_NOTES = 100
RESOLVE = 10.0
