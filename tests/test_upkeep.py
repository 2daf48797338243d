"""INFORMATIONAL at the edges: deletions that cross, unknown critical payloads, refusals after the fact."""

from ike.effects import Close, Down, RekeyChild, RekeyIke, UseChild
from ike.payloads import Delete, Notify, Unknown
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.state import Established, Phase
from tests.pair import Pair, client_config, gateway_config, is_over, unhurried


def connected() -> Pair:
    pair = Pair(client=unhurried(client_config()), gateway=unhurried(gateway_config()))
    pair.connect()
    return pair


def test_an_unknown_critical_payload_is_named_in_the_answer_and_nothing_else_is_done() -> None:
    # RFC 7296 §2.5
    pair = connected()
    words = (Unknown(200, True, b"?"), Delete(ProtocolId.IKE))
    assert pair.gateway_asks(words) == (Notify(NotifyType.UNSUPPORTED_CRITICAL_PAYLOAD, b"\xc8"),)
    pair.assert_one_pair()


def test_an_unknown_payload_that_is_not_critical_is_passed_over() -> None:
    pair = connected()
    assert pair.gateway_asks((Unknown(200, False, b"?"),)) == ()


def test_an_authenticated_request_that_is_malformed_is_answered_with_invalid_syntax() -> None:
    # RFC 7296 §2.21.3; a CREATE_CHILD_SA without its payloads
    pair = connected()
    rekey = Notify(NotifyType.REKEY_SA, b"", ProtocolId.ESP, next(iter(pair.gateway.installed)).to_bytes(4))
    assert pair.gateway_asks((rekey,), ExchangeType.CREATE_CHILD_SA) == (Notify(NotifyType.INVALID_SYNTAX),)
    pair.assert_one_pair()


def test_an_answer_that_makes_no_sense_ends_the_session() -> None:
    pair = connected()
    pair.gateway_answers(())
    pair.feed(pair.client, RekeyChild())
    pair.run(5)
    assert pair.client.failure == "peer.malformed"
    assert pair.client.installed == {}
    assert is_over(pair.gateway)


def test_deletions_of_the_same_child_that_cross_leave_the_new_pair() -> None:
    # both ends delete the old Child SA at once: neither names it in its answer (RFC 7296 §1.4.1)
    pair = connected()
    pair.feed(pair.client, RekeyChild())
    pair.run(0.031)  # the client has its successor, its deletion is on the way
    state = pair.client.session.state
    assert isinstance(state, Established)
    (old,) = (child.sa for child in state.children if child.phase is Phase.DOOMED)
    assert pair.gateway_asks((Delete(ProtocolId.ESP, (old.spi_out.to_bytes(4),)),)) == ()
    pair.run(8)
    assert len(pair.client.installed) == 1
    assert pair.client.sending is not None


def test_a_gateway_that_does_not_believe_us_after_all_ends_the_session() -> None:
    pair = connected()
    assert pair.gateway_asks((Notify(NotifyType.AUTHENTICATION_FAILED),)) == ()
    assert pair.client.failure == "auth.rejected"
    assert pair.client.installed == {}


def test_a_deleted_ike_sa_ends_the_session_and_the_answer_goes_out_before() -> None:
    pair = connected()
    assert pair.gateway_asks((Delete(ProtocolId.IKE),)) == ()
    assert (pair.client.failure, pair.client.of(Down)[0].by) == ("peer.closed", "peer")


def test_a_repeated_request_gets_the_same_answer_byte_for_byte() -> None:
    pair = connected()
    pair.run(0.5)
    pair.feed(pair.gateway, RekeyChild())
    request = pair.gateway.wire_out[-1]
    pair.run(0.016)
    answer = pair.client.wire_out[-1]
    for _ in range(3):
        pair.inject(request, delay=0, port=4500)
        pair.run(0.001)
        assert pair.client.wire_out[-1] == answer
    pair.run(8)
    pair.assert_one_pair()
    assert len(pair.client.of(UseChild)) == 1


def test_a_closing_client_begins_nothing_new() -> None:
    pair = connected()
    pair.run(0.5)
    pair.path.loss = 1.0
    pair.feed(pair.client, Close())
    pair.path.loss = 0.0
    for event in (RekeyChild(), RekeyIke()):
        pair.feed(pair.gateway, event)
    pair.run(0.02)
    assert pair.client.installed == {}
    pair.run(10)
    assert pair.client.of(Down) == [Down(None, "us")]
    assert is_over(pair.gateway)
