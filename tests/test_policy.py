"""The policy: every error at once, each with its place and a sentence, and never anything but these."""

import json
import time
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.events import Outcome, Response
from agent.posture import policy
from agent.posture.facts import (
    Facts,
    Grade,
    Links,
    Neighbourhood,
    Observed,
    Origin,
    Package,
    Program,
    Programs,
    Security,
    Wireless,
)
from agent.posture.moment import Moment
from agent.posture.policy import Context, Policy, PolicyError, PolicyErrors
from agent.posture.policy.loading import MOST_TOLD
from agent.posture.policy.rules import DEFAULT_RULES
from agent.posture.policy.text import DEEPEST, LARGEST_TEXT
from agent.posture.policy.values import Identity
from agent.posture.verdict import Cut, Rule
from agent.words import quote

EXAMPLES = Path(__file__).parent.parent / "packaging" / "policy"
EXAMPLE = EXAMPLES / "example-hospital.yaml"
SHORTEST = """\
serial: 7
help_desk: {en: the help desk, ja: ヘルプデスク, phone: 1234}
sites:
  main:
    gateways:
      - {address: gw.hospital.test, identity: "fqdn:gw.hospital.test", anchors: /etc/sekisho/ca.pem}
    certificate: /etc/sekisho/device.pem
    key: /etc/sekisho/device.key
    networks: 10.20.0.0/16
"""
KEY = b"k" * 32


def at(boot: float) -> Context:
    return Context(Moment(boot, 1.8e9), KEY)


NAME_THEM = "name the hospital's own networks"
WHOLE_PATH = "write the whole path of a file, from '/' on, without '..'"
INSTANT = "write a date and time with its distance from UTC, such as 2026-11-30T09:00:00+09:00"
TURNING = "a mark that turns the writing direction"
TOO_BIG = f"1:1: the file has {LARGEST_TEXT + 1} bytes; {LARGEST_TEXT} are the most that is read"


def load(text: str = SHORTEST) -> Policy:
    return policy.load(text, "policy.yaml")


def complaints(text: str | bytes) -> tuple[PolicyError, ...]:
    try:
        policy.load(text, "policy.yaml")
    except PolicyErrors as caught:
        return caught.errors
    return ()


def errors(text: str | bytes) -> list[str]:
    return [str(error).removeprefix("policy.yaml:") for error in complaints(text)]


def with_line(line: str) -> str:
    """The shortest policy with one more line, its tenth."""
    return f"{SHORTEST}{line}\n"


@pytest.mark.parametrize(
    "flood",
    ["a: 1\n" * 2_000, "".join(f"a{n}: 1\n" for n in range(2_000)), f"apps: {{forbidden: [{'x,' * 2_000}]}}\n"],
    ids=["twice", "unknown", "wrong"],
)
def test_of_a_flood_of_errors_the_first_are_told_and_that_there_are_more(flood: str):
    told = complaints(SHORTEST + flood)
    assert (len(told), told[-1].message) == (MOST_TOLD + 1, "there are more errors from here on; mend these first")
    assert not any(error.message == told[-1].message for error in told[:-1])


def test_an_address_with_a_zone_is_none():
    zoned = SHORTEST.replace("gw.hospital.test,", "'fe80::1%eth0',").replace(
        "10.20.0.0/16", "['fd00::%a/64', fd00::/64]"
    )
    assert errors(zoned + '    dns: {names: a.test, servers: "fd00::1%a\\nnameserver 192.0.2.1"}\n') == [
        "6:19: write a domain name such as hospital.example; this is 'fe80::1%eth0'",
        "9:16: write a network such as 10.20.0.0/16; this is 'fd00::%a/64'",
        "10:35: write an IP address; this is 'fd00::1%a\\\\u000anameserver 192.0.2.1'",
    ]


