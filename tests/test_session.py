"""The session as a whole: garbage never gets out of a step, and never changes what stands."""

from dataclasses import astuple, replace
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from ike.config import Endpoint
from ike.effects import (
    Close,
    Datagram,
    Down,
    Event,
    Heard,
    Note,
    Probe,
    RekeyChild,
    RekeyIke,
    Signed,
    SignRefused,
    Tick,
    Transmit,
)
from ike.errors import ConfigError
from ike.message import Header, encode
from ike.payloads import Notify
from ike.registry import ExchangeType
from ike.session import Session
from ike.state import AnswerSigning, AuthSent, AuthSigning, Closing, Established, InitAnswered, InitSent, Listening
from tests.ike_strategies import payloads
from tests.pair import GATEWAY, Pair, client_config, gateway_config, unhurried

SOURCE = Endpoint(GATEWAY, 4500)


@cache
def sessions() -> dict[str, Session]:
    """Give one session in every state, at the instant of the pair that made it."""
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    found = {"InitSent": pair.client.session, "Listening": Session.listen(gateway_config())}
    for state in (AuthSigning, AuthSent):
        pair.run(1, lambda state=state: isinstance(pair.client.session.state, state))  # type: ignore[misc]
        found[state.__name__] = pair.client.session
    found["InitAnswered"] = pair.gateway.session
    pair.run(1, lambda: type(pair.gateway.session.state).__name__ == "AnswerSigning")
    found["AnswerSigning"] = pair.gateway.session
    pair.connect()
    pair.run(0.5)
    found["Established"], found["answered"] = pair.client.session, pair.gateway.session
    pair.feed(pair.client, RekeyIke())
    found["rekeying"] = pair.client.session
    pair.feed(pair.client, Close())
    found["Closing"] = pair.client.session
    return found


def datagrams() -> st.SearchStrategy[bytes]:
    """Draw bytes, headers with the right SPIs in front of bytes, and whole clear messages."""
    spis = [b"\0" * 8]
    for session in sessions().values():
        match session.state:
            case InitSent(spi=spi):
                spis.append(spi)
            case Established(ike=sa) | AuthSent(sa=sa) | Closing(sa=sa):
                spis += [sa.spi_i, sa.spi_r]
    either = st.sampled_from(sorted(set(spis)))
    flag = st.booleans()
    number = st.sampled_from([0, 1, 2, 3, 2**32 - 1])
    kinds = st.sampled_from([int(kind) for kind in ExchangeType] + [0, 255])
    headers = st.builds(Header, either, either, kinds, number, flag, flag)
    whole = st.builds(encode, headers, st.lists(payloads, max_size=4))
    framed = st.builds(_frame, headers, st.sampled_from([0, 33, 41, 46, 53, 255]), st.binary(max_size=120))
    return st.one_of(st.binary(max_size=200), whole, framed)


def _frame(header: Header, first: int, body: bytes) -> bytes:
    head = encode(header, ())
    return head[:16] + bytes([first]) + head[17:24] + (28 + len(body)).to_bytes(4) + body


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_garbage_never_raises_and_never_changes_an_established_or_proving_session(data: st.DataObject) -> None:
    datagram, pair = data.draw(datagrams()), Pair()
    for name, session in sessions().items():
        after, effects = session.step(Datagram(datagram, SOURCE), pair.now, pair.dice)
        assert not any(isinstance(effect, Down) for effect in effects)
        if name not in ("InitSent", "Listening", "InitAnswered"):
            assert _without_curiosity(after) == _without_curiosity(session)
            assert len([effect for effect in effects if isinstance(effect, Transmit)]) <= 1
        assert all(effect.detail.isprintable() for effect in effects if isinstance(effect, Note))


