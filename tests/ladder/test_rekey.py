"""CREATE_CHILD_SA: new keys by either side, make before break, and what happens when both want them at once."""

from dataclasses import replace

import pytest

from ike.config import Config, ResponderConfig
from ike.effects import (
    ChildSa,
    Down,
    InstallChild,
    Note,
    RekeyChild,
    Rekeyed,
    RekeyIke,
    RemoveChild,
    Transmit,
    UseChild,
)
from ike.proposal import parse, parse_all
from ike.registry import ProtocolId
from ike.state import Established, Phase, RekeyingChild, RekeyingIke
from tests.pair import End, Pair, Path, client_config, gateway_config, unhurried

ENDS = ["client", "gateway"]


@pytest.mark.parametrize("end", ENDS)
def test_a_child_rekey_makes_the_new_pair_before_it_breaks_the_old(end: str) -> None:
    # HDR, SK {N(REKEY_SA), SA, Ni, KEi, TSi, TSr} -->  <-- HDR, SK {SA, Nr, KEr, TSi, TSr}
    # HDR, SK {D} -->  <-- HDR, SK {D}
    pair = connected()
    old = only(pair.client)
    pair.feed(getattr(pair, end), RekeyChild())
    pair.run(1)
    assert len(pair.client.installed) == len(pair.gateway.installed) == 2  # the old inbound half hears late packets
    assert pair.client.sending != old.spi_out
    pair.run(5)
    pair.assert_one_pair()
    assert only(pair.client).key_out != old.key_out
    kinds = [effect for effect in pair.client.effects if isinstance(effect, InstallChild | UseChild | RemoveChild)]
    assert isinstance(kinds[-1], RemoveChild)
    assert pair.client.of(Rekeyed) == pair.gateway.of(Rekeyed) == [Rekeyed("child")]


def test_the_end_that_answered_sends_on_the_new_pair_only_when_the_old_is_deleted() -> None:
    pair = connected()
    old = only(pair.gateway)
    pair.feed(pair.client, RekeyChild())
    pair.run(0.02)
    assert pair.gateway.of(InstallChild)[-1].outbound is False
    assert pair.gateway.sending == old.spi_out
    pair.run(1)
    assert pair.gateway.sending != old.spi_out


@pytest.mark.parametrize("end", ENDS)
def test_a_child_rekey_has_a_key_exchange_of_its_own(end: str) -> None:
    pair = connected()
    assert only(pair.client).suite.group is None
    pair.feed(getattr(pair, end), RekeyChild())
    pair.run(8)
    assert only(pair.client).suite.group == only(pair.gateway).suite.group == 20


def test_a_gateway_that_offers_no_key_exchange_is_refused_unless_policy_allows() -> None:
    for pfs in (True, False):
        client = replace(unhurried(client_config()), rekey_pfs=pfs)
        pair = connected(client=client)
        state = pair.gateway.session.state
        assert isinstance(state, Established)
        plain = replace(state.terms, rekey_pfs=False, ike_proposals=(), esp_proposals=state.terms.esp_proposals)
        pair.gateway.session = replace(
            pair.gateway.session,
            state=replace(state, terms=plain, ike=replace(state.ike, suite=replace(state.ike.suite, group=None))),
        )
        pair.feed(pair.gateway, RekeyChild())
        pair.run(8)
        pair.assert_one_pair()
        assert bool(pair.client.of(Rekeyed)) is not pfs


@pytest.mark.parametrize("end", ENDS)
def test_a_child_rekey_follows_a_gateway_that_wants_another_group_than_the_ike_sas(end: str) -> None:
    # HDR, SK {..., KEi} -->  <-- HDR, SK {N(INVALID_KE_PAYLOAD)};  HDR, SK {..., KEi'} -->  (RFC 7296 §1.3)
    ecp256 = parse_all(("aes256gcm16-ecp256",), ProtocolId.ESP)
    pair = connected(gateway=replace(gateway_config(), esp_proposals=ecp256))
    assert established(pair.client).ike.suite.group == 20
    pair.feed(getattr(pair, end), RekeyChild())
    pair.run(8)
    assert pair.client.of(Rekeyed) == [Rekeyed("child")]
    assert only(pair.client).suite.group == 19
    rest_in_one_pair(pair)