def test_the_shortest_policy_has_strict_defaults():
    read = load()
    site = read.sites["main"]
    assert (read.serial, read.language, read.help_desk.phone) == (7, "ja", "1234")
    assert site.gateways[0].identity == Identity("fqdn", "gw.hospital.test")
    assert site.gateways[0].anchors == ("/etc/sekisho/ca.pem",)
    assert (site.gateways[0].send_identity, site.gateways[0].allow_common_name) == (True, False)
    assert (site.networks, site.addresses, site.dns) == ((IPv4Network("10.20.0.0/16"),), (), None)
    assert (site.suites, site.local_identity, site.title) == ("default", None, None)
    assert (site.timers.rekey_child, site.timers.rekey_ike, site.timers.liveness) == (3600.0, 14400.0, 10.0)
    for check in ("apps.unapproved", "apps.forbidden", "wifi.trust"):
        assert read.rule(check) == Rule(Response.REFUSE, Response.REFUSE, Cut.NOW, 60.0, 300.0)


def test_an_instant_is_the_same_wherever_it_is_written():
    for written in ("2026-11-30T09:00:00+09:00", "2026-11-30T00:00:00Z", "2026-11-29 19:00-05:00"):
        assert load(with_line(f"not_before: {written}")).not_before == 1_795_996_800.0


def test_nobody_but_the_administrator_controls_it_unless_the_policy_says_so():
    assert not load().control.users.include(1000, {"sato": 1000}.get)
    people = load(with_line("control: {users: people}")).control.users
    assert people.include(1000, {}.get)
    assert not people.include(65534, {}.get)
    assert not people.include(33, {}.get)
    named = load(with_line("control: {users: [sato, 1005]}")).control.users
    assert [named.include(uid, {"sato": 1000}.get) for uid in (1000, 1005, 1001)] == [True, True, False]


def test_the_example_for_hospitals_is_a_policy_and_uses_every_section():
    read = policy.load(EXAMPLE.read_bytes(), EXAMPLE.name)
    assert set(Policy.model_fields) == read.model_fields_set
    assert read.wifi.own[0].ssid == b"Central-Staff"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_a_policy(path: Path):
    assert policy.load(path.read_bytes(), path.name).serial == 1


def test_the_example_for_peoples_own_laptops_refuses_nobody_at_first_and_judges_little():
    read = policy.load((EXAMPLES / "example-byod.yaml").read_bytes(), "byod")
    assert all(rule.shadow for rule in read.rules.values())
    unjudged = {check for check, rule in read.rules.items() if {rule.fail, rule.unknown} == {Response.OFF}}
    assert unjudged == {"apps.unapproved", "device.usb", "device.boot"}


def test_what_a_check_does_not_say_keeps_its_default():
    rule = load(with_line("checks: {wifi.trust: {unknown: warn, countdown: 2m}}")).rule("wifi.trust")
    assert rule == Rule(Response.REFUSE, Response.WARN, Cut.NOW, 120.0, 300.0)


def test_shadow_is_written_for_one_check_or_for_all():
    one = load(with_line("checks: {wifi.trust: {shadow: true}}"))
    assert [one.rule(check).shadow for check in ("wifi.trust", "wifi.twin")] == [True, False]
    everything = load(with_line("mode: shadow"))
    assert all(everything.rule(check).shadow for check in DEFAULT_RULES)


def test_a_grace_lets_what_newly_fails_warn_until_office_hours():
    read = load(with_line("checks: {wifi.trust: {grace: 1d}}\noffice_hours: {days: [sun], from: '10:00', to: '11:00'}"))
    wireless = Wireless("wlan0", b"Free", "02:00:00:00:00:01", Security.OPEN)
    facts = Facts(links=Observed(Links((wireless,)), Grade.ROOT, "test", 1.0))
    ripe, began = 1_800_180_000.0, {"wifi.trust": 1.8e9}
    for now, since, rule, until in ((1.8e9, {}, Response.WARN, ripe), (ripe, began, Response.REFUSE, None)):
        findings = policy.judge(read, facts, Context(Moment(1.0, now), KEY, since)).findings
        (told,) = (finding for finding in findings if finding.check == "wifi.trust")
        assert (told.rule, told.until) == (rule, until)


def test_off_is_a_word_and_needs_no_quotes():
    assert load(with_line("checks: {apps.forbidden: {fail: off}}")).rule("apps.forbidden").fail is Response.OFF


