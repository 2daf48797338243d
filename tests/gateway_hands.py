"""A gateway that holds the keys and says whatever a test wants, in any state of the client; it keeps no rule.

stage = Stage.at(RekeyChild())
stage.asks(ExchangeType.INFORMATIONAL, (Delete(ProtocolId.IKE),))
stage.session, stage.effects
"""

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Self

from ike.association import child_offer
from ike.config import Endpoint
from ike.crypto import generate
from ike.effects import ChildSa, Datagram, Effect, Effects, Event, InstallChild, RemoveChild
from ike.fragment import Collector, seal_fragments
from ike.message import Header, decode_header
from ike.payloads import (
    Delete,
    KeyExchange,
    Nonce,
    Notify,
    Payload,
    SecurityAssociation,
    TsInitiator,
    TsResponder,
)
from ike.proposal import with_group, with_spi
from ike.registry import ExchangeType, Group, NotifyType, ProtocolId
from ike.session import Session
from ike.state import AuthSent, Established, IkeSa, InitAnswered
from tests.pair import GATEWAY, HOSPITAL, Pair, client_config, gateway_config, unhurried

SOURCE = Endpoint(GATEWAY, 4500)
SPI = 0x01020304


@dataclass
class Stage:
    """One client's session, and the gateway's end of the IKE SA that it uses."""

    pair: Pair
    session: Session
    sa: IkeSa
    installed: dict[int, ChildSa] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)

    @classmethod
    def at(cls, event: Event | None = None) -> Self:
        """Set up an established client, perhaps with a request of its own under way."""
        pair = _established_pair()
        gateway = pair.gateway.session.state
        assert isinstance(gateway, Established)
        stage = cls(pair, pair.client.session, gateway.ike, dict(pair.client.installed))
        if event is not None:
            stage.feed(event)
        return stage

    @classmethod
    def at_proof(cls) -> Self:
        """Set up a client whose IKE_AUTH is on its way."""
        state, sa, _ = _proof()
        return cls(_established_pair(), Session(state), sa)

    @property
    def child(self) -> ChildSa:
        """The client's latest Child SA, or its first if none is left."""
        return next(reversed((self.installed or self.pair.client.installed).values()))

    def feed(self, event: Event) -> Effects:
        """Let something happen to the client, and keep count of what it wants done."""
        self.session, effects = self.session.step(event, self.pair.now, self.pair.dice)
        self.effects += effects
        for effect in effects:
            match effect:
                case InstallChild(child):
                    self.installed[child.spi_in] = child
                case RemoveChild(spi_in):
                    del self.installed[spi_in]
        return effects

    def asks(self, exchange: int, words: tuple[Payload, ...], size: int = 60_000) -> tuple[bytes, ...]:
        """Send the client a request with the next message id; give its datagrams."""
        number = self.sa.window.ours
        self.sa = replace(self.sa, window=replace(self.sa.window, ours=number + 1))
        datagrams = self.sealed(exchange, words, number, response=False, size=size)
        for datagram in datagrams:
            self.feed(Datagram(datagram, SOURCE))
        return datagrams

    def answers(self, exchange: int, number: int, words: tuple[Payload, ...]) -> Effects:
        """Answer a request of the client's."""
        (datagram,) = self.sealed(exchange, words, number, response=True)
        return self.feed(Datagram(datagram, SOURCE))

    def sealed(
        self, exchange: int, words: tuple[Payload, ...], number: int, *, response: bool, size: int = 60_000
    ) -> tuple[bytes, ...]:
        """Write a message as the gateway would."""
        header = Header(self.sa.spi_i, self.sa.spi_r, exchange, number, initiator=False, response=response)
        return seal_fragments(header, words, self.sa.outward, size, self.pair.dice)

    def child_wish(self) -> tuple[Payload, ...]:
        """Word a good request for the successor of the client's latest Child SA."""
        rekey = Notify(NotifyType.REKEY_SA, b"", ProtocolId.ESP, self.child.spi_out.to_bytes(4))
        offer = child_offer(gateway_config(), self.sa, self._spi(), (Group.ECP_384,))
        traffic = (TsInitiator(HOSPITAL), TsResponder(self.child.local))
        return (rekey, offer, Nonce(bytes(32)), _public(), *traffic)

    def ike_wish(self, spi: bytes | None = None) -> tuple[Payload, ...]:
        """Word a good request for the successor of the IKE SA."""
        named = self._spi().to_bytes(8) if spi is None else spi
        return (SecurityAssociation(with_spi(gateway_config().ike_proposals, named)), Nonce(bytes(32)), _public())

    def child_answer(self) -> tuple[Payload, ...]:
        """Word a good answer to the client's request for the successor of its Child SA."""
        chosen = with_spi(with_group(gateway_config().esp_proposals, Group.ECP_384)[:1], SPI.to_bytes(4))
        traffic = (TsInitiator(self.child.local), TsResponder(HOSPITAL))
        return (SecurityAssociation(chosen), Nonce(bytes(32)), _public(), *traffic)

    def ike_answer(self) -> tuple[Payload, ...]:
        """Word a good answer to the client's request for the successor of its IKE SA."""
        chosen = with_spi(gateway_config().ike_proposals[:1], SPI.to_bytes(8))
        return (SecurityAssociation(chosen), Nonce(bytes(32)), _public())

    def deletion(self) -> tuple[Payload, ...]:
        """Word the deletion of the client's latest Child SA."""
        return (Delete(ProtocolId.ESP, (self.child.spi_out.to_bytes(4),)),)

    def _spi(self) -> int:
        return int.from_bytes(self.pair.dice(4)) | 0x1000


def good_proof() -> tuple[Payload, ...]:
    """Give the payloads of the gateway's good answer to the proof of `Stage.at_proof`."""
    return _proof()[2]


@cache
def _established_pair() -> Pair:
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.connect()
    pair.run(0.5)
    return pair


@cache
def _proof() -> tuple[AuthSent, IkeSa, tuple[Payload, ...]]:
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.run(1, lambda: isinstance(pair.client.session.state, AuthSent))
    state, gateway = pair.client.session.state, pair.gateway.session.state
    assert isinstance(state, AuthSent)
    assert isinstance(gateway, InitAnswered)
    pair.connect()
    collector, message = Collector(), None
    for datagram in pair.gateway.wire_out:
        if decode_header(datagram).exchange == ExchangeType.IKE_AUTH and message is None:
            collector, message = collector.add(datagram, state.sa.inward)
    assert message is not None
    return state, gateway.sa, message.payloads


@cache
def _public() -> KeyExchange:
    return KeyExchange(Group.ECP_384, generate(Group.ECP_384, _established_pair().dice).public)
