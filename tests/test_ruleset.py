"""Rules as they are told: what is understood, what stays open, and what no input may do."""

import json
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts.network import Transport
from agent.posture.facts.observed import Told
from agent.probes.firewall.iptables import read_saved
from agent.probes.firewall.packet import Packet
from agent.probes.firewall.passage import MOST_RULES, Passage
from agent.probes.firewall.ruleset import Ruleset, RulesetError, read_ruleset
from agent.probes.firewall.sources import ALL, NONE, Sources, strangers

LAPTOP = ip_address("192.168.77.10")
ACCEPT, DROP = {"accept": None}, {"drop": None}


def rules(
    *expressions: list[object], policy: str = "accept", table: str = "inet", **more: list[list[object]]
) -> Ruleset:
    """One base chain at the input hook, and other chains by their names."""
    base = {"type": "filter", "hook": "input", "prio": 0, "policy": policy}
    chains = {"input": list(expressions), **more}
    told = [
        {"chain": {"family": table, "table": "t", "name": name, **(base if name == "input" else {})}} for name in chains
    ]
    told += [
        {"rule": {"family": table, "table": "t", "chain": name, "expr": expression}}
        for name, all_of_it in chains.items()
        for expression in all_of_it
    ]
    return read_ruleset(json.dumps({"nftables": told}).encode())


def knock(ruleset: Ruleset, port: int = 445, transport: Transport = Transport.TCP) -> Told:
    packet = Packet(transport, port, 4, "wlan0", (int(LAPTOP),))
    return Passage(ruleset, [LAPTOP]).passes(packet)


def is_(left: object, right: object, operator: str = "==") -> object:
    return {"match": {"op": operator, "left": left, "right": right}}


def dport(right: object) -> object:
    return is_({"payload": {"protocol": "tcp", "field": "dport"}}, right)


def saddr(right: object) -> object:
    return is_({"payload": {"protocol": "ip", "field": "saddr"}}, right)


def test_without_rules_everything_gets_in():
    assert knock(Ruleset()) is Told.YES


def test_a_packet_from_only_some_senders_gets_in_all_the_same():
    only = saddr({"prefix": {"addr": "192.168.77.0", "len": 24}})
    assert knock(rules([only, ACCEPT], policy="drop")) is Told.YES
    assert knock(rules([only, DROP], [saddr("10.1.2.3"), DROP])) is Told.YES


def test_rules_that_together_turn_every_sender_away_do_so():
    halves = [{"prefix": {"addr": address, "len": 1}} for address in ("0.0.0.0", "128.0.0.0")]
    assert knock(rules([saddr(halves[0]), DROP], [saddr(halves[1]), DROP])) is Told.NO


def test_our_own_address_is_no_strangers():
    assert knock(rules([saddr(str(LAPTOP)), ACCEPT], policy="drop")) is Told.NO
    assert knock(rules([saddr({"prefix": {"addr": "127.0.0.0", "len": 8}}), ACCEPT], policy="drop")) is Told.NO