def test_all_errors_come_at_once_in_the_order_of_the_text():
    text = """\
serial: yes
lanuage: ja
help_desk:
  en: x
  phone: &a 1
sites:
  Main:
    gatways: 3
    networks: [10.0.0.1/8, 0.0.0.0/0, hello]
    key: device.key
    certificate: *a
    timers: {rekey_ike: 1s}
    gateways:
      - address: 999.1.1.1
        identity: gw.example
        send_identity: yes
checks:
  apps.unaproved: {fail: refues}
  wifi.trust: {cut: later, cut: now}
apps: {users: people, approved: {paths: /home/x/*}, forbidden: [{title: a}, b]}
"""
    assert errors(text) == [
        "1:9: write a whole number for 'serial'",
        "2:1: the policy has no key 'lanuage'; did you mean 'language'?",
        "3:1: 'help_desk' needs the key 'ja'",
        "5:10: '&a' is an anchor; a policy has none",
        "7:3: the name of a site has 1 to 32 letters a-z, digits and '-'; its title may be any text",
        "8:5: 'sites.Main' has no key 'gatways'; did you mean 'gateways'?",
        "9:16: 10.0.0.1/8 is one address inside a network; the network is 10.0.0.0/8",
        "9:28: 0.0.0.0/0 would send all traffic into the tunnel; name the hospital's own networks",
        "9:39: write a network such as 10.20.0.0/16; this is 'hello'",
        "10:10: write the whole path of a file, from '/' on, without '..'; this is 'device.key'",
        "11:18: '*a' is an alias; write the value out",
        "12:25: 'sites.Main.timers.rekey_ike' must be at least 300",
        "14:9: entry 1 of 'sites.Main.gateways' needs the key 'anchors'",
        "14:18: write a name or an IP address; this is '999.1.1.1'",
        "15:19: write an identity with its kind: fqdn:gw.hospital.example, ip:198.51.100.1, "
        "email:gw@hospital.example or dn:CN=gw,O=Hospital; this is 'gw.example'",
        "16:24: write true or false for 'sites.Main.gateways.1.send_identity'",
        "18:3: 'apps.unaproved' is none of what is known here; did you mean 'apps.unapproved'?",
        "18:26: 'refues' is none of refuse, warn, off; did you mean 'refuse'?",
        "19:28: the key 'cut' stands here a second time; the first is on line 19",
        "19:33: 'later' is none of now, countdown, session-end",
        "20:41: a path alone approves a program only where none but root can write: below /usr, /opt, /snap, "
        "/nix/store or /var/lib/flatpak; for another place list the file with its sha256 under 'files'",
        "20:65: give at least one mark: name, package, path or sha256",
        "20:77: entry 2 of 'apps.forbidden' is a section: write its keys below it, each on its own line",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wifi: {protectd: allow}", "10:8: 'wifi' has no key 'protectd'; did you mean 'protected'?"),
        ("wifi: {xyz: 1}", "10:8: 'wifi' has no key 'xyz'"),
        ("wifi:", "10:6: 'wifi' has no value"),
        ("wifi: {own: [{ssid: '', title: x}]}", "10:21: a wireless network's name has 1 to 32 bytes; this has 0"),
        ("wifi: {own: [{ssid: 'hex:0g', title: x}]}", "10:21: after 'hex:' come pairs of digits 0-9 and a-f"),
        ("wifi: {at_least: wep}", "10:18: 'wep' is none of wpa2, wpa3"),
        ("mode: shadw", "10:7: 'shadw' is none of enforce, shadow; did you mean 'shadow'?"),
        ("office_hours: {form: 8}", "10:16: 'office_hours' has no key 'form'; did you mean 'from'?"),
        ("office_hours: {from: 8}", "10:22: write a time of day such as 09:00; this is '8'"),
        ("office_hours: {to: '25:00'}", "10:20: write a time of day such as 09:00; this is '25:00'"),
        (
            "office_hours: {from: 17:00, to: 9:00}",
            "10:15: the office hours end before they begin; 'from' is earlier than 'to'",
        ),
        ("office_hours: {days: []}", "10:22: 'office_hours.days' needs at least 1"),
        ("office_hours: {days: [mo]}", "10:23: 'mo' is none of mon, tue, wed, thu, fri, sat, sun; did you mean 'mon'?"),
        ("checks: {wifi.trust: {grace: 181d}}", "10:30: 'checks.wifi.trust.grace' must be at most 15552000"),
        ("checks: {wifi.trust: {shadow: 1}}", "10:31: write true or false for 'checks.wifi.trust.shadow'"),
        ("not_before: 2026-11-30T09:00:00", f"10:13: {INSTANT}; this is '2026-11-30T09:00:00'"),
        ("not_before: soon", f"10:13: {INSTANT}; this is 'soon'"),
        ("language: de", "10:11: 'de' is none of en, ja"),
        ("<<: {a: b}", "10:1: the policy has no key '<<'"),
        ("serial: 8", "10:1: the key 'serial' stands here a second time; the first is on line 1"),
        (
            "control: {users: nobody}",
            "10:18: write 'people' for every person of this computer, or a list of user names",
        ),
        ("control: {users: []}", "10:18: write 'people' for every person of this computer, or a list of user names"),
        ("control: {users: [true]}", "10:18: a user is a name or a number"),
        ("control: {users: ['a b']}", "10:18: 'a b' is no user name"),
        ("apps: {users: people}", "10:7: 'apps.users' is a list of user names; leave it out for whoever connects"),
        (f"apps: {{users: {list(range(65))}}}", "10:15: the list has 65 users; 64 are the most"),
        ("apps: {approved: {packages: some}}", "10:29: write 'all', or a list of package names"),
        ("apps: {approved: {origin: knwon}}", "10:27: 'knwon' is none of any, known; did you mean 'known'?"),
        ("apps: {approved: {sha256: [abc]}}", "10:28: a SHA-256 sum has 64 digits 0-9 and a-f; this has 3 characters"),
        ("checks: {wifi.trust: {max_age: soon}}", "10:32: write a time such as 30s, 5m or 4h; this is 'soon'"),
        ("checks: {wifi.trust: {max_age: 1s}}", "10:32: 'checks.wifi.trust.max_age' must be at least 5"),
        ("checks: [wifi.trust]", "10:9: 'checks' is a section: write its keys below it, each on its own line"),
        ("apps: !!python/object:os.system {}", "10:7: a tag ('!') stands here; a policy has none"),
    ],
)
def test_each_mistake_has_its_own_sentence(line: str, told: str):
    assert errors(with_line(line)) == [told]


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("10.20.0.0/16", "[]", "9:15: 'sites.main.networks' needs at least 1"),
        ("10.20.0.0/16", "::/0", f"9:15: ::/0 would send all traffic into the tunnel; {NAME_THEM}"),
        ("10.20.0.0/16", "127.0.0.0/8", f"9:15: 127.0.0.0/8 never leaves this computer's own link; {NAME_THEM}"),
        ("10.20.0.0/16", "10.20.0.0/33", "9:15: write a network such as 10.20.0.0/16; this is '10.20.0.0/33'"),
        ("/etc/sekisho/device.key", "/etc/../x", f"8:10: {WHOLE_PATH}; this is '/etc/../x'"),
        ("the help desk", '"a\\eb"', f"2:17: the text holds a control character or {TURNING}"),
        ("the help desk", "' '", "2:17: write a text of 1 to 120 characters"),
        ("serial: 7", "serial: 0", "1:9: 'serial' must be at least 1"),
        ("serial: 7\n", "", "1:1: the policy needs the key 'serial'"),
    ],
)
def test_each_wrong_value_has_its_own_sentence(was: str, becomes: str, told: str):
    assert errors(SHORTEST.replace(was, becomes)) == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "1:1: the policy has no value"),
        (b"hello", "1:1: the policy is a section: write its keys below it, each on its own line"),
        (b"- a", "1:1: the policy is a section: write its keys below it, each on its own line"),
        (b"\xff\xfe", "1:1: the file is not UTF-8 text"),
        ("\ud800", "1:1: the file is not UTF-8 text"),
        ("a: \x00", "1:1: this is not YAML: it holds a character that no text may hold"),
        ("a: [", "2:1: this is not YAML: did not find expected node content"),
        ("a: b\n---\nc: d", "2:1: a second document starts here; a policy is one document"),
        ("? [a]\n: b", "1:3: a key must be a plain word"),
        ("{*a : b}", "1:2: a key must be a plain word"),
        ("x: " + "[" * 1000, f"1:{3 + DEEPEST}: this is nested deeper than {DEEPEST} levels"),
        ("#" * (LARGEST_TEXT + 1), TOO_BIG),
    ],
)
def test_what_is_no_policy_at_all_is_one_sentence(text: str | bytes, told: str):
    assert errors(text) == [told]