@pytest.mark.parametrize("end", ENDS)
def test_an_ike_rekey_replaces_every_key_and_leaves_the_child_alone(end: str) -> None:
    # HDR, SK {SA, Ni, KEi} -->  <-- HDR, SK {SA, Nr, KEr};  HDR, SK {D} -->  <-- HDR, SK {}
    pair = connected()
    before, child = established(pair.client), only(pair.client)
    pair.feed(getattr(pair, end), RekeyIke())
    pair.run(1)
    for one, other in ((pair.client, pair.gateway), (pair.gateway, pair.client)):
        assert established(one).ike.keys == established(other).ike.keys != before.ike.keys
        assert established(one).ike.initiator is (one is getattr(pair, end))
    assert only(pair.client) == child
    pair.assert_one_pair()
    pair.run(61)
    assert established(pair.client).others == established(pair.gateway).others == ()


@pytest.mark.parametrize("end", ENDS)
def test_a_rekeyed_ike_sa_carries_everything_on(end: str) -> None:
    pair = connected()
    for event in (RekeyIke(), RekeyChild(), RekeyIke(), RekeyIke(), RekeyChild()):
        pair.feed(getattr(pair, end), event)
        pair.run(8)
        pair.assert_one_pair()
    pair.run(120)
    assert pair.client.up
    assert pair.gateway.up


@pytest.mark.parametrize("event", [RekeyChild(), RekeyIke()], ids=["child", "ike"])
def test_both_ends_at_once_leave_one_pair(event: RekeyChild | RekeyIke) -> None:
    for seed in range(20):
        pair = connected(seed=seed)
        pair.feed(pair.client, event)
        pair.feed(pair.gateway, event)
        pair.run(8)
        rest_in_one_pair(pair)


@pytest.mark.parametrize("event", [RekeyChild(), RekeyIke()], ids=["child", "ike"])
def test_both_ends_nearly_at_once_on_a_bad_path_leave_one_pair(event: RekeyChild | RekeyIke) -> None:
    for seed in range(40):
        pair = connected(seed=seed)
        pair.path = Path(loss=0.3, repeat=0.3, jitter=0.3)
        pair.feed(pair.client, event)
        pair.run(pair.random.random() / 2)
        pair.feed(pair.gateway, event)
        pair.run(60)
        pair.path = Path()
        rest_in_one_pair(pair)


def test_child_and_ike_rekeys_that_cross_leave_one_pair() -> None:
    for seed in range(10):
        for first, second in ((RekeyChild(), RekeyIke()), (RekeyIke(), RekeyChild())):
            pair = connected(seed=seed)
            pair.feed(pair.client, first)
            pair.feed(pair.gateway, second)
            pair.run(30)
            rest_in_one_pair(pair)
            assert {effect.kind for effect in pair.client.of(Rekeyed)} == {"child", "ike"}


def test_in_a_collision_the_sa_with_the_lowest_nonce_is_closed_by_the_end_that_made_it() -> None:
    for seed in range(10):
        pair = connected(seed=seed)
        pair.feed(pair.client, RekeyChild())
        pair.feed(pair.gateway, RekeyChild())
        pair.run(0.02)  # both have answered, neither answer has arrived
        ours, theirs = established(pair.client).ike.task, established(pair.gateway).ike.task
        assert isinstance(ours, RekeyingChild)
        assert isinstance(theirs, RekeyingChild)
        assert ours.rival is not None
        assert theirs.rival is not None
        winner = pair.client if theirs.rival.lowest > ours.rival.lowest else pair.gateway
        pair.run(8)
        pair.assert_one_pair()
        survivor = only(winner).spi_in
        assert survivor == (ours if winner is pair.client else theirs).spi


