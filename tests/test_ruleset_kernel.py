"""What is said of the firewall against what the kernel does: a real packet decides, and no answer may be wrong."""

import re
from ipaddress import ip_address

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.posture.facts.network import Transport
from agent.posture.facts.observed import Told
from agent.probes.firewall.packet import Packet
from agent.probes.firewall.passage import Passage
from agent.probes.firewall.ruleset import read_ruleset
from tests.network_sandbox import alone
from tests.strangers import LAPTOP, STRANGERS, Try, Wire, load, nft, ruleset

pytestmark = pytest.mark.lab
PORTS = (22, 53, 445, 8123)
TRIES = tuple(
    Try(transport, port, source)
    for transport in Transport
    for port in PORTS
    for sources in STRANGERS.values()
    for source in sources
)
OWN = tuple(ip_address(address) for address in LAPTOP.values())

CONDITIONS = st.sampled_from(
    [
        "",
        "iifname wlan0",
        "iifname lo",
        'iifname { "lo", "wl*" }',
        "iif lo",
        "ct state new",
        "ct state established,related",
        "ct state { established, related, new }",
        "ct state != new",
        "ct state invalid",
        "ct direction original",
        "meta l4proto tcp",
        "meta l4proto { tcp, udp }",
        "meta l4proto != udp",
        "meta nfproto ipv6",
        "meta protocol ip",
        "meta pkttype host",
        "meta pkttype { broadcast, multicast }",
        "tcp dport 22",
        "tcp dport != 22",
        "tcp dport { 22, 445 }",
        "tcp dport @ports",
        "udp dport 50-60",
        "udp dport < 100",
        "udp dport >= 100",
        "meta l4proto { tcp, udp } th dport 53",
        "meta l4proto udp th dport != { 53, 8000-9000 }",
        "udp sport 53",
        "ip saddr 192.168.77.0/24",
        "ip saddr != 192.168.77.20",
        "ip saddr { 192.168.77.1, 10.0.0.0/8 }",
        "ip saddr @friends",
        "ip saddr != @friends",
        "ip saddr 192.168.77.0-192.168.77.10",
        "ip6 saddr fd77::/64",
        "ip6 saddr != { fd77::1, fd99::/16 }",
        "ip daddr 192.168.77.10",
        "ip daddr 127.0.0.0/8",
        "ip6 daddr fd77::/64",
        "ip protocol tcp",
        "ip6 nexthdr udp",
        "tcp flags syn",
        "tcp flags & (fin | syn | rst | ack) == syn",
        "tcp flags & (fin | syn) == (fin | syn)",
        "tcp flags != syn",
        "icmp type echo-request",
        "fib daddr type local",
        "fib daddr type { broadcast, multicast }",
        "fib saddr . iif oif missing",
        "tcp dport . ip saddr { 22 . 10.1.2.3, 445 . 192.168.77.1 }",
        "iifname . meta l4proto { wlan0 . tcp }",
        "meta mark 7",
        "limit rate 100000/second burst 1000 packets",
        "limit rate over 100000/second burst 1000 packets",
        "ip dscp 0",
        "ct status dnat",
        "update @seen { ip saddr }",
        "counter",
        "meta mark set 7",
    ]
)
VERDICTS = st.sampled_from(
    [
        *("", "accept", "accept", "drop", "drop", "return", "jump first", "jump second", "goto second", "continue"),
        *("reject", "reject with tcp reset", "reject with icmp type host-unreachable", "reject with icmpv6 no-route"),
    ]
)
MAPS = st.sampled_from(
    [
        "tcp dport vmap { 22 : accept, 445 : drop, 8000-9000 : jump second }",
        "udp dport vmap @verdicts",
        "ct state vmap { established : accept, related : accept, invalid : drop }",
        "ct state vmap { new : jump first, established : accept }",
        "iifname vmap { lo : accept, wlan0 : goto second }",
        "ip saddr vmap { 192.168.77.1 : drop, 10.0.0.0/8 : accept }",
        "meta l4proto . th dport vmap { tcp . 22 : accept, udp . 53 : drop }",
    ]
)
# No packet is both; but nft lists such a rule without the first half, and then it reads as if some were.
CONTRADICTS = re.compile("meta protocol ip .*icmpv6|meta nfproto ipv6.*icmp type host-unreachable")
SECOND = st.one_of(st.just(""), CONDITIONS)
RULES = st.lists(st.one_of(st.tuples(CONDITIONS, SECOND, VERDICTS).map(" ".join), MAPS), max_size=4)
PLACES = st.sampled_from(
    [("input", -10), ("input", 0), ("input", 10), ("prerouting", -300), ("prerouting", -150), ("prerouting", 20)]
)
POLICIES = st.sampled_from(["accept", "drop"])
BASES = st.lists(st.tuples(PLACES, POLICIES, RULES), min_size=1, max_size=3, unique_by=lambda one: one[0])


def written(bases, first: list[str], second: list[str]) -> str:
    """Write a ruleset; `second` jumps nowhere and `first` only to it, for the kernel takes no circles."""
    chains = [chain("second", "", [rule for rule in second if "first" not in rule and "second" not in rule])]
    chains.append(chain("first", "", [rule for rule in first if "first" not in rule]))
    for number, ((hook, priority), policy, rules) in enumerate(bases):
        chains.append(chain(f"base{number}", f"type filter hook {hook} priority {priority}; policy {policy};", rules))
    return f"""table inet tried {{
        set ports {{ type inet_service; flags interval; elements = {{ 22, 400-500 }}; }}
        set friends {{ type ipv4_addr; flags interval; elements = {{ 192.168.77.20, 10.1.0.0/16 }}; }}
        set seen {{ type ipv4_addr; flags dynamic, timeout; timeout 1m; }}
        map verdicts {{ type inet_service : verdict; elements = {{ 53 : accept, 445 : jump second, * : drop }}; }}
        {"".join(chains)}
    }}"""


def chain(name: str, head: str, rules: list[str]) -> str:
    lines = "\n".join(rule for rule in rules if rule.strip() and not CONTRADICTS.search(rule))
    return f"chain {name} {{ {head}\n{lines}\n}}\n"


def compare(wire: Wire) -> tuple[int, int]:
    """Compare each answer with what comes through; tell how many answers were certain, of how many."""
    told = read_ruleset(ruleset())
    arrived = wire.arrivals(TRIES)
    passage, certain, asked = Passage(told, OWN), 0, 0
    for transport in Transport:
        for port in PORTS:
            for version in (4, 6):
                packet = Packet(transport, port, version, "wlan0", (int(ip_address(LAPTOP[version])),))
                answer = passage.passes(packet)
                came = {one for one in arrived if (one.transport, one.port, one.version) == (transport, port, version)}
                assert answer is Told.UNTOLD or (answer is Told.YES) == bool(came), (packet, answer, came)
                certain, asked = certain + (answer is not Told.UNTOLD), asked + 1
    return certain, asked


def random_rulesets() -> None:
    wire = Wire()
    counted = [0, 0]

    @settings(max_examples=150)
    @given(BASES, RULES, RULES)
    def agree(bases, first: list[str], second: list[str]) -> None:
        rules = written(bases, first, second)
        assume(load(rules) == "")  # some pairs of conditions contradict each other, and nft says so
        try:
            certain, asked = compare(wire)
        finally:
            nft("flush ruleset")
        counted[0] += certain
        counted[1] += asked

    agree()
    wire.close()
    assert counted[0] > 0.8 * counted[1], counted


def test_no_answer_about_random_rules_differs_from_what_the_kernel_does():
    alone(random_rulesets, seconds=110.0)