def test_a_bomb_of_aliases_is_told_and_never_unfolded():
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    told = errors("\n".join(lines))
    assert "2:10: '*a0' is an alias; write the value out" in told


@given(st.text(max_size=300) | st.binary(max_size=300))
@example("a: !<tag:x> b")
@example("%YAML 9.9\n---\na: b")
@example("%TAG ! tag:x,2000:\n---\n!a b")
@example("\ufeffserial: 1")
@example("? ? ? a")
@example("a:\n\t- b")
@example("serial: 9999999999999999999999")
def test_garbage_is_a_policy_error_and_nothing_else(text: str | bytes):
    assert errors(text)


@settings(max_examples=200)
@given(
    st.integers(0, len(SHORTEST)),
    st.integers(0, 30),
    st.text(alphabet="abz019 \n:-[]{}&*!|>'\"#%@`,?\\/.\u3042\u202e\x07", max_size=12),
)
def test_a_policy_damaged_anywhere_is_still_a_policy_or_a_policy_error(at: int, length: int, instead: str):
    damaged = SHORTEST[:at] + instead + SHORTEST[at + length :]
    lines = damaged.count("\n") + 2
    for error in complaints(damaged):
        assert 1 <= error.line <= lines
        assert error.column >= 1
        assert error.message == quote(error.message)
        assert "cannot be used" not in error.message


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(Policy.model_fields)), trees)
def test_any_value_in_any_section_is_a_policy_or_a_policy_error(section: str, tree: object):
    for error in complaints(f"{SHORTEST}{section}: {json.dumps(tree)}\n"):
        assert "cannot be used" not in error.message


