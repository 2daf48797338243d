"""Fresh keys while packets flow: no side's rekey loses one of them."""

from dataclasses import replace

import pytest

from ike.proposal import IKE_COMPATIBLE
from ike.window import Schedule
from tests.interop.client import BRISK
from tests.interop.hospital import Hospital
from tests.lab import road
from tests.lab.strongswan_conf import GATEWAY_SIDE, Charon

pytestmark = pytest.mark.lab

SOON = {"child": replace(BRISK, child_rekey=0.7, busy=0.3), "ike": replace(BRISK, ike_rekey=0.7, busy=0.3)}


def test_our_child_rekeys_lose_no_packet(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, child_rekey=0.3)))
    row = client.row()
    client.wait_rekeyed("child", 5)
    assert row.lost() == 0
    assert client.pings()
    assert hospital.gateway.established() == 1


def test_the_gateways_child_rekeys_lose_no_packet(hospital: Hospital) -> None:
    client = hospital.connect()
    row = client.row()
    for number in range(1, 6):
        hospital.gateway.rekey_child()
        client.wait_rekeyed("child", number)
    assert row.lost() == 0
    assert client.pings()
    hospital.wait_same(client)


def test_our_ike_rekeys_lose_no_packet(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, ike_rekey=0.3)))
    row = client.row()
    client.wait_rekeyed("ike", 5)
    assert row.lost() == 0
    assert client.pings()


def test_the_gateways_ike_rekeys_lose_no_packet(hospital: Hospital) -> None:
    client = hospital.connect()
    row = client.row()
    for number in range(1, 6):
        hospital.gateway.rekey_ike()
        client.wait_rekeyed("ike", number)
    assert row.lost() == 0
    assert client.pings()
    hospital.wait_same(client)


def test_rekeys_of_both_ends_at_any_moment_lose_no_packet_and_leave_one_child(hospital: Hospital) -> None:
    client = hospital.connect(
        hospital.timed(replace(BRISK, child_rekey=0.31, ike_rekey=0.47, busy=0.05, keep_old_inbound=0.1))
    )
    row = client.row()
    for _ in range(10):
        hospital.gateway.rekey_child()
        hospital.gateway.rekey_ike()
    client.wait_rekeyed("child", 10)
    client.wait_rekeyed("ike", 10)
    assert row.lost() == 0
    assert client.pings()
    hospital.wait_same(client)


@pytest.mark.parametrize("suite", ["aes256gcm16-prfsha256-x25519", "aes256-sha256-modp2048", "aes128-sha512-ecp256"])
def test_both_ends_can_rekey_both_sas_of_other_suites(hospital: Hospital, suite: str) -> None:
    esp = f"aes128gcm16-{suite.rpartition('-')[2]}"
    hospital.serve(replace(GATEWAY_SIDE, ike_proposals=suite, esp_proposals=esp))
    timers = replace(BRISK, ike_rekey=0.4, child_rekey=0.6, keep_old_inbound=0.1)
    client = hospital.connect(replace(hospital.timed(timers), ike_proposals=IKE_COMPATIBLE))
    client.wait_rekeyed("ike")
    client.wait_rekeyed("child")
    hospital.gateway.rekey_ike()
    hospital.gateway.rekey_child()
    client.wait_rekeyed("ike", 2)
    client.wait_rekeyed("child", 2)
    hospital.wait_for_log("generating CREATE_CHILD_SA response", 2)  # ours
    hospital.wait_for_log("parsed CREATE_CHILD_SA response", 2)
    assert "N(NO_PROP)" not in hospital.log()
    assert client.pings()
    hospital.wait_same(client)


@pytest.mark.parametrize("theirs", ["child", "ike"])
@pytest.mark.parametrize("ours", ["child", "ike"])
def test_rekeys_that_cross_on_the_road_leave_one_pair(hospital: Hospital, ours: str, theirs: str) -> None:
    hospital.serve(charon=Charon(retransmit_timeout=0.3))
    client = hospital.connect(hospital.timed(SOON[ours]))
    road.drop_answers(hospital.town)
    {"child": hospital.gateway.rekey_child, "ike": hospital.gateway.rekey_ike}[theirs]()
    hospital.wait_for_log("parsed CREATE_CHILD_SA request")
    road.heal(hospital.town)
    client.wait_rekeyed(ours)
    client.wait_rekeyed(theirs)
    assert client.pings()
    hospital.wait_same(client)


def test_rekeys_of_both_ends_come_to_an_end_while_three_of_ten_packets_are_lost(hospital: Hospital) -> None:
    hospital.serve(charon=Charon(retransmit_timeout=0.2, retransmit_tries=60, more="retransmit_base = 1.0"))
    timers = replace(BRISK, child_rekey=0.9, ike_rekey=1.3, busy=0.1, schedule=Schedule(first=0.1, cap=0.4, tries=30))
    client = hospital.connect(hospital.timed(timers))
    road.lose(hospital.town, 30)
    for number in range(1, 4):
        hospital.gateway.rekey_child()
        hospital.gateway.rekey_ike()
        client.wait_rekeyed("child", 2 * number, 40)
        client.wait_rekeyed("ike", 2 * number, 40)
    road.heal(hospital.town)
    assert client.pings()
    hospital.wait_same(client)


def test_a_gateway_that_wants_no_key_exchange_in_rekeys_is_refused_without_harm(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, esp_proposals="aes256gcm16"))
    client = hospital.connect(hospital.timed(replace(BRISK, child_rekey=0.3, overdue=2.0)))
    client.wait(lambda: "rekey.refused" in client.notes(), "the refusal")
    assert client.pings()
    assert client.end() == "limit.reached"
    hospital.wait_empty()


def test_a_rekey_without_a_key_exchange_is_made_where_the_policy_allows_it(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, esp_proposals="aes256gcm16"))
    terms = replace(hospital.timed(replace(BRISK, child_rekey=1.0)), rekey_pfs=False)
    client = hospital.connect(terms)
    client.wait_rekeyed("child")
    hospital.gateway.rekey_child()
    client.wait_rekeyed("child", 2)
    assert client.pings()
    hospital.wait_same(client)


def test_a_rekey_with_another_group_than_the_ike_sas_is_answered(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, esp_proposals="aes256gcm16-ecp256"))
    client = hospital.connect()
    hospital.gateway.rekey_child()
    client.wait_rekeyed("child")
    assert client.pings()
    hospital.wait_same(client)


def test_what_was_rekeyed_is_deleted_by_the_one_who_closes(hospital: Hospital) -> None:
    client = hospital.connect()
    hospital.gateway.rekey_ike()
    hospital.gateway.rekey_child()
    client.wait_rekeyed("ike")
    client.wait_rekeyed("child")
    assert client.pings()
    client.close()
    assert client.end() is None
    hospital.wait_empty()
