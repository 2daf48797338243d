"""Ways into the hospital through the laptop: each in words that a doctor understands, and no way is passed over."""

import unicodedata
from ipaddress import ip_address

import pytest

from agent import events
from agent.events import MOST_SEEN, Outcome
from agent.posture.checks.turnaround import Turnaround
from agent.posture.facts import Exposure, Facts, Grade, Observed, Told, Unseen
from agent.posture.facts.network import Listener, Transport
from agent.posture.policy import PolicyErrors, load
from agent.posture.verdict import Finding, Who
from agent.words import HIDDEN_CATEGORIES, Words
from tests.test_daemon_small import POLICY

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
TCP, UDP = Transport.TCP, Transport.UDP


def waits(transport: Transport, port: int, reachable: Told = Told.YES) -> Listener:
    return Listener(transport, ip_address("::"), port, 0, reachable)


def judged(*listeners: Listener, allowed=(), second_link: bool = True, **ways) -> Finding:
    seen = Observed(Exposure(listeners, **ways), Grade.ROOT, "kernel", 1.0)
    return Turnaround(HELP, frozenset(allowed), second_link).judge(Facts(exposure=seen))


def test_a_laptop_that_offers_nothing_passes_and_no_more_is_claimed_than_was_seen():
    finding = judged(waits(TCP, 22, Told.NO), ways_out=("wlan0", "eth0"))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ())
    assert finding.seen == Words(
        "No way through this computer was seen that others on its network could use.",
        "同じネットワークの他の人がこのパソコンを経由できる経路は見つかりませんでした。",
    )


def test_file_sharing_that_can_be_reached_is_told_as_such():
    finding = judged(waits(TCP, 445), waits(UDP, 5353))
    assert (finding.outcome, finding.who, finding.evidence.marks) == (Outcome.FAIL, Who.HELP_DESK, ("tcp.445",))
    assert finding.sentence == Words(
        "Others on this network can reach this computer: file sharing (port 445). Close the program or switch the "
        "sharing off, then press Connect again; if you do not know it, call the help desk (1234). (network.turnaround)",
        "同じネットワークの他の人が、このパソコンに接続できる状態です(対象: ファイル共有(ポート445))。該当する"
        "プログラムを終了するか共有をオフにして、もう一度接続してください。心当たりがない場合はヘルプデスク(1234)に連絡してください。"
        "(network.turnaround)",
    )


def test_an_unknown_program_is_told_by_its_port_and_many_are_counted():
    finding = judged(*(waits(TCP, port) for port in (8123, 22, 631, 9000, 9001)))
    assert "remote login (port 22), printer sharing (port 631), a program on port 8123 and 2 more" in finding.seen.en
    assert "リモートログイン(ポート22)、プリンター共有(ポート631)、ポート8123のプログラムほか2件" in finding.seen.ja
    assert finding.evidence.marks == ("tcp.22", "tcp.631", "tcp.8123", "tcp.9000", "tcp.9001")


def test_a_service_on_both_ip_versions_is_one_service():
    finding = judged(waits(TCP, 22), Listener(TCP, ip_address("0.0.0.0"), 22, 0, Told.YES))
    assert finding.evidence.marks == ("tcp.22",)


@pytest.mark.parametrize("listener", [(UDP, 68), (UDP, 546), (UDP, 5353), (UDP, 40_000)])
def test_what_every_computer_has_open_is_no_way_in(listener: tuple[Transport, int]):
    assert judged(waits(*listener)).outcome is Outcome.PASS
    assert judged(waits(*listener, Told.UNTOLD)).outcome is Outcome.PASS
    assert judged(waits(TCP, listener[1])).outcome is Outcome.FAIL