def test_a_list_of_far_too_many_entries_is_one_error():
    lines = "\n".join(f"  - {{title: t{n}, name: n{n}}}" for n in range(30_000))
    told = errors(f"{SHORTEST}apps:\n forbidden:\n{lines}\n")
    assert told == ["12:3: 'apps.forbidden' has more than 1024"]


@pytest.mark.parametrize(
    ("written", "identity"),
    [
        ("fqdn:GW.Hospital.test", Identity("fqdn", "gw.hospital.test")),
        ("ip:198.51.100.1", Identity("ip", "198.51.100.1")),
        ("ip:2001:DB8::1", Identity("ip", "2001:db8::1")),
        ("email:gw@hospital.test", Identity("email", "gw@hospital.test")),
        ("dn:CN=gw, O=中央病院", Identity("dn", "CN=gw, O=中央病院")),
    ],
)
def test_identities_are_told_by_their_prefix(written: str, identity: Identity):
    read = load(SHORTEST.replace("fqdn:gw.hospital.test", written))
    assert read.sites["main"].gateways[0].identity == identity


@pytest.mark.parametrize(
    "written",
    ["gw", "fqdn:", "fqdn:a b", "ip:1.2.3", "email:x", "dn:gw", "key:abc", "FQDN:a", "fqdn:-", "dn:CN=\\u202e"],
)
def test_what_is_no_identity_is_refused(written: str):
    assert len(errors(SHORTEST.replace("fqdn:gw.hospital.test", written))) == 1


