"""IKE_SA_INIT and IKE_AUTH from the first datagram to the first Child SA."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, ip_address

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from ike.crypto import sha1
from ike.effects import Close, Configure, Down, InstallChild, Note, Sign, SignRefused, Tick, Transmit, Up
from ike.grammar import one
from ike.message import Message, decode, decode_header
from ike.payloads import KeyExchange, Notify, SecurityAssociation
from ike.proposal import IKE_COMPATIBLE, parse
from ike.registry import ExchangeType, Group, NotifyType, PayloadType, ProtocolId
from ike.state import AuthSent, AuthSigning, Closed, InitSent
from tests.certificates import Authority
from tests.pair import ADDRESS, HOSPITAL, Pair, client_config, forging, gateway_config, is_over, key_of, papers


def test_two_round_trips_make_one_pair_with_the_same_keys():
    # HDR, SAi1, KEi, Ni -->  <-- HDR, SAr1, KEr, Nr, [CERTREQ]
    # HDR, SK {IDi, CERT, CERTREQ, IDr, AUTH, CP, SAi2, TSi, TSr} -->  <-- HDR, SK {IDr, CERT, AUTH, CP, SAr2, TSi, TSr}
    pair = Pair()
    pair.connect()
    pair.assert_one_pair()
    assert len(pair.client.of(Transmit)) == len(pair.gateway.of(Transmit)) == 2


def test_the_first_message_goes_bare_to_port_500_and_the_next_to_4500():
    pair = Pair()
    pair.connect()
    assert [effect.to.port for effect in pair.client.of(Transmit)] == [500, 4500]


def test_the_client_learns_address_name_servers_and_networks():
    pair = Pair()
    pair.connect()
    configured = Configure((IPv4Interface(ADDRESS),), (IPv4Address("10.50.0.53"),), HOSPITAL)
    assert pair.client.of(Configure) == [configured]


def test_the_summary_says_in_words_what_was_agreed():
    pair = Pair()
    pair.connect()
    (up,) = pair.client.of(Up)
    assert (up.summary.ike_suite, up.summary.esp_suite) == ("aes256gcm16-prfsha384-ecp384", "aes256gcm16")
    assert (up.summary.local_identity, up.summary.remote_identity) == ("laptop.hospital.test", "gw.hospital.test")
    assert up.summary.remote_certificate == papers().gateway.certificate.fingerprint(SHA256()).hex()
    assert 60 < up.summary.handshake_ms < 65


def test_the_source_hash_is_false_and_the_destination_hash_true_so_that_esp_is_always_wrapped():
    pair = Pair()
    request = decode(pair.client.wire_out[0])
    hashes = {one.kind: one.data for one in request.payloads if isinstance(one, Notify)}
    spis = request.header.spi_i + request.header.spi_r
    ours = sha1(spis + ip_address("198.51.100.2").packed + (40500).to_bytes(2))
    theirs = sha1(spis + ip_address("198.51.100.1").packed + (500).to_bytes(2))
    assert hashes[NotifyType.NAT_DETECTION_SOURCE_IP] != ours
    assert hashes[NotifyType.NAT_DETECTION_DESTINATION_IP] == theirs


def test_a_cookie_is_echoed_in_front_of_an_unchanged_request():
    pair = Pair(gateway=replace(gateway_config(), cookie_secret=bytes(32)))
    pair.connect()
    # HDR(A,0), SAi1, KEi, Ni -->  <-- HDR(A,0), N(COOKIE)
    # HDR(A,0), N(COOKIE), SAi1, KEi, Ni -->
    first, second = (decode(datagram) for datagram in pair.client.wire_out[:2])
    cookie, *rest = second.payloads
    assert isinstance(cookie, Notify)
    assert cookie.kind == NotifyType.COOKIE
    assert tuple(rest) == first.payloads
    assert second.header == first.header
    pair.assert_one_pair()


@pytest.mark.parametrize("size", [0, 65, 1000])
def test_a_cookie_of_an_impossible_size_is_not_echoed(size: int):
    pair = Pair(on_wire=forging(lambda: (Notify(NotifyType.COOKIE, bytes(size)),), times=1))
    pair.run(0.2)
    assert len(pair.client.wire_out) == 1
    pair.connect()


def test_endless_cookies_do_not_make_an_endless_client():
    grains = iter(range(1000))
    pair = Pair(on_wire=forging(lambda: (Notify(NotifyType.COOKIE, next(grains).to_bytes(4)),), times=1000))
    pair.run(90)
    assert pair.client.failure == "gateway.unreachable"
    assert len(pair.client.wire_out) < 20


def test_another_group_is_used_when_the_gateway_wants_one_of_those_offered():
    x25519 = (parse("aes256gcm16-prfsha256-x25519"),)
    pair = Pair(gateway=replace(gateway_config(), ike_proposals=x25519))
    pair.connect()
    # HDR, SAi1, KEi(P-384) -->  <-- HDR, N(INVALID_KE_PAYLOAD x25519);  HDR, SAi1, KEi(x25519) -->
    first, second = (decode(datagram) for datagram in pair.client.wire_out[:2])
    assert [_group(first), _group(second)] == [Group.ECP_384, Group.CURVE25519]
    assert one(first.payloads, SecurityAssociation) == one(second.payloads, SecurityAssociation)
    assert pair.client.of(Up)[0].summary.ike_suite == "aes256gcm16-prfsha256-x25519"


@pytest.mark.parametrize("wish", [b"", b"\0", (2).to_bytes(2), (65535).to_bytes(2), bytes(70)])
def test_a_group_that_was_not_offered_is_never_used(wish: bytes):
    pair = Pair(on_wire=forging(lambda: (Notify(NotifyType.INVALID_KE_PAYLOAD, wish),), times=1))
    pair.connect()
    assert {_group(message) for message in _inits(pair)} == {Group.ECP_384}


@pytest.mark.parametrize("suite", ["aes256-sha256-modp2048", "aes128-sha384-ecp256", "aes256-sha512-modp3072"])
def test_a_compatible_gateway_with_cbc_and_finite_fields_connects(suite: str):
    client = replace(client_config(), ike_proposals=IKE_COMPATIBLE)
    pair = Pair(client=client, gateway=replace(gateway_config(), ike_proposals=(parse(suite),)))
    pair.connect()
    pair.assert_one_pair()
    assert pair.client.of(Up)[0].summary.ike_suite == suite


WEAK = (parse("aes128-sha256-ecp256"),)


def test_packets_get_no_stronger_cipher_than_the_ike_sa():
    pair = Pair(
        client=replace(client_config(), ike_proposals=WEAK), gateway=replace(gateway_config(), ike_proposals=WEAK)
    )
    pair.connect()
    assert pair.client.of(Up)[0].summary.esp_suite == "aes128gcm16"


def test_strong_packet_ciphers_alone_end_the_attempt_over_a_weak_ike_sa():
    strong = (parse("aes256gcm16", ProtocolId.ESP),)
    client = replace(client_config(), ike_proposals=WEAK, esp_proposals=strong)
    pair = Pair(client=client, gateway=replace(gateway_config(), ike_proposals=WEAK))
    pair.run(5.0, lambda: is_over(pair.client))
    assert pair.client.failure == "proposal.none"
    pair.assert_nothing_installed()


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ecdsa-p521", "ed25519", "rsa-2048"])
def test_every_kind_of_key_proves_its_owner(kind: str):
    root = Authority.create("Other Root", kind)
    ours, theirs = root.issue("laptop.hospital.test", key=kind, eku=()), root.issue("gw.hospital.test", key=kind)
    anchors, keys = (root.der,), (key_of(ours), key_of(theirs))
    client = replace(client_config(), anchors=anchors, certificates=(ours.der,), schemes=keys[0].schemes())
    gateway = replace(gateway_config(), anchors=anchors, certificates=(theirs.der,), schemes=keys[1].schemes())
    pair = Pair(client=client, gateway=gateway, client_key=keys[0], gateway_key=keys[1])
    pair.connect()
    pair.assert_one_pair()


def test_long_chains_travel_in_fragments_both_ways():
    root = Authority.create("Deep Root")
    middle = root
    for level in range(5):
        middle = middle.intermediate(f"Department {level} of a Hospital with a Very Long Name Indeed")
    ours, theirs = middle.issue("laptop.hospital.test", eku=()), middle.issue("gw.hospital.test")
    keys, anchors = (key_of(ours), key_of(theirs)), (root.der,)
    client = replace(client_config(), anchors=anchors, certificates=(ours.der, *ours.chain), schemes=keys[0].schemes())
    gateway = replace(
        gateway_config(), anchors=anchors, certificates=(theirs.der, *theirs.chain), schemes=keys[1].schemes()
    )
    pair = Pair(client=client, gateway=gateway, client_key=keys[0], gateway_key=keys[1])
    pair.connect()
    pair.assert_one_pair()
    for end in (pair.client, pair.gateway):
        auth = [datagram for datagram in end.wire_out if decode_header(datagram).exchange == ExchangeType.IKE_AUTH]
        assert len(auth) > 2
        assert all(decode_header(datagram).next_payload == PayloadType.SKF for datagram in auth)
        assert all(len(datagram) <= 1232 for datagram in auth)


def test_a_peer_without_fragmentation_gets_one_long_datagram():
    announced, unknown = NotifyType.IKEV2_FRAGMENTATION_SUPPORTED.to_bytes(2), (40_000).to_bytes(2)

    def hide(pair: Pair, from_client: bool, datagram: bytes) -> list[bytes]:
        return [datagram if from_client else datagram.replace(announced, unknown, 1)]

    pair = Pair(client=replace(client_config(), fragment_size=300), on_wire=hide)
    pair.run(1, lambda: len(pair.client.wire_out) > 1)
    assert decode_header(pair.client.wire_out[1]).next_payload == PayloadType.SK
    assert len(pair.client.wire_out[1]) > 900


def test_the_signature_is_asked_for_once_and_a_wrong_ticket_is_ignored():
    pair = Pair()
    pair.run(1, lambda: isinstance(pair.client.session.state, AuthSigning))
    (sign,) = pair.client.of(Sign)
    pair.feed(pair.client, SignRefused(sign.ticket + 1, "nobody asked"))
    assert isinstance(pair.client.session.state, AuthSigning)
    pair.feed(pair.client, SignRefused(sign.ticket, "the card was pulled out"))
    assert isinstance(pair.client.session.state, Closed)
    assert pair.client.failure == "sign.refused"
    assert "card was pulled out" in str(pair.client.of(Down)[0].error)


def test_a_key_holder_that_never_answers_ends_the_attempt() -> None:
    pair = Pair()
    pair.run(1, lambda: isinstance(pair.client.session.state, AuthSigning))
    deadline = pair.client.session.deadline
    assert deadline is not None
    pair.boot = deadline.at
    pair.feed(pair.client, Tick())
    assert pair.client.failure == "sign.refused"


def test_a_reply_without_an_address_is_tolerated_and_noted():
    pair = Pair(client=replace(client_config(), want_address=False))
    pair.connect()
    assert pair.client.of(Configure) == [Configure((), (), HOSPITAL)]


def test_states_show_no_keys_nonces_or_messages():
    pair = Pair()
    init = repr(pair.client.session.state)
    pair.run(1, lambda: isinstance(pair.client.session.state, AuthSent))
    state = pair.client.session.state
    assert isinstance(state, AuthSent)
    shown = init + repr(state)
    secrets = (state.sa.keys.sk_d, state.sa.keys.sk_ei, state.opening.ni, state.opening.nr, state.opening.request)
    pair.connect()
    (installed,) = pair.client.of(InstallChild)
    shown += repr(pair.client.session) + repr(installed)
    for secret in (*secrets, installed.child.key_in, installed.child.key_out):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def test_silence_ends_as_unreachable_after_the_whole_schedule():
    pair = Pair()
    pair.path.loss = 1.0
    pair.run(120)
    assert isinstance(pair.client.session.state, Closed)
    assert pair.client.failure == "gateway.unreachable"
    assert len(pair.client.wire_out) == 12
    assert pair.client.session.deadline is None


def test_close_before_anything_was_agreed_just_ends():
    pair = Pair()
    assert isinstance(pair.client.session.state, InitSent)
    pair.feed(pair.client, Close())
    assert is_over(pair.client)
    assert pair.client.of(Down) == [Down(None, "us")]
    assert not pair.client.of(Note)


def _inits(pair: Pair) -> list[Message]:
    headers = [(decode_header(datagram), datagram) for datagram in pair.client.wire_out]
    return [decode(datagram) for header, datagram in headers if header.exchange == ExchangeType.IKE_SA_INIT]


def _group(message: Message) -> int:
    return one(message.payloads, KeyExchange).group
