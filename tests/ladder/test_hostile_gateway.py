"""A gateway that holds the keys and means harm: whatever it says, the session stays sane, small and within policy."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ike.effects import (
    Close,
    Configure,
    Datagram,
    Down,
    Effect,
    Event,
    InstallChild,
    Note,
    Probe,
    RekeyChild,
    RekeyIke,
    Sign,
    Tick,
    Transmit,
    Up,
    UseChild,
)
from ike.message import decode_header
from ike.payloads import Authentication, IdResponder, Notify, Payload, SecurityAssociation, Unknown, VendorId
from ike.proposal import with_spi
from ike.registry import Encr, ExchangeType, Group, NotifyType
from ike.selectors import within
from ike.session import Session
from ike.state import AuthSent, Closed, Closing, Established
from tests.gateway_hands import SOURCE, Stage, good_proof
from tests.ike_strategies import payloads
from tests.pair import Pair, client_config, gateway_config, unhurried

PRIVATE = IPv4Network("10.0.0.0/8")
MOST_KEPT = 64
OURS: tuple[Event, ...] = (RekeyChild(), RekeyIke(), Probe(), Close())
UNDERSTOOD_BY_NOBODY = Unknown(200, True, b"?")


# Instead of its answer to our proof.


@pytest.mark.parametrize("words", [(UNDERSTOOD_BY_NOBODY,), (*good_proof(), good_proof()[0]), (VendorId(b"?"),)])
def test_an_answer_to_our_proof_that_makes_no_sense_ends_the_attempt_at_once(words: tuple[Payload, ...]) -> None:
    stage = Stage.at_proof()
    stage.answers(ExchangeType.IKE_AUTH, 1, words)
    assert isinstance(stage.session.state, Closing)
    assert_nothing_configured(stage.effects)
    stage.pair.boot += 10
    stage.feed(Tick())
    stage.pair.boot -= 10
    (down,) = (effect for effect in stage.effects if isinstance(effect, Down))
    assert down.error is not None
    assert down.error.code in ("peer.malformed", "gateway.signature")
    assert not any(isinstance(effect, Sign) for effect in stage.effects)


def test_an_address_that_nobody_asked_for_is_not_configured() -> None:
    stage = Stage.at_proof()
    state = stage.session.state
    assert isinstance(state, AuthSent)
    stage.session = Session(replace(state, config=replace(state.config, want_address=False)))
    stage.answers(ExchangeType.IKE_AUTH, 1, good_proof())
    (configure,) = (effect for effect in stage.effects if isinstance(effect, Configure))
    assert configure.addresses == configure.dns == ()
    assert [effect.code for effect in stage.effects if isinstance(effect, Note)] == ["address.unasked"]


@pytest.mark.parametrize("spi", [0, 1, 255])
def test_a_child_under_a_reserved_spi_is_refused(spi: int) -> None:
    # an ESP packet under SPI 0 would pass for IKE (RFC 3948 §2.2, RFC 4303 §2.1)
    stage = Stage.at_proof()
    stage.answers(ExchangeType.IKE_AUTH, 1, tuple(renamed(payload, spi.to_bytes(4)) for payload in good_proof()))
    assert isinstance(stage.session.state, Closing)
    assert_nothing_configured(stage.effects)


@settings(max_examples=200)
@given(st.data())
def test_whatever_answers_our_proof_only_the_proven_gateway_within_our_offer_is_let_in(data: st.DataObject) -> None:
    stage = Stage.at_proof()
    before, words = stage.session.state, data.draw(mutations(good_proof()))
    assert isinstance(before, AuthSent)
    effects = stage.answers(ExchangeType.IKE_AUTH, 1, words)
    if not isinstance(stage.session.state, Established):
        assert_nothing_configured(effects)
        return
    for kind in (Authentication, IdResponder):
        assert [one for one in words if isinstance(one, kind)] == [one for one in good_proof() if isinstance(one, kind)]
    (installed,) = (effect.child for effect in effects if isinstance(effect, InstallChild))
    assert within(installed.remote, before.config.remote_selectors)
    assert within(installed.local, before.config.local_selectors)
    assert installed.suite.encr.id in (Encr.AES_GCM_16, Encr.CHACHA20_POLY1305)
    (configured,) = (effect for effect in effects if isinstance(effect, Configure))
    assert all(address.ip in PRIVATE for address in configured.addresses)


# Requests to an established client.


def test_a_refused_request_that_comes_again_gets_the_same_refusal() -> None:
    stage = Stage.at()
    (asked,) = stage.asks(ExchangeType.INFORMATIONAL, (UNDERSTOOD_BY_NOBODY,))
    refusal = stage.effects[-1]
    assert isinstance(refusal, Transmit)
    assert stage.feed(Datagram(asked, SOURCE)) == (refusal,)


def test_a_repeated_request_in_fragments_is_answered_for_its_first_and_disturbs_no_other() -> None:
    # RFC 7383 §2.6.1
    stage = Stage.at()
    long = (VendorId(bytes(900)),)
    old = stage.asks(ExchangeType.INFORMATIONAL, long, size=500)
    new = stage.sealed(ExchangeType.INFORMATIONAL, long, stage.sa.window.ours, response=False, size=500)
    assert len(old) == len(new) == 3
    stage.effects.clear()
    for datagram in (*old, new[0], *old, new[1], *old, new[2]):
        stage.feed(Datagram(datagram, SOURCE))
    answered = [decode_header(effect.message).message_id for effect in stage.effects if isinstance(effect, Transmit)]
    assert answered == [0, 0, 0, 1]


@pytest.mark.parametrize("ours", [None, RekeyIke(), RekeyChild(), Probe()], ids=["idle", "ike", "child", "probe"])
@pytest.mark.parametrize("wish", ["ike", "child"])
def test_rekeys_without_end_keep_the_state_small(wish: str, ours: Event | None) -> None:
    stage = Stage.at(ours)
    for _ in range(100):
        stage.asks(ExchangeType.CREATE_CHILD_SA, stage.ike_wish() if wish == "ike" else stage.child_wish())
    state = stage.session.state
    assert isinstance(state, Established)
    assert len(state.others) <= MOST_KEPT
    assert len(state.children) == len(stage.installed) <= MOST_KEPT
    assert len([one for one in state.others if one.until is None]) <= 1


def test_a_gateway_that_keeps_changing_its_mind_about_the_group_is_followed_three_times() -> None:
    stage = Stage.at(RekeyChild())
    for number in range(20):
        state = stage.session.state
        assert isinstance(state, Established)
        if state.ike.window.pending is None:
            break
        wish = Notify(NotifyType.INVALID_KE_PAYLOAD, (Group.ECP_256 if number % 2 == 0 else Group.ECP_384).to_bytes(2))
        pending = state.ike.window.pending
        stage.answers(pending.exchange, pending.message_id, (wish,))
    assert number == 4
    assert [effect.code for effect in stage.effects if isinstance(effect, Note)] == ["rekey.refused"]


def test_ike_rekeys_in_a_row_are_held_back_before_the_state_grows() -> None:
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.connect()
    for _ in range(80):
        pair.feed(pair.gateway, RekeyIke())
        pair.run(0.1)
        assert isinstance(pair.client.session.state, Established)
        assert len(pair.client.session.state.others) <= MOST_KEPT
    pair.run(130)
    pair.assert_one_pair()
    state = pair.client.session.state
    assert isinstance(state, Established)
    assert state.others == ()


def test_a_replayed_request_is_no_sign_of_life() -> None:
    stage = Stage.at()
    (asked,) = stage.asks(ExchangeType.INFORMATIONAL, ())
    before = stage.session
    stage.pair.boot += 5
    stage.feed(Datagram(asked, SOURCE))
    stage.pair.boot -= 5
    assert stage.session == before


def test_a_child_that_the_gateway_replaced_and_forgot_is_deleted_by_us() -> None:
    stage = Stage.at()
    old = stage.child
    stage.asks(ExchangeType.CREATE_CHILD_SA, stage.child_wish())
    began = stage.pair.boot
    stage.pair.boot += 70
    try:
        told = stage.feed(Tick())
    finally:
        stage.pair.boot = began
    assert UseChild(stage.child.spi_out) in told
    state = stage.session.state
    assert isinstance(state, Established)
    assert state.ike.task is not None
    assert old.spi_in != stage.child.spi_in


@pytest.mark.parametrize("spi", [b"", bytes(8)])
def test_an_ike_sa_without_a_name_is_refused(spi: bytes) -> None:
    stage = Stage.at()
    stage.asks(ExchangeType.CREATE_CHILD_SA, stage.ike_wish(spi=spi))
    state = stage.session.state
    assert isinstance(state, Established)
    assert not state.others


@settings(max_examples=200)
@given(st.data())
def test_no_request_of_the_gateway_breaks_the_session(data: st.DataObject) -> None:
    stage = Stage.at(data.draw(st.sampled_from((None, *OURS))))
    for _ in range(data.draw(st.integers(1, 3))):
        good = data.draw(st.sampled_from([stage.child_wish(), stage.ike_wish(), stage.deletion(), ()]))
        exchange = data.draw(st.sampled_from([*ExchangeType, 0, 255]))
        stage.asks(exchange, data.draw(mutations(good)))
    assert_sane(stage)


@settings(max_examples=200)
@given(st.data())
def test_no_answer_of_the_gateway_breaks_the_session(data: st.DataObject) -> None:
    stage = Stage.at(data.draw(st.sampled_from(OURS)))
    state = stage.session.state
    assert isinstance(state, Established | Closing)
    pending = (state.ike if isinstance(state, Established) else state.sa).window.pending
    assert pending is not None
    good = data.draw(st.sampled_from([stage.child_answer(), stage.ike_answer(), stage.deletion(), ()]))
    stage.answers(pending.exchange, pending.message_id, data.draw(mutations(good)))
    assert_sane(stage)


@st.composite
def mutations(draw: st.DrawFn, good: Sequence[Payload]) -> tuple[Payload, ...]:
    """Leave out, repeat, move, replace and add payloads of a good message."""
    words = list(good)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(words)))
        match draw(st.integers(0, 4)):
            case 0:
                del words[place : place + 1]
            case 1:
                words[place:place] = words[place - 1 : place]
            case 2:
                words = words[place:] + words[:place]
            case 3:
                words[place : place + 1] = [draw(payloads)]
            case _:
                words.insert(
                    place, draw(payloads | st.builds(Notify, st.sampled_from(NotifyType), st.binary(max_size=8)))
                )
    return tuple(words)


def renamed(payload: Payload, spi: bytes) -> Payload:
    """Give the proposal of an SA payload another SPI."""
    if isinstance(payload, SecurityAssociation):
        return SecurityAssociation(with_spi(payload.proposals, spi))
    return payload


def assert_nothing_configured(effects: Sequence[Effect]) -> None:
    """Insist that nothing was done to the machine."""
    assert not any(isinstance(effect, InstallChild | Configure | Up) for effect in effects)


def assert_sane(stage: Stage) -> None:
    """Let time pass; the end, if it comes, comes once, last, and leaves nothing installed."""
    began = stage.pair.boot
    for _ in range(60):
        deadline = stage.session.deadline
        if deadline is None or deadline.at > began + 300:
            break
        stage.pair.boot = max(stage.pair.boot, deadline.at)
        stage.feed(Tick())
    else:
        pytest.fail(f"a timer that leads nowhere: {stage.session.deadline}")
    stage.pair.boot = began
    downs = [place for place, effect in enumerate(stage.effects) if isinstance(effect, Down)]
    assert len(downs) <= 1
    if isinstance(stage.session.state, Closed):
        assert downs == [len(stage.effects) - 1]
        assert not stage.installed
    assert all(effect.detail.isprintable() for effect in stage.effects if isinstance(effect, Note))
