"""Stored networks: what anybody could pretend to be must not be joined without being asked for."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.autojoin import AutoJoin
from agent.posture.facts import Facts, Grade, Observed, Saved, SavedNetwork, Security, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import HIDDEN_CATEGORIES, Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
KEY = b"k" * 32
CHECK = AutoJoin(HELP, KEY)


def judged(*networks: SavedNetwork) -> Finding:
    return CHECK.judge(Facts(saved=Observed(Saved(networks), Grade.ROOT, "NetworkManager", 1.0)))


def test_an_open_network_that_is_joined_by_itself_is_named_with_where_to_switch_it_off():
    finding = judged(SavedNetwork(b"CafeFree", Security.OPEN, True), SavedNetwork(b"Home", Security.SAE, True))
    assert (finding.outcome, finding.who) == (Outcome.FAIL, Who.YOU)
    assert finding.seen.en == (
        "This computer joins 'CafeFree' by itself, and anybody could set up a Wi-Fi of that name."
    )
    assert "choose Wi-Fi and then 'CafeFree', and switch off 'Connect automatically'" in finding.remedy.en
    assert "設定の「Wi-Fi」で「CafeFree」を開き、「自動的に接続」をオフにする" in finding.remedy.ja
    assert finding.evidence.networks == (NetworkSeen(NetworkKind.OPEN, network_digest(KEY, b"CafeFree")),)


@pytest.mark.parametrize(
    ("security", "outcome"),
    [
        (Security.OPEN, Outcome.FAIL),
        (Security.OWE, Outcome.FAIL),
        (Security.WEP, Outcome.FAIL),
        (Security.WPA_TKIP, Outcome.PASS),
        (Security.WPA2_PSK, Outcome.PASS),
        (Security.SAE, Outcome.PASS),
        (Security.ENTERPRISE, Outcome.PASS),
        (Security.UNKNOWN, Outcome.PASS),
    ],
)
def test_only_what_anybody_could_pretend_to_be_fails(security: Security, outcome: Outcome):
    assert judged(SavedNetwork(b"x", security, True)).outcome is outcome
    assert judged(SavedNetwork(b"x", security, False)).outcome is Outcome.PASS


def test_many_networks_are_named_in_part_and_counted():
    finding = judged(*(SavedNetwork(bytes([65 + number]), Security.OPEN, True) for number in range(20)))
    assert "'A', 'B', 'C' and 17 more" in finding.seen.en
    assert (len(finding.evidence.networks), finding.evidence.more) == (16, 4)


def test_what_could_not_be_seen_is_unknown():
    finding = CHECK.judge(Facts(saved=Unseen("NetworkManager could not be asked: it is not running", 1.0)))
    assert finding.outcome is Outcome.UNKNOWN
    assert "it is not running" in finding.seen.en


@given(st.binary(max_size=32))
def test_a_name_of_any_bytes_stays_harmless_and_out_of_the_events(ssid: bytes):
    finding = judged(SavedNetwork(ssid, Security.OPEN, True))
    for said in (finding.sentence.en, finding.sentence.ja):
        assert not {unicodedata.category(character) for character in said} & HIDDEN_CATEGORIES
    assert network_digest(KEY, ssid) in events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
