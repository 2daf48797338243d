"""CREATE_CHILD_SA at the edges: what is refused, and with which words."""

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from ike.association import child_offer
from ike.crypto import generate
from ike.effects import InstallChild, RekeyChild
from ike.payloads import KeyExchange, Nonce, Notify, Payload, SecurityAssociation, TsInitiator, TsResponder
from ike.proposal import Proposal, parse
from ike.registry import ExchangeType, Group, NotifyType, ProtocolId
from ike.selectors import Selector
from ike.state import Established, RekeyingChild
from tests.pair import ADDRESS, HOSPITAL, Pair, client_config, gateway_config, is_over, unhurried

SPI = 0x01020304
CLIENT_SIDE = (Selector.from_network(IPv4Network(ADDRESS)),)
ELSEWHERE = (Selector.from_network(IPv4Network("172.16.0.0/12")),)
WIDER = (Selector.from_network(IPv4Network("10.0.0.0/8")),)


def connected() -> Pair:
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.connect()
    return pair


def asked(
    pair: Pair, changes: dict[str, Payload | None] | None = None, replaces: bytes | None = None
) -> tuple[Payload, ...]:
    """Have the gateway ask for the successor of its Child SA, with some payloads changed or left out."""
    state = pair.gateway.session.state
    assert isinstance(state, Established)
    old = next(iter(pair.gateway.installed)).to_bytes(4) if replaces is None else replaces
    words: dict[str, Payload | None] = {
        "rekey": Notify(NotifyType.REKEY_SA, b"", ProtocolId.ESP, old),
        "sa": child_offer(state.terms, state.ike, SPI, (Group.ECP_384,)),
        "nonce": Nonce(bytes(32)),
        "ke": KeyExchange(Group.ECP_384, generate(Group.ECP_384, pair.dice).public),
        "tsi": TsInitiator(HOSPITAL),
        "tsr": TsResponder(CLIENT_SIDE),
    }
    said = tuple(word for word in (words | (changes or {})).values() if word is not None)
    return pair.gateway_asks(said, ExchangeType.CREATE_CHILD_SA)


def test_a_good_request_is_answered_with_one_proposal_nonce_key_and_selectors() -> None:
    kinds = [type(payload) for payload in asked(connected())]
    assert kinds == [SecurityAssociation, Nonce, KeyExchange, TsInitiator, TsResponder]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rekey": None}, Notify(NotifyType.NO_ADDITIONAL_SAS)),
        ({"tsi": TsInitiator(ELSEWHERE)}, Notify(NotifyType.TS_UNACCEPTABLE)),
        ({"tsr": TsResponder(ELSEWHERE)}, Notify(NotifyType.TS_UNACCEPTABLE)),
        ({"ke": None}, Notify(NotifyType.INVALID_KE_PAYLOAD, b"\0\x14")),
        ({"ke": KeyExchange(Group.CURVE25519, bytes(32))}, Notify(NotifyType.INVALID_KE_PAYLOAD, b"\0\x14")),
        ({"ke": KeyExchange(Group.ECP_384, bytes(96))}, Notify(NotifyType.INVALID_SYNTAX)),
        ({"ke": KeyExchange(Group.ECP_384, b"")}, Notify(NotifyType.INVALID_SYNTAX)),
        ({"nonce": None}, Notify(NotifyType.INVALID_SYNTAX)),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_the_rfcs_words(
    changes: dict[str, Payload | None], words: Notify
) -> None:
    pair = connected()
    assert asked(pair, changes) == (words,)
    assert len(pair.client.of(InstallChild)) == 1
    pair.assert_one_pair()


def test_the_successor_of_an_unknown_child_is_refused_by_its_name() -> None:
    reply = asked(connected(), replaces=b"\1\2\3\4")
    assert reply == (Notify(NotifyType.CHILD_SA_NOT_FOUND, b"", ProtocolId.ESP, b"\1\2\3\4"),)


def test_a_child_that_is_being_deleted_has_no_successor_for_now() -> None:
    pair = connected()
    old = next(iter(pair.gateway.installed)).to_bytes(4)
    pair.feed(pair.client, RekeyChild())
    pair.run(0.031)
    assert asked(pair, replaces=old) == (Notify(NotifyType.TEMPORARY_FAILURE),)


def test_selectors_wider_than_before_are_narrowed_to_what_was() -> None:
    pair = connected()
    reply = asked(pair, {"tsi": TsInitiator(WIDER)})
    assert reply[3] == TsInitiator(HOSPITAL)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sa": "chacha20poly1305"}, "proposal.none"),
        ({"sa": "aes128gcm16-ecp256"}, "proposal.none"),
        ({"tsi": TsInitiator(WIDER)}, "ts.unacceptable"),
        ({"tsr": TsResponder(WIDER)}, "ts.unacceptable"),
        ({"ke": None}, "peer.malformed"),
        ({"ke": KeyExchange(Group.CURVE25519, bytes(32))}, "peer.malformed"),
        ({"ke": KeyExchange(Group.ECP_384, bytes(96))}, "peer.malformed"),
        ({"nonce": None}, "peer.malformed"),
    ],
)
def test_an_answer_beyond_what_was_offered_installs_nothing_and_ends_the_session(
    changes: dict[str, Payload | str | None], code: str
) -> None:
    pair = connected()
    words: dict[str, Payload | str | None] = {
        "sa": "aes256gcm16-ecp384",
        "nonce": Nonce(bytes(32)),
        "ke": KeyExchange(Group.ECP_384, generate(Group.ECP_384, pair.dice).public),
        "tsi": TsInitiator(CLIENT_SIDE),
        "tsr": TsResponder(HOSPITAL),
    }
    said = [_chosen(word) if isinstance(word, str) else word for word in (words | changes).values()]
    pair.gateway_answers(tuple(word for word in said if word is not None))
    pair.feed(pair.client, RekeyChild())
    pair.run(5)
    assert pair.client.failure == code
    assert len(pair.client.of(InstallChild)) == 1
    assert pair.client.installed == {}
    assert is_over(pair.gateway)


def test_what_is_under_way_is_remembered_without_its_secrets() -> None:
    pair = connected()
    pair.feed(pair.client, RekeyChild())
    state = pair.client.session.state
    assert isinstance(state, Established)
    task = state.ike.task
    assert isinstance(task, RekeyingChild)
    assert repr(task.nonce) not in repr(state)
    assert "agreement" not in repr(task)


def _chosen(suite: str) -> SecurityAssociation:
    proposal: Proposal = parse(suite, ProtocolId.ESP)
    return SecurityAssociation((replace(proposal, spi=b"\1\2\3\4"),))
