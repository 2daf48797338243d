"""How a session ends: asked for, deleted by the peer, or because the peer fell silent."""

from dataclasses import replace

import pytest

from ike.effects import Close, Down, Heard, InstallChild, Probe, RekeyChild, RekeyIke, RemoveChild, Tick, Transmit
from ike.payloads import Delete, Notify, Payload, VendorId
from ike.registry import ExchangeType, NotifyType, ProtocolId
from tests.pair import Pair, Path, client_config, gateway_config, is_over, unhurried


def test_closing_stops_the_data_plane_at_once_and_tells_the_peer() -> None:
    # HDR, SK {D} -->  <-- HDR, SK {}
    pair = connected()
    pair.feed(pair.client, Close())
    assert pair.client.installed == {}
    assert not pair.client.of(Down)
    pair.run(1)
    assert pair.client.of(Down) == [Down(None, "us")]
    assert (pair.gateway.failure, pair.gateway.of(Down)[0].by) == ("peer.closed", "peer")
    assert pair.gateway.installed == {}
    assert pair.client.session.deadline is pair.gateway.session.deadline is None


def test_closing_ends_soon_even_if_nobody_answers() -> None:
    pair = connected()
    pair.path.loss = 1.0
    pair.feed(pair.client, Close())
    began = pair.boot
    pair.run(10, lambda: is_over(pair.client))
    assert pair.client.of(Down) == [Down(None, "us")]
    assert pair.boot - began == pytest.approx(2.0)


def test_closing_waits_its_turn_behind_a_request_under_way() -> None:
    for event in (RekeyChild(), RekeyIke(), Probe()):
        pair = connected()
        pair.feed(pair.client, event)
        pair.feed(pair.client, Close())
        pair.run(5)
        assert pair.client.of(Down) == [Down(None, "us")]
        assert is_over(pair.gateway)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_a_gateway_that_closes_ends_the_client(loss: float) -> None:
    pair = connected()
    pair.path = Path(loss=loss, repeat=0.3)
    pair.feed(pair.gateway, Close())
    pair.run(60)
    assert pair.client.failure in ("peer.closed", "peer.lost")
    assert pair.client.installed == {}
    if not loss:
        assert (pair.client.failure, pair.client.of(Down)[0].by) == ("peer.closed", "peer")


def test_both_ends_closing_at_once_both_end() -> None:
    pair = connected()
    pair.feed(pair.client, Close())
    pair.feed(pair.gateway, Close())
    pair.run(5)
    assert pair.client.of(Down) == pair.gateway.of(Down) == [Down(None, "us")]


def test_a_gateway_that_deletes_the_only_child_ends_the_client() -> None:
    # <-- HDR, SK {D(ESP)};  HDR, SK {D(ESP)} -->;  a tunnel that carries nothing is no tunnel: HDR, SK {D(IKE)} -->
    pair = connected()
    (child,) = pair.gateway.installed.values()
    (reply,) = pair.gateway_asks((Delete(ProtocolId.ESP, (child.spi_in.to_bytes(4),)),))
    assert reply == Delete(ProtocolId.ESP, (child.spi_out.to_bytes(4),))
    pair.run(3)
    assert (pair.client.failure, pair.client.of(Down)[0].by) == ("peer.closed", "peer")
    assert pair.client.installed == {}
    assert is_over(pair.gateway)


def test_deleting_a_child_that_is_not_there_changes_nothing() -> None:
    pair = connected()
    strange = (Delete(ProtocolId.ESP, (b"\1\2\3\4", b"\0\0\0\0")), Delete(ProtocolId.AH, (b"\1\2\3\4",)))
    assert pair.gateway_asks(strange) == ()
    pair.run(1)
    pair.assert_one_pair()