def test_what_the_policy_allows_may_be_reached():
    assert judged(waits(TCP, 22), allowed=[(TCP, 22)]).outcome is Outcome.PASS
    assert judged(waits(TCP, 22, Told.UNTOLD), allowed=[(TCP, 22)]).outcome is Outcome.PASS
    assert judged(waits(TCP, 22), allowed=[(UDP, 22)]).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("ways", "mark", "who", "told"),
    [
        ({"bridges": ("br0",)}, "bridge", Who.HELP_DESK, "joins the network in use with another one ('br0')"),
        ({"routers": ("wlan0",)}, "forwarding", Who.YOU, "passes traffic of others on"),
        ({"hotspots": ("wlan0",)}, "hotspot", Who.YOU, "is a hotspot for others"),
        ({"tunnels": ("wg0",)}, "tunnel", Who.YOU, "Another VPN is in use ('wg0')"),
        ({"published": (8080,)}, "published", Who.HELP_DESK, "hands on what others send to it (port 8080)"),
        ({"published": (0, 80)}, "published", Who.HELP_DESK, "(all ports)"),
    ],
)
def test_each_way_through_fails_with_its_own_words(ways: dict, mark: str, who: Who, told: str):
    finding = judged(**ways)
    assert (finding.outcome, finding.who, finding.evidence.marks) == (Outcome.FAIL, who, (mark,))
    assert told in finding.seen.en
    assert "the help desk (1234)" in finding.remedy.en
    assert "ヘルプデスク(1234)" in finding.remedy.ja


def test_several_ways_are_counted_and_the_worst_one_speaks():
    finding = judged(waits(TCP, 22), tunnels=("wg0",), routers=("wlan0",))
    assert finding.seen.en.startswith("This computer passes traffic of others on, as a router does. Other ways in: 2.")
    assert finding.evidence.marks == ("forwarding", "tunnel", "tcp.22")


def test_two_networks_at_once_are_refused_only_where_the_policy_says_so():
    assert judged(ways_out=("wlan0", "eth0")).outcome is Outcome.PASS
    assert judged(ways_out=("wlan0",), second_link=False).outcome is Outcome.PASS
    finding = judged(ways_out=("wlan0", "eth0"), second_link=False)
    assert (finding.outcome, finding.evidence.marks) == (Outcome.FAIL, ("second-link",))
    assert "('wlan0', 'eth0')" in finding.seen.en


def test_what_could_not_be_told_is_no_pass():
    finding = judged(waits(TCP, 8123, Told.UNTOLD), waits(TCP, 22, Told.NO))
    assert (finding.outcome, "a program on port 8123" in finding.seen.en) == (Outcome.UNKNOWN, True)
    assert judged(untold=("routers",)).outcome is Outcome.UNKNOWN
    assert judged(waits(TCP, 22), untold=("routers",)).outcome is Outcome.FAIL


def test_a_failed_look_is_unknown_with_its_reason():
    finding = Turnaround(HELP).judge(Facts(exposure=Unseen("the kernel did\x1b not tell", 1.0)))
    assert finding.outcome is Outcome.UNKNOWN
    assert finding.seen.en == "This could not be checked: the kernel did\\u001b not tell."


def test_names_from_outside_are_quoted_and_every_finding_fits_an_event():
    many = [waits(TCP, port) for port in range(1, 200)]
    finding = judged(*many, tunnels=("wg\x1b\u202e0",), bridges=("br\n0",))
    assert not {unicodedata.category(character) for character in finding.sentence.en} & HIDDEN_CATEGORIES
    assert (len(finding.evidence.marks), finding.evidence.more) == (MOST_SEEN, 199 + 2 - MOST_SEEN)
    assert events.line(events.Looked("site", False, (finding.result,)), 0.0, 1)


def policy(turnaround: str) -> str:
    return f"{POLICY}network:\n  turnaround: {turnaround}\n"


def test_a_policy_names_what_may_be_reached():
    section = load(policy("{ports: [tcp/22, udp/161], second_link: refuse}"), "policy.yaml").network.turnaround
    assert (section.ports, section.second_link) == (((TCP, 22), (UDP, 161)), "refuse")
    assert load(policy("{ports: tcp/22}"), "policy.yaml").network.turnaround.ports == ((TCP, 22),)
    assert load(POLICY, "policy.yaml").network.turnaround.ports == ()


@pytest.mark.parametrize("written", ["22", "tcp/0", "tcp/65536", "sctp/22", "tcp/22/23", "[]", "tcp/２２"])
def test_a_service_that_is_written_wrong_is_told(written: str):
    with pytest.raises(PolicyErrors, match="tcp/22 or udp/161"):
        load(policy(f"{{ports: ['{written}']}}"), "policy.yaml")
