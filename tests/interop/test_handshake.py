"""Connecting over bad roads and with unusual papers: detours, certificates of every kind, fragments, loss."""

import re
from dataclasses import replace

import pytest

from ike.crypto import distinguished_name
from ike.identity import Identity
from ike.window import Schedule
from tests.certificates import Authority
from tests.interop.client import BRISK, config_of
from tests.interop.hospital import NO_4500, Hospital
from tests.lab import road
from tests.lab.namespaces import GATEWAY, LAPTOP, ROUTER_WAN, hotel_nat
from tests.lab.pki import DEVICE_NAME, GATEWAY_NAME, Papers
from tests.lab.strongswan_conf import CHARON, GATEWAY_SIDE, Charon

pytestmark = pytest.mark.lab

LONG = "x" * 30


@pytest.mark.parametrize("group", ["ecp256", "x25519"])
def test_a_gateway_that_wants_another_group_gets_it(hospital: Hospital, group: str) -> None:
    hospital.serve(replace(GATEWAY_SIDE, ike_proposals=f"aes256gcm16-prfsha256-{group}"))
    hospital.connect()
    assert "N(INVAL_KE)" in hospital.log()


def test_a_gateway_that_demands_a_cookie_gets_it(hospital: Hospital) -> None:
    hospital.serve(charon=Charon(cookie_threshold=1))
    road.drop_answers(hospital.town)
    assert hospital.client(hospital.timed(replace(BRISK, attempt=0.1))).end() == "gateway.unreachable"
    hospital.gateway.wait_half_open()
    road.heal(hospital.town)
    hospital.connect()
    assert "N(COOKIE)" in hospital.log()


def test_a_cookie_and_another_group_are_both_followed(hospital: Hospital) -> None:
    wishes = replace(GATEWAY_SIDE, ike_proposals="aes256gcm16-prfsha256-x25519")
    hospital.serve(wishes, charon=Charon(cookie_threshold=1))
    road.drop_answers(hospital.town)
    first = replace(hospital.config, ike_proposals=hospital.config.ike_proposals[1:])
    assert hospital.client(replace(first, timers=replace(BRISK, attempt=0.1))).end() == "gateway.unreachable"
    hospital.gateway.wait_half_open()
    road.heal(hospital.town)
    hospital.connect()
    assert {"N(COOKIE)", "N(INVAL_KE)"} <= set(re.findall(r"N\(\w+\)", hospital.log()))


def test_an_attempt_whose_proof_gets_no_answer_begins_afresh_and_connects(hospital: Hospital) -> None:
    hospital.town.router.nft(NO_4500)
    client = hospital.client(hospital.timed(replace(BRISK, auth_tries=2)))
    client.wait(lambda: "attempt.again" in client.notes(), "a fresh attempt")
    road.heal(hospital.town)
    client.connect()
    assert client.pings()


def test_without_any_nat_packets_still_go_in_udp(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, more="encap = no"))
    hospital.town.router.nft("delete table ip nat\n")
    hospital.town.gateway.ip(f"route replace {LAPTOP} via {ROUTER_WAN}")
    try:
        hospital.connect()
        assert f"@ {LAPTOP}[" in hospital.gateway.sas()
        assert "TUNNEL-in-UDP" in hospital.gateway.sas()
    finally:
        hospital.town.gateway.ip(f"route del {LAPTOP} via {ROUTER_WAN}")
        hospital.town.router.nft(hotel_nat())