def test_a_refused_rekey_is_tried_again_later() -> None:
    pair = connected(gateway=unhurried(gateway_config()))
    state = established(pair.gateway)
    chacha = parse_all(("chacha20poly1305",), ProtocolId.ESP)
    terms = state.terms
    pair.gateway.session = replace(
        pair.gateway.session, state=replace(state, terms=replace(terms, esp_proposals=chacha))
    )
    client = established(pair.client)
    aes = parse_all(("aes256gcm16",), ProtocolId.ESP)
    pair.client.session = replace(
        pair.client.session, state=replace(client, terms=replace(client.terms, esp_proposals=aes))
    )
    pair.feed(pair.client, RekeyChild())
    pair.run(1)
    assert [note.code for note in pair.client.of(Note)] == ["rekey.refused"]
    state = established(pair.gateway)
    pair.gateway.session = replace(pair.gateway.session, state=replace(state, terms=terms))
    pair.run(120)
    assert pair.client.of(Rekeyed) == [Rekeyed("child")]
    pair.assert_one_pair()


def test_another_ike_suite_may_come_of_a_rekey() -> None:
    pair = connected()
    state = established(pair.gateway)
    only_x25519 = replace(state.terms, ike_proposals=(parse("aes256gcm16-prfsha256-x25519"),))
    pair.gateway.session = replace(pair.gateway.session, state=replace(state, terms=only_x25519))
    pair.feed(pair.client, RekeyIke())
    pair.run(1)
    assert [note.code for note in pair.client.of(Note)] == ["rekey.refused"]  # INVALID_KE_PAYLOAD: tried again later
    pair.feed(pair.gateway, RekeyIke())
    pair.run(1)
    assert established(pair.client).ike.suite.group == 31
    rest_in_one_pair(pair)


def test_rekeys_come_by_themselves_before_their_limit_and_with_jitter() -> None:
    first = []
    for seed in range(5):
        pair = Pair(seed=seed)
        pair.connect()
        pair.run(4000, lambda: bool(pair.client.of(Rekeyed)))  # noqa: B023 - runs within the turn
        first.append(pair.boot - 1000)
    assert 3600 * 0.9 <= min(first) < max(first) <= 3600 * 1.1 + 1
    assert len(set(first)) == 5


def test_hours_of_rekeys_keep_one_pair_and_no_more_state_than_at_the_start() -> None:
    pair = Pair()
    pair.connect()
    pair.run(6 * 3600)
    rest_in_one_pair(pair)
    assert len(pair.client.of(Rekeyed)) > 5
    assert len(established(pair.client).children) == 1


def test_keys_that_cannot_be_renewed_are_dropped_at_their_limit() -> None:
    pair = Pair()
    pair.connect()
    pair.on_wire = lambda pair, from_client, datagram: [datagram] if len(datagram) < 100 else []
    pair.run(4000, lambda: not pair.client.up)
    assert pair.client.failure is None or pair.client.failure in ("limit.reached", "peer.lost")
    pair.run(10)
    assert pair.client.installed == {}
    assert pair.client.of(Down)


def test_nothing_more_is_asked_while_a_request_is_under_way() -> None:
    pair = connected()
    pair.path.loss = 1.0
    sent = len(pair.client.of(Transmit))
    for event in (RekeyChild(), RekeyIke(), RekeyChild()):
        pair.feed(pair.client, event)
    assert len(pair.client.of(Transmit)) == sent + 1
    assert isinstance(established(pair.client).ike.task, RekeyingChild | RekeyingIke)


def connected(seed: int = 1, client: Config | None = None, gateway: ResponderConfig | None = None) -> Pair:
    """Connect two ends that rekey only when told."""
    client, gateway = client or client_config(), gateway or gateway_config()
    pair = Pair(seed=seed, client=unhurried(client), gateway=unhurried(gateway))
    pair.connect()
    return pair


def established(end: End) -> Established:
    """Give the state of an end that must be established."""
    assert isinstance(end.session.state, Established)
    return end.session.state


def only(end: End) -> ChildSa:
    """Give the one Child SA that lives."""
    (child,) = (one.sa for one in established(end).children if one.phase is Phase.LIVE)
    return child


def rest_in_one_pair(pair: Pair) -> None:
    """Let everything settle, and insist on one IKE SA and one Child SA at both ends, with the same keys."""
    pair.run(130)
    pair.assert_one_pair()
    client, gateway = established(pair.client), established(pair.gateway)
    assert client.ike.keys == gateway.ike.keys
    assert (client.ike.spi_i, client.ike.spi_r) == (gateway.ike.spi_i, gateway.ike.spi_r)
    assert client.others == gateway.others == ()