@pytest.mark.parametrize(
    "unknown",
    [
        {"xt": {"type": "match", "name": "string"}},
        {"xt": None},
        {"made-up": {"by": "a later nft"}},
        is_({"meta": {"key": "cgroup"}}, 5),
        is_({"payload": {"base": "th", "offset": 0, "len": 8}}, 5),
        is_({"osf": {"key": "name"}}, "Linux"),
        is_({"payload": {"protocol": "ip", "field": "ttl"}}, 64, "<"),
        is_({"ct": {"key": "mark"}}, 1),
        dport("@not-there"),
        dport({"made-up": 1}),
        {"quota": {"val": 1, "val_unit": "mbytes"}},
        {"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "stmt": [{"limit": {}}]}},
    ],
)
def test_what_is_not_understood_leaves_open_what_it_could_concern_and_no_more(unknown: object):
    assert knock(rules([unknown, ACCEPT], policy="drop")) is Told.UNTOLD
    assert knock(rules([unknown, DROP])) is Told.UNTOLD
    assert knock(rules([dport(22), unknown, DROP])) is Told.YES
    assert knock(rules([dport(22), unknown, ACCEPT], policy="drop")) is Told.NO


@pytest.mark.parametrize("target", [{"queue": {"num": 1}}, {"synproxy": None}, {"tproxy": {"port": 1}}, {"fwd": {}}])
def test_a_verdict_that_others_give_is_open(target: object):
    assert knock(rules([target])) is Told.UNTOLD


def test_what_packets_or_time_change_is_open():
    told = json.dumps(
        {"nftables": [{"set": {"family": "inet", "table": "t", "name": "seen", "size": 9, "elem": [445]}}]}
    )
    filled = rules([dport("@seen"), DROP])
    ruleset = Ruleset(filled.chains, read_ruleset(told.encode()).sets)
    assert knock(ruleset) is Told.UNTOLD


def test_a_limit_holds_nobody_back_who_is_in_no_hurry():
    limit = {"limit": {"rate": 3, "burst": 5, "per": "second"}}
    over = {"limit": {"rate": 3, "burst": 5, "per": "second", "inv": True}}
    assert knock(rules([limit, ACCEPT], policy="drop")) is Told.YES
    assert knock(rules([over, DROP])) is Told.YES
    assert knock(rules([limit, DROP])) is Told.UNTOLD


def test_packets_that_are_not_tracked_have_no_certain_state():
    raw = {"chain": {"family": "ip", "table": "raw", "name": "p", "type": "filter", "hook": "prerouting", "prio": -300}}
    rule = {"rule": {"family": "ip", "table": "raw", "chain": "p", "expr": [{"notrack": None}]}}
    state = is_({"ct": {"key": "state"}}, ["new"], "in")
    told = rules([state, DROP])
    with_raw = read_ruleset(json.dumps({"nftables": [raw, rule]}).encode())
    assert knock(told) is Told.NO
    assert knock(Ruleset({**told.chains, **with_raw.chains})) is Told.UNTOLD


def test_before_connections_are_tracked_every_packet_is_of_an_invalid_one():
    """A rule there that drops what is invalid drops everything (nft_ct gives INVALID without a connection)."""
    raw = {"family": "ip", "table": "t", "name": "p", "type": "filter", "hook": "prerouting", "prio": -300}
    invalid = is_({"ct": {"key": "state"}}, ["invalid"], "in")
    rule = {"family": "ip", "table": "t", "chain": "p", "expr": [invalid, DROP]}
    told = [{"chain": raw}, {"rule": rule}]
    assert knock(read_ruleset(json.dumps({"nftables": told}).encode())) is Told.NO
    told[0]["chain"] |= {"prio": -150}
    assert knock(read_ruleset(json.dumps({"nftables": told}).encode())) is Told.YES


def test_a_map_that_catches_all_catches_only_packets_that_have_its_key():
    verdicts = {"vmap": {"key": {"payload": {"protocol": "udp", "field": "dport"}}, "data": {"set": [["*", DROP]]}}}
    assert knock(rules([verdicts])) is Told.YES
    assert knock(rules([verdicts]), transport=Transport.UDP) is Told.NO


def test_a_refusal_that_speaks_another_protocol_concerns_nobody():
    assert knock(rules([{"reject": {"type": "icmpv6", "expr": "no-route"}}])) is Told.YES
    assert knock(rules([{"reject": {"type": "icmp", "expr": "host-unreachable"}}])) is Told.NO
    assert knock(rules([{"reject": {"type": "tcp reset"}}])) is Told.UNTOLD  # nft does not list for which IP version
    assert knock(rules([{"reject": {"type": "tcp reset"}}], table="ip")) is Told.NO


def test_a_rule_that_nobody_understands_matters_only_where_it_makes_a_difference():
    for unknown in (is_({"meta": {"key": "mark"}}, 5), {"xt": {"type": "match", "name": "recent"}}):
        assert knock(rules([unknown, ACCEPT])) is Told.YES
        assert knock(rules([unknown, DROP], policy="drop")) is Told.NO
    assert knock(rules([{"xt": {"type": "target", "name": "TARPIT"}}])) is Told.UNTOLD


def test_rules_of_the_older_kind_beside_these_leave_everything_open():
    assert knock(Ruleset(beside=True)) is Told.UNTOLD


def test_a_table_that_sleeps_decides_nothing():
    asleep = [
        {"table": {"family": "inet", "name": "t", "flags": ["dormant"]}},
        {
            "chain": {
                "family": "inet",
                "table": "t",
                "name": "i",
                "type": "filter",
                "hook": "input",
                "prio": 0,
                "policy": "drop",
            }
        },
    ]
    assert knock(read_ruleset(json.dumps({"nftables": asleep}).encode())) is Told.YES


def test_rules_of_another_link_or_version_are_passed_by():
    device = {"type": "filter", "hook": "ingress", "prio": 0, "policy": "drop", "dev": "eth9"}
    other = [{"chain": {"family": "netdev", "table": "t", "name": "i", **device}}]
    assert knock(read_ruleset(json.dumps({"nftables": other}).encode())) is Told.YES
    assert knock(rules(policy="drop", table="ip6")) is Told.YES
    assert knock(rules(policy="drop", table="arp")) is Told.YES


def test_circles_and_endless_jumps_end_in_no_answer():
    """The kernel takes no circles; whoever tells one gets no answer, and no endless work."""
    circle = rules([{"jump": {"target": "a"}}], a=[[{"jump": {"target": "b"}}]], b=[[{"jump": {"target": "a"}}]])
    assert knock(circle) is Told.UNTOLD
    levels = {f"level{number}": [[{"jump": {"target": f"level{number + 1}"}}]] * 4 for number in range(12)}
    assert knock(rules([{"jump": {"target": "level0"}}], level12=[[{"counter": None}]], **levels)) is Told.UNTOLD


def test_a_jump_to_nowhere_is_open():
    assert knock(rules([{"jump": {"target": "gone"}}], policy="drop")) is Told.UNTOLD


def test_more_rules_than_can_be_followed_leave_the_rest_open():
    many = rules(*[[dport(22), ACCEPT]] * (MOST_RULES // 2 + 1), policy="drop")
    passage = Passage(many, [LAPTOP])
    packets = [Packet(Transport.TCP, port, 4, "wlan0", (int(LAPTOP),)) for port in (445, 8123)]
    assert [passage.passes(packet) for packet in packets] == [Told.NO, Told.UNTOLD]
    assert passage.passes(packets[0]) is Told.NO


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"Error: syntax",
        b"[]",
        b'{"nftables": 5}',
        b"[" * 100_000,
        b'{"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [5]}}]}',
        b'{"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [{"a": 1, "b": 2}]}}]}',
        b'{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "c", "hook": 5}}]}',
    ],
)
def test_what_is_no_ruleset_is_refused(text: bytes):
    with pytest.raises(RulesetError):
        read_ruleset(text)


VOCABULARY = """
    match op left right payload protocol field tcp ip saddr daddr dport meta key iifname l4proto ct state set
    vmap data accept drop jump goto target a input limit rate inv concat range prefix addr len elem val dnat
    family fib result flags type oif & | == in != < ! new @s * exthdr reject icmp mangle notrack 10.0.0.0 ::1
    local syn
"""
NAMES = st.sampled_from(VOCABULARY.split())
TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 70_000), NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=12,
)
STATEMENTS = st.one_of(
    st.dictionaries(NAMES, TREES, min_size=1, max_size=1),
    st.builds(lambda op, left, right: {"match": {"op": op, "left": left, "right": right}}, NAMES, TREES, TREES),
    st.builds(lambda key, data: {"vmap": {"key": key, "data": {"set": data}}}, TREES, st.lists(TREES, max_size=3)),
)


