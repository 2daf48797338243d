"""Two sessions on a virtual clock with seeded dice, and a path between them that loses, repeats, delays and damages.

pair = Pair(seed=7, path=Path(loss=0.3))
pair.connect()
pair.client.feed(RekeyChild())
pair.run(30)
pair.assert_one_pair()
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from random import Random
from typing import TypeVar

from ike.config import Config, Endpoint, Instant, ResponderConfig, Terms
from ike.crypto import FileKey, load_private_key
from ike.effects import (
    ChildSa,
    Configure,
    Datagram,
    Down,
    Effect,
    Event,
    InstallChild,
    RemoveChild,
    Sign,
    Signed,
    Tick,
    Transmit,
    Up,
    UseChild,
)
from ike.exchange import answer, ask
from ike.identity import Identity
from ike.message import Header, decode_header, encode
from ike.payloads import Payload
from ike.registry import ExchangeType
from ike.selectors import Selector
from ike.session import Session
from ike.state import Closed, Established
from ike.window import Schedule
from tests.certificates import WALL, Authority, Issued
from tests.ike_boxes import opened

E = TypeVar("E")
C = TypeVar("C", bound=Terms)
CLIENT, GATEWAY = "198.51.100.2", "198.51.100.1"
CLIENT_PORT = 40500
ANYWHERE = (Selector.from_network(IPv4Network("0.0.0.0/0")),)
HOSPITAL = (Selector.from_network(IPv4Network("10.50.0.0/24")),)
ADDRESS = IPv4Address("10.60.0.7")


@dataclass(frozen=True)
class Papers:
    """Certificates of one hospital."""

    root: Authority
    gateway: Issued
    client: Issued


@cache
def papers() -> Papers:
    """Issue the usual papers once."""
    root = Authority.create("Hospital Root")
    return Papers(root, root.issue("gw.hospital.test"), root.issue("laptop.hospital.test", eku=("clientAuth",)))


def key_of(issued: Issued) -> FileKey:
    """Read the private key of a certificate."""
    return load_private_key(issued.key_pem, None)


def client_config() -> Config:
    """Tell the client what a policy would."""
    own = papers().client
    return Config(
        local_identity=Identity.fqdn("laptop.hospital.test"),
        remote_identity=Identity.fqdn("gw.hospital.test"),
        anchors=(papers().root.der,),
        certificates=(own.der, *own.chain),
        schemes=key_of(own).schemes(),
        gateway=GATEWAY,
        local_selectors=ANYWHERE,
        remote_selectors=ANYWHERE,
    )


def gateway_config() -> ResponderConfig:
    """Tell the gateway what its administrator would."""
    own = papers().gateway
    return ResponderConfig(
        local_identity=Identity.fqdn("gw.hospital.test"),
        anchors=(papers().root.der,),
        certificates=(own.der, *own.chain),
        schemes=key_of(own).schemes(),
        local_selectors=HOSPITAL,
        pool=(ADDRESS,),
        dns=(IPv4Address("10.50.0.53"),),
    )


OnWire = Callable[["Pair", bool, bytes], list[bytes]]


def pass_on(pair: "Pair", from_client: bool, datagram: bytes) -> list[bytes]:
    """Change nothing."""
    return [datagram]


def forging(payloads: Callable[[], tuple[Payload, ...]], *, times: int, race: bool = False) -> OnWire:
    """Answer the client's IKE_SA_INIT so many times in the gateway's name: instead of it, or in a race with it."""
    left = [times]

    def on_wire(pair: Pair, from_client: bool, datagram: bytes) -> list[bytes]:
        request = decode_header(datagram)
        if not from_client or request.exchange != ExchangeType.IKE_SA_INIT or not left[0]:
            return [datagram]
        left[0] -= 1
        header = Header(request.spi_i, NO_SPI, ExchangeType.IKE_SA_INIT, 0, initiator=False, response=True)
        pair.inject(encode(header, payloads()))
        return [datagram] if race else []

    return on_wire


@dataclass
class Path:
    """What happens to a datagram on its way; shares are probabilities, `delay` and `jitter` seconds."""

    loss: float = 0.0
    repeat: float = 0.0
    tamper: float = 0.0
    delay: float = 0.015
    jitter: float = 0.0

    def deliver(self, datagram: bytes, random: Random) -> list[tuple[float, bytes]]:
        """Decide the fate of one datagram: delays and contents of what arrives."""
        copies = 0 if random.random() < self.loss else 2 if random.random() < self.repeat else 1
        return [(self.delay + random.random() * self.jitter, self._damage(datagram, random)) for _ in range(copies)]

    def _damage(self, datagram: bytes, random: Random) -> bytes:
        if random.random() >= self.tamper:
            return datagram
        position = random.randrange(len(datagram))
        return datagram[:position] + bytes([datagram[position] ^ random.randrange(1, 256)]) + datagram[position + 1 :]


@dataclass
class End:
    """One end: its session, its key, and a data plane that only remembers."""

    session: Session
    key: FileKey
    effects: list[Effect] = field(default_factory=list)
    installed: dict[int, ChildSa] = field(default_factory=dict)
    sending: int | None = None
    wire_out: list[bytes] = field(default_factory=list)

    def of(self, kind: type[E]) -> list[E]:
        """List the effects of a kind so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def failure(self) -> str | None:
        """The code of the error that ended the session, if it ended so."""
        downs = self.of(Down)
        return downs[-1].error.code if downs and downs[-1].error is not None else None

    @property
    def up(self) -> bool:
        """Tell whether the session is established."""
        return isinstance(self.session.state, Established)

    def carry_out(self, effect: Effect) -> None:
        """Do to the data plane's memory what the effect says."""
        self.effects.append(effect)
        match effect:
            case InstallChild(child, outbound):
                self.installed[child.spi_in] = child
                self.sending = child.spi_out if outbound else self.sending
            case UseChild(spi_out):
                assert any(child.spi_out == spi_out for child in self.installed.values())
                self.sending = spi_out
            case RemoveChild(spi_in, spi_out):
                del self.installed[spi_in]
                self.sending = None if self.sending == spi_out else self.sending


