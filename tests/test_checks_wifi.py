"""Wi-Fi: open and weak networks fail, a name proves nothing, and what was not told is not a pass."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.wifi import Registered, Strength, Trust
from agent.posture.facts import Facts, Grade, Links, Observed, Security, Unseen, Wireless
from agent.posture.verdict import Finding, Who
from agent.words import HIDDEN_CATEGORIES, Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
KEY = b"k" * 32
HOME = Registered(b"Sato-Home", "佐藤先生の自宅")


def network(security: Security, ssid: bytes = b"CafeFree") -> Wireless:
    return Wireless("wlan0", ssid, "02:00:00:00:00:01", security)


def judged(*networks: Wireless, **rule) -> Finding:
    links = Observed(Links(networks, wired=("eth0",)), Grade.HEURISTIC, "NetworkManager", 1.0)
    return Trust(HELP, KEY, **rule).judge(Facts(Unseen("not asked", 1.0), links))


def test_an_open_network_is_refused_with_what_to_do_now():
    finding = judged(network(Security.OPEN))
    assert (finding.outcome, finding.who) == (Outcome.FAIL, Who.YOU)
    assert finding.sentence == Words(
        "The Wi-Fi 'CafeFree' has no password. Use your phone's hotspot with a password, or a cable, "
        "then press Connect again. (wifi.trust)",
        "Wi-Fi「CafeFree」にはパスワードが設定されていません。パスワードを設定したスマートフォンのテザリング、"
        "または有線LANに切り替えて、もう一度接続してください。(wifi.trust)",
    )


def test_the_remedy_names_the_networks_that_were_registered():
    finding = judged(network(Security.OPEN), own=(HOME,))
    assert "Use a registered network ('佐藤先生の自宅') or a cable" in finding.remedy.en
    assert "登録済みのネットワーク(「佐藤先生の自宅」)または有線LAN" in finding.remedy.ja


@pytest.mark.parametrize(
    ("security", "outcome", "kind"),
    [
        (Security.OPEN, Outcome.FAIL, NetworkKind.OPEN),
        (Security.OWE, Outcome.FAIL, NetworkKind.OPEN),
        (Security.WEP, Outcome.FAIL, NetworkKind.WEAK),
        (Security.WPA_TKIP, Outcome.FAIL, NetworkKind.WEAK),
        (Security.WPA2_PSK, Outcome.PASS, NetworkKind.PROTECTED),
        (Security.WPA2_WPA3_MIXED, Outcome.PASS, NetworkKind.PROTECTED),
        (Security.SAE, Outcome.PASS, NetworkKind.PROTECTED),
        (Security.ENTERPRISE, Outcome.PASS, NetworkKind.PROTECTED),
        (Security.UNKNOWN, Outcome.UNKNOWN, NetworkKind.UNKNOWN),
    ],
)
def test_each_protection_has_its_outcome(security: Security, outcome: Outcome, kind: NetworkKind):
    finding = judged(network(security))
    assert finding.outcome is outcome
    assert finding.evidence.networks == (NetworkSeen(kind, network_digest(KEY, b"CafeFree")),)


@pytest.mark.parametrize("security", [Security.OPEN, Security.OWE, Security.WEP, Security.WPA_TKIP])
def test_a_registered_name_excuses_no_missing_or_broken_protection(security: Security):
    assert judged(network(security, HOME.ssid), own=(HOME,)).outcome is Outcome.FAIL


def test_a_registered_network_passes_even_where_others_may_not():
    assert judged(network(Security.WPA2_PSK, HOME.ssid), own=(HOME,), protected=False).outcome is Outcome.PASS
    refused = judged(network(Security.WPA2_PSK), own=(HOME,), protected=False)
    assert refused.outcome is Outcome.FAIL
    assert refused.seen.en == "The Wi-Fi 'CafeFree' is not registered."
    assert "ask the help desk (1234)" in refused.remedy.en


def test_a_registered_network_with_less_protection_than_registered_fails_and_says_so():
    home = Registered(HOME.ssid, HOME.title, Strength.WPA3)
    finding = judged(network(Security.WPA2_WPA3_MIXED, HOME.ssid), own=(home,))
    assert finding.outcome is Outcome.FAIL
    assert "protected less well than was registered" in finding.seen.en


@pytest.mark.parametrize(
    ("security", "outcome"),
    [
        (Security.WPA2_PSK, Outcome.FAIL),
        (Security.WPA2_WPA3_MIXED, Outcome.FAIL),
        (Security.SAE, Outcome.PASS),
        (Security.ENTERPRISE, Outcome.PASS),
    ],
)
def test_where_wpa3_is_asked_for_the_weakest_accepted_protection_counts(security: Security, outcome: Outcome):
    assert judged(network(security), at_least=Strength.WPA3).outcome is outcome


def test_without_wifi_there_is_nothing_to_refuse():
    finding = judged()
    assert (finding.outcome, finding.seen.en) == (Outcome.PASS, "Wi-Fi is not in use.")


def test_of_several_networks_the_worst_one_counts_and_all_are_told():
    good, unknown, bad = network(Security.SAE, b"a"), network(Security.UNKNOWN, b"b"), network(Security.OPEN, b"c")
    assert judged(good, unknown).outcome is Outcome.UNKNOWN
    finding = judged(good, unknown, bad)
    assert (finding.outcome, len(finding.evidence.networks)) == (Outcome.FAIL, 3)
    assert "'c'" in finding.seen.en


def test_links_that_could_not_be_seen_are_unknown_and_never_a_pass():
    facts = Facts(Unseen("", 1.0), Unseen("NetworkManager is not running", 1.0))
    finding = Trust(HELP, KEY, own=(HOME,)).judge(facts)
    assert finding.outcome is Outcome.UNKNOWN
    assert "NetworkManager is not running" in finding.seen.en


def test_a_network_without_a_name_is_told_as_such():
    finding = judged(network(Security.OPEN, b""))
    assert finding.seen == Words(
        "The Wi-Fi without a name has no password.", "名前のないWi-Fiにはパスワードが設定されていません。"
    )


@given(st.binary(max_size=32), st.sampled_from(Security))
def test_any_name_is_judged_without_hiding_or_steering_and_stays_out_of_the_evidence(ssid: bytes, security: Security):
    finding = judged(network(security, ssid))
    for said in (finding.sentence.en, finding.sentence.ja):
        assert not {unicodedata.category(character) for character in said} & HIDDEN_CATEGORIES
    line = events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
    assert network_digest(KEY, ssid) in line


def test_neither_the_networks_name_nor_the_key_is_in_a_line_or_a_repr():
    finding = judged(network(Security.OPEN))
    assert "CafeFree" not in events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
    assert "kkkk" not in repr(Trust(HELP, KEY))


def test_more_networks_than_an_event_holds_are_counted():
    finding = judged(*(network(Security.SAE, bytes([number])) for number in range(events.MOST_SEEN + 3)))
    assert (len(finding.evidence.networks), finding.evidence.more) == (events.MOST_SEEN, 3)