def test_dns_servers_and_names_are_read():
    read = load(SHORTEST + "    dns: {names: [Hospital.test., pacs.test], servers: 10.20.0.53}\n")
    assert read.sites["main"].dns is not None
    assert read.sites["main"].dns.names == ("hospital.test", "pacs.test")
    assert read.sites["main"].dns.servers == (IPv4Address("10.20.0.53"),)


def test_a_dns_server_that_would_be_asked_outside_the_tunnel_is_refused():
    (told,) = errors(SHORTEST + "    dns: {names: pacs.test, servers: [10.20.0.53, 9.9.9.9]}\n")
    assert told.endswith("the DNS server 9.9.9.9 lies outside 'networks' and would be asked in clear")


def seeing(security: Security = Security.WPA2_PSK, *programs: Program) -> Facts:
    links = Links((Wireless("wlan0", b"Cafe", "02:00:00:00:00:01", security),))
    return Facts(
        Observed(Programs(programs, 0, 0), Grade.ROOT, "test", 100.0),
        Observed(links, Grade.HEURISTIC, "test", 100.0),
        neighbourhood=Observed(Neighbourhood((), (), ()), Grade.ROOT, "test", 100.0),
    )


def test_a_policy_judges_facts_by_every_check_in_a_fixed_order():
    verdict = policy.judge(load(), seeing(), at(101.0))
    judged = [finding.check for finding in verdict.findings]
    assert judged == [check for check in DEFAULT_RULES if check in judged]
    assert verdict.allows


def test_an_open_network_refuses_or_warns_as_the_policy_says_and_names_the_help_desk():
    refused = policy.judge(load(), seeing(Security.OPEN), at(101.0))
    assert [finding.check for finding in refused.refusals] == ["wifi.trust"]
    warned = policy.judge(load(with_line("checks: {wifi.trust: {fail: warn}}")), seeing(Security.OPEN), at(101.0))
    assert warned.allows
    assert [finding.check for finding in warned.warnings] == ["wifi.trust"]
    unknown = policy.judge(load(), seeing(Security.UNKNOWN), at(101.0))
    assert "call the help desk (1234)" in unknown.refusals[0].remedy.en


def test_an_old_look_refuses():
    verdict = policy.judge(load(), seeing(), at(401.0))
    assert {finding.outcome for finding in verdict.findings} == {Outcome.UNKNOWN}
    assert not verdict.allows


def test_the_programs_of_the_one_who_asks_are_judged_unless_users_are_named():
    assert policy.judged_uids(load(), 1000, {}.get) == {1000}
    named = load(with_line("apps: {users: [sato, gone, 1005]}"))
    assert policy.judged_uids(named, 0, {"sato": 1001}.get) == {1001, 1005}


def test_named_users_that_do_not_exist_never_leave_nobody_judged():
    assert policy.judged_uids(load(with_line("apps: {users: [gone]}")), 1000, {}.get) == {1000}


def test_owned_programs_are_hashed_only_when_a_rule_goes_by_content():
    digest = "ab" * 32
    assert not policy.hashes_all(load())
    assert not policy.hashes_all(load(with_line(f"apps: {{approved: {{sha256: {digest}}}}}")))
    assert policy.hashes_all(load(with_line(f"apps: {{approved: {{packages: [a], sha256: {digest}}}}}")))
    assert policy.hashes_all(load(with_line(f"apps: {{forbidden: [{{title: x, sha256: {digest}}}]}}")))


def test_three_hundred_programs_are_judged_in_no_time():
    package = Package("dpkg", "firefox-esr", "128.5.0", Origin.EXACT)
    running = [
        Program(pid, pid, 1000, f"p{pid}", f"/usr/bin/p{pid}", package if pid % 10 else None) for pid in range(300)
    ]
    read, facts = policy.load(EXAMPLE.read_bytes(), EXAMPLE.name), seeing(Security.OPEN, *running)
    start = time.process_time()
    for _ in range(10):
        policy.judge(read, facts, at(101.0))
    assert (time.process_time() - start) / 10 < 0.02  # ten times the aim, for a busy machine
