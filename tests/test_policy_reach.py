"""What a policy grants besides a full tunnel: inside, service, emergency; and the sentence for each way to err."""

from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest

from agent.posture import policy
from agent.posture.facts import Facts, Grade, Links, Observed, Place, Places, Security, Told, Unseen, Wireless
from agent.posture.policy import Policy, PolicyErrors, Site
from agent.posture.policy.place import is_inside
from agent.posture.policy.sites import is_within, narrowed
from tests.test_policy import SHORTEST

DIGEST = "ab" * 32
GRANTS = f"""\
    dns: {{names: hospital.test, servers: [10.20.1.53, 10.20.9.53]}}
    inside: {{beacon: beacon.hospital.test, certificate: {DIGEST}, managed_wifi: radius.hospital.test}}
    service: {{networks: 10.20.1.0/24, policy_url: "https://policy.hospital.test/p.yaml"}}
    comes_back: 30m
emergency:
  reasons: {{patient: {{en: A patient is in danger, ja: 患者に危険が迫っている}}}}
  overridable: [wifi.trust]
  networks: [10.20.2.0/24, 172.16.0.0/24]
"""


def load(text: str = SHORTEST + GRANTS) -> Policy:
    return policy.load(text, "policy.yaml")


def main() -> Site:
    return load().sites["main"]


def test_without_a_word_nothing_is_granted():
    plain = load(SHORTEST)
    site = plain.sites["main"]
    assert (site.inside, site.service, site.comes_back, plain.emergency) == (None, None, 0.0, None)


def test_what_is_granted_is_read_with_its_defaults():
    site, emergency = main(), load().emergency
    assert site.inside is not None
    assert (site.inside.beacon, site.inside.port) == ("beacon.hospital.test", 443)
    assert site.service is not None
    assert (site.service.minutes, site.comes_back) == (15, 1800.0)
    assert emergency is not None
    assert (emergency.minutes, emergency.reached(site)) == (60, (IPv4Network("10.20.2.0/24"),))


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("networks: 10.20.1.0/24", "networks: 10.0.0.0/8", "lies outside the site's 'networks'"),
        ("networks: 10.20.1.0/24", "networks: 'fd00::/64'", "lies outside the site's 'networks'"),
        ("[wifi.trust]", "[device.identity]", "an emergency never overrides who this computer is"),
        ("[wifi.trust]", "[]", "overridable"),
        ("patient:", "Pat ient:", "a reason's code has 1 to 32 letters"),
        ("https:", "ftp:", "write an address such as"),
        ("https://", "https://somebody@", "write an address such as"),
        (".test/p", ".test:99999/p", "65535"),
        (f"certificate: {DIGEST}, ", "", "both 'beacon' and 'certificate'"),
        (
            f"beacon: beacon.hospital.test, certificate: {DIGEST}, managed_wifi: radius.hospital.test",
            "",
            "name a 'beac",
        ),
        ("10.20.1.0/24,", "10.20.1.0/24, minutes: 0,", "minutes"),
        ("comes_back: 30m", "comes_back: 30d", "comes_back"),
        ("[10.20.2.0/24, 172.16.0.0/24]", "10.0.0.0/8", "nothing would be reached"),
    ],
)
def test_what_is_written_wrong_is_told(right: str, wrong: str, sentence: str):
    with pytest.raises(PolicyErrors, match=sentence):
        load((SHORTEST + GRANTS).replace(right, wrong))


def test_a_narrowed_site_asks_no_name_server_that_it_does_not_reach():
    narrow = narrowed(main(), (IPv4Network("10.20.1.0/24"),))
    assert narrow.networks == (IPv4Network("10.20.1.0/24"),)
    assert narrow.dns is not None
    assert narrow.dns.servers == (IPv4Address("10.20.1.53"),)
    assert narrowed(main(), (IPv4Network("10.20.7.0/24"),)).dns is None
    assert narrowed(load(SHORTEST).sites["main"], (IPv4Network("10.20.7.0/24"),)).dns is None


@pytest.mark.parametrize(("network", "within"), [("10.20.1.0/24", True), ("10.0.0.0/8", False), ("fd00::/8", False)])
def test_a_network_lies_within_one_that_holds_all_of_it(network: str, within: bool):
    assert is_within(ip_network(network), (ip_network("fd00::/64"), ip_network("10.20.0.0/16"))) is within


def beacon(told: Told, site: str = "main", at: float = 100.0) -> Facts:
    return Facts(places=Observed(Places((Place(site, told, "eth0"),)), Grade.ROOT, "TLS", at))


def joined(security: Security = Security.ENTERPRISE, *, at: float = 100.0, **more: object) -> Facts:
    wireless = Wireless(
        "wlan0", b"Staff", "02:00:00:00:00:01", security, **{"pinned": ("radius.hospital.test",), **more}
    )
    return Facts(links=Observed(Links((wireless,)), Grade.ROOT, "NetworkManager", at))


@pytest.mark.parametrize(
    ("facts", "inside"),
    [
        (Facts(), False),
        (Facts(places=Unseen("no", 100.0), links=Unseen("no", 100.0)), False),
        (beacon(Told.YES), True),
        (beacon(Told.NO), False),
        (beacon(Told.UNTOLD), False),
        (beacon(Told.YES, site="other"), False),
        (beacon(Told.YES, at=-51.0), False),
        (joined(), True),
        (joined(negotiated=Security.ENTERPRISE), True),
        (joined(negotiated=Security.WPA2_PSK), False),
        (joined(pinned=("radius.elsewhere.test",)), False),
        (joined(pinned=("radius.hospital.test", "radius.elsewhere.test")), False),
        (joined(pinned=("west.radius.hospital.test",)), True),
        (joined(pinned=()), False),
        (joined(Security.SAE), False),
        (joined(at=-51.0), False),
    ],
)
def test_only_a_fresh_proof_of_place_counts(facts: Facts, inside: bool):
    assert is_inside("main", main(), facts, 100.0) is inside


def test_a_site_that_names_no_proof_is_never_stood_in():
    assert not is_inside("main", load(SHORTEST).sites["main"], beacon(Told.YES), 100.0)
