"""Doubles of the network in use: what was or would be joined fails; a double in range, meshes and bands do not."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import NetworkKind, Outcome, network_digest
from agent.posture.checks.twin import Twin
from agent.posture.facts import (
    AccessPoint,
    Air,
    Facts,
    Grade,
    Links,
    Observed,
    Saved,
    SavedNetwork,
    Security,
    Unseen,
    Wireless,
)
from agent.posture.verdict import Finding
from agent.words import HIDDEN_CATEGORIES, Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
KEY = b"k" * 32
CHECK = Twin(HELP, KEY)
HERE, THERE = "02:00:00:00:00:01", "02:00:00:00:00:02"
PASSWORD_KIND = (Security.WPA_TKIP, Security.WPA2_PSK, Security.WPA2_WPA3_MIXED, Security.SAE)
ANYBODY_KIND = (Security.OPEN, Security.OWE, Security.WEP)


def facts(
    network: Wireless, in_range: tuple[AccessPoint, ...] = (), joined: tuple[AccessPoint, ...] = (), at: float = 1.0
) -> Facts:
    links = Observed(Links((network,)), Grade.ROOT, "NetworkManager", 1.0)
    return Facts(links=links, air=Observed(Air(in_range, joined), Grade.ROOT, "NetworkManager", at))


def using(security: Security, ssid: bytes = b"Home", negotiated: Security | None = None) -> Wireless:
    return Wireless("wlan0", ssid, HERE, security, negotiated=negotiated)


def beside(used: Security, other: Security, *stored: SavedNetwork) -> Finding:
    seen = facts(using(used), (AccessPoint(b"Home", HERE, used), AccessPoint(b"Home", THERE, other)))
    return CHECK.judge(replace(seen, saved=Observed(Saved(stored), Grade.ROOT, "NetworkManager", 1.0)))


def stored(security: Security, ssid: bytes = b"Home", *, by_itself: bool = True) -> SavedNetwork:
    return SavedNetwork(ssid, security, by_itself)


LESSER = [
    *((used, double) for used in (*PASSWORD_KIND, Security.ENTERPRISE) for double in ANYBODY_KIND),
    *((Security.ENTERPRISE, double) for double in PASSWORD_KIND),
]


@pytest.mark.parametrize(("used", "double"), LESSER)
def test_a_double_that_somebody_put_up_refuses_nobody_and_is_told(used: Security, double: Security):
    finding = beside(used, double, stored(used), stored(double, b"Cafe"), stored(double, by_itself=False))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ("in-range",))
    assert finding.seen == Words(
        "The Wi-Fi 'Home' has a double in range that is protected less well and could be a trap.",
        "Wi-Fi「Home」と同じ名前で保護の弱いネットワークが近くにあり、なりすましのおそれがあります。",
    )
    assert "do not choose the other by hand" in finding.remedy.en


@pytest.mark.parametrize(("used", "double"), LESSER)
def test_a_double_that_this_computer_would_join_by_itself_fails(used: Security, double: Security):
    finding = beside(used, double, stored(used), stored(double))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.FAIL, ("in-range",))
    assert finding.seen.en.endswith("and this computer would join it by itself.")
    assert "forget the saved network of this name" in finding.remedy.en


def test_stored_networks_that_could_not_be_read_make_no_double_a_refusal():
    seen = facts(using(Security.SAE), (AccessPoint(b"Home", THERE, Security.OPEN),))
    assert CHECK.judge(seen).outcome is Outcome.PASS


def test_of_two_networks_in_use_the_worse_one_is_told():
    home, guest = using(Security.SAE), Wireless("wlan1", b"Guest", HERE, Security.SAE)
    doubles = tuple(AccessPoint(name, THERE, Security.OPEN) for name in (b"Home", b"Guest"))
    links = Observed(Links((home, guest)), Grade.ROOT, "NetworkManager", 1.0)
    seen = replace(facts(home, doubles), links=links)
    assert CHECK.judge(seen).outcome is Outcome.PASS
    saved = Observed(Saved((stored(Security.OPEN, b"Guest"),)), Grade.ROOT, "NetworkManager", 1.0)
    finding = CHECK.judge(replace(seen, saved=saved))
    assert (finding.outcome, "'Guest'" in finding.seen.en) == (Outcome.FAIL, True)


@pytest.mark.parametrize("used", PASSWORD_KIND)
@pytest.mark.parametrize("other", [*PASSWORD_KIND, Security.ENTERPRISE, Security.UNKNOWN])
def test_the_bands_of_one_router_may_differ_in_age(used: Security, other: Security):
    assert beside(used, other).outcome is Outcome.PASS


def test_other_names_do_not_matter_and_nameless_networks_are_not_the_same():
    assert (
        CHECK.judge(facts(using(Security.SAE), (AccessPoint(b"Cafe", THERE, Security.OPEN),))).outcome is Outcome.PASS
    )
    hidden = facts(using(Security.SAE, b""), (AccessPoint(b"", THERE, Security.OPEN),))
    assert CHECK.judge(hidden).outcome is Outcome.PASS


def roamed(now: Security, before: Security, bssid: str = THERE) -> Finding:
    return CHECK.judge(facts(using(now), joined=(AccessPoint(b"Home", bssid, before),)))


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (Security.OPEN, Security.WPA2_PSK),
        (Security.WEP, Security.SAE),
        (Security.WPA2_PSK, Security.ENTERPRISE),
        (Security.SAE, Security.ENTERPRISE),
    ],
)
def test_a_roam_to_a_lesser_kind_fails(now: Security, before: Security):
    finding = roamed(now, before)
    assert (finding.outcome, finding.evidence.marks) == (Outcome.FAIL, ("got-weaker",))
    assert "restart the computer" in finding.remedy.en


@pytest.mark.parametrize(
    ("now", "before"),
    [(Security.WPA2_PSK, Security.SAE), (Security.SAE, Security.WPA2_PSK), (Security.ENTERPRISE, Security.WPA2_PSK)],
)
def test_a_roam_between_the_bands_of_a_router_or_upwards_is_normal(now: Security, before: Security):
    assert roamed(now, before).outcome is Outcome.PASS


def test_one_access_point_that_itself_got_weaker_fails():
    assert roamed(Security.WPA2_PSK, Security.SAE, HERE).outcome is Outcome.FAIL
    assert roamed(Security.WPA2_PSK, Security.WPA2_PSK, HERE).outcome is Outcome.PASS


def test_what_was_negotiated_counts_where_it_is_weaker():
    network = using(Security.ENTERPRISE, negotiated=Security.WPA2_PSK)
    joined = (AccessPoint(b"Home", THERE, Security.ENTERPRISE),)
    assert CHECK.judge(facts(network, joined=joined)).outcome is Outcome.FAIL


def test_an_older_card_on_a_mixed_access_point_is_normal():
    network = using(Security.WPA2_WPA3_MIXED, negotiated=Security.WPA2_PSK)
    joined = (AccessPoint(b"Home", HERE, Security.WPA2_WPA3_MIXED),)
    assert CHECK.judge(facts(network, joined, joined)).outcome is Outcome.PASS


def test_without_wifi_there_is_no_double_and_the_air_does_not_matter():
    links = Observed(Links((), wired=("eth0",)), Grade.ROOT, "NetworkManager", 1.0)
    for air in (Facts().air, facts(using(Security.SAE), (AccessPoint(b"Home", THERE, Security.OPEN),)).air):
        assert CHECK.judge(Facts(links=links, air=air)).outcome is Outcome.PASS


def test_air_or_links_that_could_not_be_seen_are_unknown():
    whole = facts(using(Security.SAE))
    assert CHECK.judge(Facts(links=whole.links, air=Unseen("no answer", 1.0))).outcome is Outcome.UNKNOWN
    assert CHECK.judge(Facts(links=Unseen("no answer", 1.0), air=whole.air)).outcome is Outcome.UNKNOWN


def test_the_older_of_both_looks_is_what_the_check_rests_on():
    older = facts(using(Security.SAE), at=0.5)
    newer = facts(using(Security.SAE), at=1.5)
    assert (CHECK.needs(older), CHECK.needs(newer)) == (older.air, newer.links)


@given(st.binary(min_size=1, max_size=32).filter(lambda ssid: ssid.strip(b"\0")))
def test_a_name_of_any_bytes_stays_harmless_and_out_of_the_events(ssid: bytes):
    finding = CHECK.judge(facts(using(Security.SAE, ssid), (AccessPoint(ssid, THERE, Security.OPEN),)))
    assert finding.evidence.marks == ("in-range",)
    for said in (finding.sentence.en, finding.sentence.ja):
        assert not {unicodedata.category(character) for character in said} & HIDDEN_CATEGORIES
    (network,) = finding.evidence.networks
    assert (network.kind, network.network) == (NetworkKind.OPEN, network_digest(KEY, ssid))
    assert network.network in events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
