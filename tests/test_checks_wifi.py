"""Wi-Fi: open and weak networks fail, a name proves nothing, and what was not told is not a pass."""

import math
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.wifi import LinkKind, Managed, Registered, Strength, Trust
from agent.posture.facts import Facts, Grade, Links, Observed, Security, Told, Unseen, Wireless
from agent.posture.moment import Moment
from agent.posture.verdict import Finding, Who
from agent.words import HIDDEN_CATEGORIES, Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
KEY = b"k" * 32
NOW = Moment(1.0, 1_795_000_000.0, 9 * 3600.0)
HOME = Registered(b"Sato-Home", "佐藤先生の自宅")


def network(security: Security, ssid: bytes = b"CafeFree") -> Wireless:
    return Wireless("wlan0", ssid, "02:00:00:00:00:01", security)


def judged(*networks: Wireless, **rule) -> Finding:
    links = Observed(Links(networks, wired=("eth0",)), Grade.HEURISTIC, "NetworkManager", 1.0)
    return Trust(HELP, KEY, NOW, **rule).judge(Facts(Unseen("not asked", 1.0), links))


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
    assert finding.remedy.en.startswith("Use '佐藤先生の自宅' (registered) or a cable, then")
    assert finding.remedy.ja.startswith("「佐藤先生の自宅」(登録済み)または有線LANに")


def test_a_registration_is_told_with_its_day_in_the_laptops_own_time():
    midnight = 1_777_734_000.0  # 3 May 2026, 0:00 in Tokyo
    phone = Registered(b"Pixel", "my phone", since=midnight)
    finding = judged(network(Security.OPEN), own=(phone,))
    assert finding.remedy.en.startswith("Use 'my phone' (registered on 3 May) or a cable")
    assert finding.remedy.ja.startswith("「my phone」(5月3日登録)または有線LAN")
    passed = judged(network(Security.WPA2_PSK, b"Pixel"), own=(phone,))
    assert passed.seen == Words(
        "The Wi-Fi 'Pixel' was registered on 3 May and is protected.",
        "Wi-Fi「Pixel」は5月3日に登録されたもので、保護されています。",
    )
    earlier = judged(network(Security.OPEN), own=(Registered(b"x", "x", since=midnight - 1 - 365 * 86400),))
    assert ("2 May 2025" in earlier.remedy.en, "2025年5月2日登録" in earlier.remedy.ja) == (True, True)


@pytest.mark.parametrize("since", [-1e300, 1e300, math.inf, -math.inf, math.nan])
def test_an_instant_beyond_the_calendar_is_still_a_day(since: float):
    assert "registered on" in judged(network(Security.OPEN), own=(Registered(b"x", "x", since=since),)).remedy.en


def pinned(*names: str, ssid: bytes = b"Hospital") -> Wireless:
    return replace(network(Security.ENTERPRISE, ssid), pinned=names)


STAFF = Managed(("hospital.example",))


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("radius.hospital.example",), NetworkKind.MANAGED),
        (("hospital.example",), NetworkKind.MANAGED),
        (("hospital.example", "a.hospital.example"), NetworkKind.MANAGED),
        (("hospital.example", "cafe.example"), NetworkKind.PROTECTED),
        (("example",), NetworkKind.PROTECTED),
        (("evilhospital.example",), NetworkKind.PROTECTED),
        ((), NetworkKind.PROTECTED),
    ],
)
def test_only_a_server_that_must_prove_a_listed_name_makes_a_network_managed(names: tuple[str, ...], kind: NetworkKind):
    finding = judged(pinned(*names), managed=(STAFF,))
    assert (finding.outcome, finding.evidence.networks[0].kind) == (Outcome.PASS, kind)


def test_a_managed_network_is_told_as_the_hospitals_own_and_needs_no_registration():
    finding = judged(pinned("radius.hospital.example"), managed=(STAFF,), protected=False)
    assert finding.seen.en == "The Wi-Fi 'Hospital' is the hospital's own, as its server proved."


def test_802_1x_without_a_pinned_server_is_protected_and_says_what_it_lacks():
    finding = judged(pinned(), managed=(STAFF,))
    assert finding.outcome is Outcome.PASS
    assert "does not check whose network it is" in finding.seen.en
    assert judged(pinned(), managed=(STAFF,), protected=False).outcome is Outcome.FAIL