class Pair:
    """Both ends and the time between them."""

    def __init__(
        self,
        *,
        seed: int = 1,
        path: Path | None = None,
        client: Config | None = None,
        gateway: ResponderConfig | None = None,
        client_key: FileKey | None = None,
        gateway_key: FileKey | None = None,
        on_wire: "OnWire | None" = None,
    ) -> None:
        """`on_wire` sees every datagram first and says what goes on instead of it."""
        self.random = Random(seed)
        self.path = path or Path()
        self.boot = 1000.0
        self.on_wire = on_wire or pass_on
        self._queue: list[tuple[float, int, End | None, Event]] = []
        self._order = count()
        self._gateway = gateway or gateway_config()
        self._gateway_key = gateway_key or key_of(papers().gateway)
        self._asked: dict[bytes, End] = {}
        self._gateways: list[End] = []
        session, effects = Session.connect(client or client_config(), self.now, self.dice)
        self.client = End(session, client_key or key_of(papers().client))
        self._carry_out(self.client, effects)

    @property
    def gateway(self) -> End:
        """The gateway's end of the SA in use: the latest established one, or else the latest."""
        return next((end for end in reversed(self._gateways) if end.up), self._gateways[-1])

    @property
    def gateways(self) -> tuple[End, ...]:
        """Every session that the gateway opened."""
        return tuple(self._gateways)

    @property
    def now(self) -> Instant:
        """The virtual instant."""
        return Instant(self.boot, WALL + self.boot)

    def dice(self, size: int) -> bytes:
        """Draw from the seeded source."""
        return self.random.randbytes(size)

    def feed(self, end: End, event: Event) -> None:
        """Let something happen at one end now."""
        end.session, effects = end.session.step(event, self.now, self.dice)
        self._carry_out(end, effects)

    def inject(self, datagram: bytes, delay: float = 0.001, port: int = 500) -> None:
        """Send the client a datagram in the gateway's name."""
        self._later(delay, self.client, Datagram(datagram, Endpoint(GATEWAY, port)))

    def gateway_asks(
        self, words: tuple[Payload, ...], exchange: ExchangeType = ExchangeType.INFORMATIONAL
    ) -> tuple[Payload, ...]:
        """Have the established gateway ask whatever a test wants, and read what the client answers."""
        state = self.gateway.session.state
        assert isinstance(state, Established)
        sa, effects = ask(state.ike, exchange, words, None, Schedule(), self.now, self.dice)
        self.gateway.session = Session(state.having(sa))
        answered = len(self.client.wire_out)
        for effect in effects:
            assert isinstance(effect, Transmit)
            self.inject(effect.message, delay=0, port=4500)
        self.run(0.001)
        return opened(self.client.wire_out[answered], sa.inward).payloads

    def gateway_answers(self, words: tuple[Payload, ...]) -> None:
        """Have the established gateway answer the client's next request with whatever a test wants."""
        state = self.gateway.session.state
        assert isinstance(state, Established)

        def on_wire(pair: Pair, from_client: bool, datagram: bytes) -> list[bytes]:
            request = decode_header(datagram)
            if not from_client or request.response:
                return [datagram]
            pair.on_wire = pass_on
            sa, effects = answer(state.ike, request, words, pair.dice)
            self.gateway.session = Session(state.having(sa))
            for effect in effects:
                assert isinstance(effect, Transmit)
                pair.inject(effect.message, port=4500)
            return []

        self.on_wire = on_wire

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until a condition holds."""
        end_at = self.boot + seconds
        for _ in range(MOST_STEPS):
            if until():
                return
            at = min(self._next(), default=end_at + 1)
            if at > end_at:
                self.boot = end_at
                return
            self.boot = max(self.boot, at)
            self._happen()
        raise AssertionError("the sessions never come to rest")

    def connect(self) -> None:
        """Run until both ends are established, and insist on it."""
        self.run(90, lambda: self.client.up and bool(self._gateways) and self.gateway.up)
        assert self.client.up, self.client.of(Down)
        assert self.gateway.up, self.gateway.of(Down)

    def assert_one_pair(self) -> None:
        """Insist that both ends hold exactly one Child SA, with the same keys, and send on it."""
        assert len(self.client.installed) == len(self.gateway.installed) == 1
        (ours,), (theirs,) = self.client.installed.values(), self.gateway.installed.values()
        assert (ours.spi_in, ours.spi_out) == (theirs.spi_out, theirs.spi_in)
        assert (ours.key_in, ours.key_out) == (theirs.key_out, theirs.key_in)
        assert (ours.integrity_in, ours.integrity_out) == (theirs.integrity_out, theirs.integrity_in)
        assert (ours.local, ours.remote) == (theirs.remote, theirs.local)
        assert (self.client.sending, self.gateway.sending) == (ours.spi_out, theirs.spi_out)

    def assert_nothing_installed(self) -> None:
        """Insist that the client never touched its data plane."""
        assert not self.client.of(InstallChild)
        assert not self.client.of(Configure)
        assert not self.client.of(Up)

    def _next(self) -> list[float]:
        deadlines = (end.session.deadline for end in (self.client, *self._gateways))
        times = [deadline.at for deadline in deadlines if deadline is not None]
        return [*times, self._queue[0][0]] if self._queue else times

    def _happen(self) -> None:
        while self._queue and self._queue[0][0] <= self.boot:
            _, _, end, event = heapq.heappop(self._queue)
            for receiver in self._receivers(event) if end is None else (end,):
                self.feed(receiver, event)
        for end in (self.client, *self._gateways):
            deadline = end.session.deadline
            if deadline is not None and deadline.at <= self.boot:
                self.feed(end, Tick())

    def _receivers(self, event: Event) -> list[End]:
        """Find the sessions of the gateway that a datagram may belong to; each new IKE_SA_INIT opens one."""
        assert isinstance(event, Datagram)
        if event.message[8:16] == NO_SPI and event.message not in self._asked:
            self._asked[event.message] = End(Session.listen(self._gateway), self._gateway_key)
            self._gateways.append(self._asked[event.message])
        if event.message[8:16] == NO_SPI:
            return [self._asked[event.message]]
        return list(self._gateways)

    def _carry_out(self, end: End, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            end.carry_out(effect)
            match effect:
                case Transmit(message, to):
                    self._transmit(end, message, to)
                case Sign(ticket, scheme, data):
                    self._later(SIGNING, end, Signed(ticket, end.key.sign(scheme, data)))

    def _transmit(self, end: End, message: bytes, to: Endpoint) -> None:
        end.wire_out.append(message)
        from_client = end is self.client
        source = Endpoint(CLIENT, CLIENT_PORT) if from_client else Endpoint(GATEWAY, to.port)
        for datagram in self.on_wire(self, from_client, message):
            for delay, arriving in self.path.deliver(datagram, self.random):
                self._later(delay, None if from_client else self.client, Datagram(arriving, source))

    def _later(self, delay: float, end: End | None, event: Event) -> None:
        heapq.heappush(self._queue, (self.boot + delay, next(self._order), end, event))


def unhurried(config: C) -> C:
    """Rekey nothing by time, so that a test decides when."""
    return replace(config, timers=replace(config.timers, child_rekey=1e6, ike_rekey=1e6))


def is_over(end: End) -> bool:
    """Tell whether an end has finished."""
    return isinstance(end.session.state, Closed)


# Our choices
MOST_STEPS = 60_000
SIGNING = 0.001
NO_SPI = b"\0" * 8