def _without_curiosity(session: Session) -> Session:
    """Leave out that an unprotected message may make us ask whether the peer lives."""
    state = session.state
    if not isinstance(state, Established):
        return session
    window = replace(state.ike.window, ours=0, pending=None, answers=state.ike.window.requests)
    quiet = replace(state.ike, window=window, task=None)
    return Session(replace(state, ike=quiet, poked_at=0.0, probe_at=0.0))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damage_to_a_real_message_never_raises_and_never_changes_an_established_session(data: st.DataObject) -> None:
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.connect()
    pair.run(1)
    events: list[Event] = [RekeyChild(), RekeyIke(), Probe(), Close()]
    pair.feed(pair.gateway, data.draw(st.sampled_from(events)))
    good = pair.gateway.wire_out[-1]
    position, mask = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(1, 255))
    bad = good[:position] + bytes([good[position] ^ mask]) + good[position + 1 :]
    before = pair.client.session
    after, effects = before.step(Datagram(bad, SOURCE), pair.now, pair.dice)
    assert _without_curiosity(after) == _without_curiosity(before)
    assert not any(isinstance(effect, Down) for effect in effects)
    pair.run(10)
    assert pair.client.up or pair.client.failure == "peer.closed"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 15), st.integers(0, 8), st.booleans()), max_size=25), st.integers(0, 2**32))
def test_any_order_of_events_keeps_the_ends_in_step(happenings: list[tuple[float, int, bool]], seed: int) -> None:
    pair = Pair(seed=seed, client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.connect()
    events: list[Event] = [
        Tick(), RekeyChild(), RekeyIke(), Probe(), Heard(), Signed(1, b"late"), SignRefused(1, "late"), RekeyChild(),
        RekeyIke(),
    ]  # fmt: skip
    for pause, number, at_client in happenings:
        pair.feed(pair.client if at_client else pair.gateway, events[number])
        pair.run(pause)
    pair.run(130)
    pair.assert_one_pair()


def test_every_state_names_what_it_waits_for() -> None:
    for name, session in sessions().items():
        deadline = session.deadline
        if name == "Listening":
            assert deadline is None
        else:
            assert deadline is not None
            assert deadline.why


def test_early_ticks_do_nothing() -> None:
    pair = Pair()
    for session in sessions().values():
        after, effects = session.step(Tick(), replace(pair.now, boot=1.0), pair.dice)
        assert (after, effects) == (session, ())


def test_a_message_that_cannot_be_sealed_ends_the_session_as_our_own_fault() -> None:
    huge = replace(client_config(), certificates=(*client_config().certificates, *([b"\x30" * 4000] * 16)))
    pair = Pair(client=huge)
    pair.run(5)
    assert pair.client.failure == "limit.reached"
    pair.assert_nothing_installed()


def test_a_listening_gateway_ignores_everything_but_a_first_message() -> None:
    listening = Session.listen(gateway_config())
    pair = Pair()
    header = Header(b"8 octets", bytes(8), ExchangeType.IKE_SA_INIT, 1, initiator=True, response=False)
    for wrong in (header, replace(header, message_id=0, initiator=False), replace(header, message_id=0, response=True)):
        after, effects = listening.step(Datagram(encode(wrong, (Notify(40_000),)), SOURCE), pair.now, pair.dice)
        assert isinstance(after.state, Listening)
        assert effects == ()


def test_an_anchor_that_cannot_be_read_ends_the_attempt_before_anything_is_sent() -> None:
    pair = Pair()
    session, effects = Session.connect(replace(client_config(), anchors=(b"no certificate",)), pair.now, pair.dice)
    (down,) = effects
    assert isinstance(down, Down)
    assert isinstance(down.error, ConfigError)
    assert session.deadline is None


def test_no_state_shows_a_secret() -> None:
    for name, session in sessions().items():
        shown = repr(session)
        for secret in filter(None, _secrets(session)):
            assert repr(secret)[2:-1] not in shown, name
            assert secret.hex() not in shown, name


def _secrets(session: Session) -> list[bytes]:
    """Collect every key and nonce that a state holds."""
    match session.state:
        case InitSent(nonce=nonce):
            return [nonce]
        case AuthSigning(sa=sa, opening=opening) | AuthSent(sa=sa, opening=opening):
            return [*astuple(sa.keys), opening.ni, opening.nr]
        case Established(ike=sa, children=children):
            return [*astuple(sa.keys), *(key for one in children for key in (one.sa.key_in, one.sa.key_out))]
        case InitAnswered(sa=sa) | AnswerSigning(sa=sa) | Closing(sa=sa):
            return list(astuple(sa.keys))
    return []