@pytest.mark.parametrize(
    "words",
    [
        (),
        (Notify(NotifyType.INVALID_SPI),),
        (Notify(40_999, b"what?"),),
        (VendorId(b"\x1b[31m"),),
        (Notify(NotifyType.NO_PROPOSAL_CHOSEN), Notify(NotifyType.INITIAL_CONTACT)),
    ],
)
def test_whatever_else_an_informational_says_gets_an_empty_answer(words: tuple[Payload, ...]) -> None:
    pair = connected()
    assert pair.gateway_asks(words) == ()
    pair.run(1)
    pair.assert_one_pair()


def test_a_request_of_another_kind_is_answered_with_invalid_syntax_and_does_no_harm() -> None:
    pair = connected()
    assert pair.gateway_asks((Notify(40_999),), ExchangeType.IKE_AUTH) == (Notify(NotifyType.INVALID_SYNTAX),)
    pair.run(1)
    pair.assert_one_pair()


def test_a_silent_peer_is_asked_and_then_lost() -> None:
    pair = connected()
    pair.run(0.1)
    pair.path.loss = 1.0
    began = pair.boot
    pair.run(60, lambda: not pair.client.up)
    assert pair.client.failure == "peer.lost"
    assert 19 < pair.boot - began < 21
    assert pair.client.installed == {}
    assert len(pair.client.of(Transmit)) == 2 + 10


def test_the_peer_is_asked_only_when_nothing_came_in() -> None:
    pair = connected()
    asked = len(pair.client.of(Transmit))
    for _ in range(30):
        pair.run(5)
        pair.feed(pair.client, Heard())
        pair.feed(pair.gateway, Heard())
    assert len(pair.client.of(Transmit)) == asked
    pair.run(30)
    assert len(pair.client.of(Transmit)) > asked


def test_traffic_from_the_peer_keeps_an_sa_whose_questions_go_unanswered() -> None:
    pair = connected()
    pair.path.loss = 1.0
    for _ in range(40):
        pair.run(1)
        pair.feed(pair.client, Heard())
    assert pair.client.up
    pair.run(40)
    assert pair.client.failure == "peer.lost"


def test_a_probe_asked_for_goes_out_at_once_and_only_once() -> None:
    pair = connected()
    asked = len(pair.client.of(Transmit))
    for _ in range(5):
        pair.feed(pair.client, Probe())
    assert len(pair.client.of(Transmit)) == asked + 1
    pair.run(1)
    pair.assert_one_pair()


def test_an_idle_session_lives_on_through_loss() -> None:
    pair = connected()
    pair.path = Path(loss=0.3)
    pair.run(600)
    assert pair.client.up


def test_a_client_that_says_nothing_after_the_first_message_is_forgotten_by_the_gateway() -> None:
    pair = Pair(on_wire=lambda pair, from_client, datagram: [datagram] if from_client else [])
    pair.run(0.2)
    pair.path.loss = 1.0
    pair.run(60)
    assert pair.gateway.failure == "peer.lost"


def test_nothing_happens_after_the_end() -> None:
    pair = connected()
    pair.feed(pair.client, Close())
    pair.run(1)
    effects = len(pair.client.effects)
    for event in (Tick(), Close(), Heard(), Probe(), RekeyChild(), RekeyIke()):
        pair.feed(pair.client, event)
    pair.inject(pair.gateway.wire_out[-1], port=4500)
    pair.run(1)
    assert len(pair.client.effects) == effects


def test_down_is_the_last_effect_and_every_child_is_removed_before_it() -> None:
    for end_it in (Close(), None):
        pair = connected()
        if end_it is None:
            pair.path.loss = 1.0
        else:
            pair.feed(pair.client, end_it)
        pair.run(60)
        assert isinstance(pair.client.effects[-1], Down)
        assert len(pair.client.of(RemoveChild)) == len(pair.client.of(InstallChild))


def connected() -> Pair:
    """Connect two ends that rekey only when told; the gateway never asks whether the client lives."""
    gateway = unhurried(gateway_config())
    patient = replace(gateway, timers=replace(gateway.timers, liveness=1e6))
    pair = Pair(client=unhurried(client_config()), gateway=patient)
    pair.connect()
    return pair