@given(st.lists(st.lists(STATEMENTS, min_size=1, max_size=4), max_size=4), st.sampled_from(["accept", "drop"]))
def test_no_told_rule_breaks_the_one_who_judges(expressions: list[list[object]], policy: str):
    for transport in Transport:
        assert knock(rules(*expressions, policy=policy, a=[[ACCEPT]]), transport=transport) in Told


@given(st.lists(TREES))
def test_no_told_object_breaks_the_one_who_reads(objects: list[object]):
    with suppress(RulesetError):
        assert isinstance(read_ruleset(json.dumps({"nftables": objects}).encode()), Ruleset)


@given(st.text(), st.sampled_from(["ip", "ip6"]))
def test_no_saved_text_breaks_the_one_who_reads(text: str, family: str):
    for told in (text, f"*filter\n:INPUT DROP\n-A INPUT {text}"):
        with suppress(RulesetError):
            read_saved(told, family)


RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(sorted).map(tuple), max_size=5)


def members(sources: Sources) -> set[int]:
    return {number for number in range(50) if number in sources}


@given(RANGES, RANGES)
def test_ranges_behave_as_the_sets_that_they_stand_for(one: list[tuple[int, int]], other: list[tuple[int, int]]):
    first, second = Sources.of(one), Sources.of(other)
    assert members(first | second) == members(first) | members(second)
    assert members(first & second) == members(first) & members(second)
    assert members(first - second) == members(first) - members(second)
    assert members(~first) == set(range(50)) - members(first)
    assert bool(first) == bool(members(first))
    assert first & ALL == first
    assert first & NONE == NONE


def test_a_stranger_has_no_address_that_nobody_may_send_from():
    senders = strangers(4, [LAPTOP])
    for address in ("127.0.0.1", "0.0.0.0", "224.0.0.251", "255.255.255.255", str(LAPTOP)):
        assert int(ip_address(address)) not in senders
    assert int(ip_address("192.168.77.11")) in senders
    assert int(ip_address("ff02::1")) not in strangers(6, [])
    assert int(ip_address("fe80::1")) in strangers(6, [])