def test_a_managed_network_may_be_bound_to_its_name():
    bound = Managed(("hospital.example",), b"Hospital")
    assert judged(pinned("hospital.example"), managed=(bound,), protected=False).outcome is Outcome.PASS
    other = pinned("hospital.example", ssid=b"Other")
    assert judged(other, managed=(bound,), protected=False).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("offered", "negotiated", "outcome"),
    [
        (Security.SAE, Security.WPA2_PSK, Outcome.FAIL),
        (Security.SAE, Security.SAE, Outcome.PASS),
        (Security.WPA2_WPA3_MIXED, Security.SAE, Outcome.FAIL),
        (Security.ENTERPRISE, Security.OPEN, Outcome.FAIL),
        (Security.UNKNOWN, Security.SAE, Outcome.UNKNOWN),
        (Security.SAE, Security.UNKNOWN, Outcome.PASS),
    ],
)
def test_the_weaker_of_what_is_offered_and_what_is_in_use_counts(
    offered: Security, negotiated: Security, outcome: Outcome
):
    finding = judged(replace(network(offered), negotiated=negotiated), at_least=Strength.WPA3)
    assert finding.outcome is outcome


@pytest.mark.parametrize(
    ("management", "outcome"), [(Told.YES, Outcome.PASS), (Told.NO, Outcome.FAIL), (Told.UNTOLD, Outcome.UNKNOWN)]
)
def test_where_protected_management_frames_are_asked_for_only_their_sight_passes(management: Told, outcome: Outcome):
    seen = replace(network(Security.SAE), management=management)
    assert judged(seen, guarded=True).outcome is outcome
    assert judged(seen).outcome is Outcome.PASS


def test_a_missing_password_is_told_before_unprotected_management_frames():
    assert "no password" in judged(replace(network(Security.OPEN), management=Told.NO), guarded=True).seen.en


@pytest.mark.parametrize(
    ("kind", "links"),
    [
        (LinkKind.WIRED, Links((), wired=("eth0",))),
        (LinkKind.TETHERED, Links((), tethered=("usb0",))),
        (LinkKind.MOBILE, Links((), mobile=("wwan0",))),
    ],
)
def test_other_links_fail_only_where_the_policy_refuses_them(kind: LinkKind, links: Links):
    facts = Facts(links=Observed(links, Grade.ROOT, "NetworkManager", 1.0))
    assert Trust(HELP, KEY, NOW).judge(facts).outcome is Outcome.PASS
    assert Trust(HELP, KEY, NOW, refused=frozenset(LinkKind) - {kind}).judge(facts).outcome is Outcome.PASS
    finding = Trust(HELP, KEY, NOW, refused=frozenset({kind})).judge(facts)
    assert (finding.outcome, finding.evidence.marks) == (Outcome.FAIL, (kind.value,))
    assert ("or a cable" in finding.remedy.en) is (kind is not LinkKind.WIRED)


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
    registers = judged(network(Security.WPA2_PSK), own=(HOME,), protected=False, registers=True)
    assert "'sekisho network add'" in registers.remedy.en
    assert "「sekisho network add」" in registers.remedy.ja


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


def test_a_registered_network_that_lost_its_protection_is_not_what_to_use_instead():
    phone = Registered(b"phone", "My phone")
    for own, told in ((HOME,), "your phone's hotspot with a password, or a cable"), ((HOME, phone), "'My phone'"):
        finding = judged(network(Security.OPEN, HOME.ssid), own=own)
        assert finding.remedy.en.startswith(f"Use {told}")
        assert HOME.title not in finding.remedy.ja


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
    finding = Trust(HELP, KEY, NOW, own=(HOME,)).judge(facts)
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
    assert "kkkk" not in repr(Trust(HELP, KEY, NOW))


def test_more_networks_than_an_event_holds_are_counted():
    finding = judged(*(network(Security.SAE, bytes([number])) for number in range(events.MOST_SEEN + 3)))
    assert (len(finding.evidence.networks), finding.evidence.more) == (events.MOST_SEEN, 3)
