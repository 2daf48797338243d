"""The links of a policy: every key reaches its check, and what people registered counts only where it may."""

import pytest

from agent.posture.checks.wifi import LinkKind, Managed, Registered, Strength, Trust
from agent.posture.moment import Moment
from agent.posture.policy.wifi import Wifi, trust
from agent.words import Words
from tests.test_policy import SHORTEST, errors, load

HELP, NOW = Words("help", "ヘルプ"), Moment(1.0, 1_795_000_000.0)
PHONE = Registered(b"Pixel", "my phone", since=1_777_734_000.0)
EVERYTHING = """\
wifi:
  own: [{ssid: Staff, title: staff, at_least: wpa3}]
  managed:
    - {ssid: Hospital, server: radius.hospital.example}
    - server: [a.hospital.example, B.hospital.example]
  registrations: 1
  protected: refuse
  at_least: wpa3
  management_frames: required
  wired: refuse
  tethered: refuse
  mobile: allow
"""


def built(wifi: Wifi, *registered: Registered) -> Trust:
    return trust(wifi, HELP, b"k" * 32, registered, NOW)


def test_every_key_reaches_the_check():
    check = built(load(SHORTEST + EVERYTHING).wifi, PHONE)
    assert check.own == (Registered(b"Staff", "staff", Strength.WPA3), PHONE)
    assert check.managed == (
        Managed(("radius.hospital.example",), b"Hospital"),
        Managed(("a.hospital.example", "b.hospital.example")),
    )
    assert (check.protected, check.at_least, check.guarded) == (False, Strength.WPA3, True)
    assert check.refused == {LinkKind.WIRED, LinkKind.TETHERED}


def test_a_policy_that_says_nothing_allows_every_link_that_is_protected():
    check = built(load(SHORTEST).wifi, PHONE)
    assert (check.protected, check.at_least, check.guarded, check.refused) == (True, Strength.WPA2, False, frozenset())
    assert check.own == (PHONE,)


def test_what_people_registered_counts_for_nothing_where_none_may_register():
    assert built(load(f"{SHORTEST}wifi: {{registrations: 0}}\n").wifi, PHONE).own == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wifi: {managed: [{ssid: x}]}", "10:18: entry 1 of 'wifi.managed' needs the key 'server'"),
        ("wifi: {managed: [{server: []}]}", "10:27: 'wifi.managed.1.server' needs at least 1"),
        ("wifi: {managed: [{server: 'a b'}]}", "10:27: write a domain name such as hospital.example; this is 'a b'"),
        ("wifi: {wired: no}", "10:15: 'no' is none of allow, refuse"),
        ("wifi: {registrations: 17}", "10:23: 'wifi.registrations' must be at most 16"),
        ("wifi: {management_frames: always}", "10:27: 'always' is none of any, required"),
    ],
)
def test_each_mistake_has_its_own_sentence(line: str, told: str):
    assert errors(f"{SHORTEST}{line}\n") == [told]