@pytest.mark.parametrize("key", ["rsa-2048", "rsa-3072", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"])
def test_a_gateway_may_hold_a_key_of_any_kind(hospital: Hospital, key: str) -> None:
    hospital.serve(own=hospital.papers.authority.issue(GATEWAY_NAME, key=key), charon=PSS)
    hospital.connect()


def test_a_gateway_may_sign_with_the_older_rsa_padding(hospital: Hospital) -> None:
    hospital.serve(own=hospital.papers.authority.issue(GATEWAY_NAME, key="rsa-2048"))
    hospital.connect()
    assert re.search(r"authentication of 'gw.hospital.test' \(myself\) with RSA_EMSA_PKCS1", hospital.log())


@pytest.mark.parametrize("key", ["rsa-2048", "rsa-3072", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "ed25519"])
def test_we_may_hold_a_key_of_any_kind(hospital: Hospital, key: str) -> None:
    hospital.connect(device=hospital.papers.authority.issue(DEVICE_NAME, key=key, eku=("clientAuth",)))
    assert f"with {SIGNED_BY[key]}" in hospital.log()


def test_chains_of_4_kb_cross_a_road_of_1280_bytes_that_drops_ip_fragments_both_ways(hospital: Hospital) -> None:
    root = Authority.create("Root", "rsa-2048")
    issuing = root
    for number in range(4):
        issuing = issuing.intermediate(f"Issuing {number} {LONG}", "rsa-2048")
    own, device = (issuing.issue(name, key="rsa-2048") for name in (GATEWAY_NAME, DEVICE_NAME))
    papers = Papers(root, own, device)
    assert min(len(b"".join((issued.der, *issued.chain))) for issued in (own, device)) >= 4000
    road.narrow(hospital.town, 1280)
    road.drop_fragments(hospital.town)
    road.hide_path_mtu(hospital.town)
    hospital.serve(own=own, trusting=root)
    hospital.connect(config_of(papers), device)
    _assert_complete(re.findall(r"parsed IKE_AUTH request 1 \[ EF\((\d)/(\d)\) ]", hospital.log()))
    _assert_complete(re.findall(r"generating IKE_AUTH response 1 \[ EF\((\d)/(\d)\) ]", hospital.log()))


def test_a_gateway_without_fragmentation_is_reached_over_a_wide_road(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, fragmentation="no"))
    hospital.connect()
    assert "EF(" not in hospital.log()


def test_ten_of_ten_connect_while_a_fifth_of_all_packets_is_lost_both_ways(hospital: Hospital) -> None:
    patient = replace(BRISK, schedule=Schedule(first=0.1, cap=0.4, tries=40), auth_tries=12)
    for _ in range(10):
        road.lose(hospital.town, 20)
        client = hospital.client(hospital.timed(patient))
        client.connect(40)
        road.heal(hospital.town)
        assert client.pings()
        client.close()
        hospital.wait_empty()


def test_a_tunnel_still_connects_when_the_first_answers_are_lost(hospital: Hospital) -> None:
    road.drop_answers(hospital.town)
    client = hospital.client()
    hospital.wait_for_log("generating IKE_SA_INIT response")
    road.heal(hospital.town)
    client.connect()
    assert client.pings()
    hospital.wait_same(client)


NAMES = {
    "fqdn": Identity.fqdn(GATEWAY_NAME),
    "address": Identity.address(GATEWAY),
    "email": Identity.email("vpn@hospital.test"),
    "DN": distinguished_name(f"CN={GATEWAY_NAME}"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_gateway_may_be_named_in_any_way(hospital: Hospital, kind: str) -> None:
    named = (GATEWAY_NAME, GATEWAY, "vpn@hospital.test")
    own = hospital.papers.authority.issue(*named, subject=GATEWAY_NAME)
    written = f'"CN={GATEWAY_NAME}"' if kind == "DN" else NAMES[kind].describe()
    hospital.serve(replace(GATEWAY_SIDE, identity=written), own=own)
    hospital.connect(replace(hospital.config, remote_identity=NAMES[kind]))


@pytest.mark.parametrize("kind", ["email", "DN"])
def test_we_may_be_named_in_any_way(hospital: Hospital, kind: str) -> None:
    device = hospital.papers.authority.issue("laptop@hospital.test", eku=("clientAuth",), subject=DEVICE_NAME)
    name = Identity.email("laptop@hospital.test") if kind == "email" else distinguished_name(f"CN={DEVICE_NAME}")
    hospital.connect(replace(config_of(hospital.papers, device), local_identity=name), device)
    assert f"remote '{name.describe()}'" in hospital.gateway.sas()


def _assert_complete(fragments: list[tuple[str, str]]) -> None:
    """Insist that every fragment of one message was seen, and that there were at least four."""
    total = int(fragments[0][1])
    assert total >= 4
    assert set(fragments) == {(str(number), str(total)) for number in range(1, total + 1)}


# Fixed by strongSwan: how it calls our signatures in its log
SIGNED_BY = {
    "rsa-2048": "RSA_EMSA_PSS",
    "rsa-3072": "RSA_EMSA_PSS",
    "ecdsa-p256": "ECDSA_WITH_SHA256",
    "ecdsa-p384": "ECDSA_WITH_SHA384",
    "ecdsa-p521": "ECDSA_WITH_SHA512",
    "ed25519": "ED25519",
}
PSS = replace(CHARON, more="rsa_pss = yes")
