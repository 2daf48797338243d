"""The network section of a policy: its page, its name, and what no network may divert."""

from ipaddress import ip_network

import pytest

from agent.posture.facts import Facts, Grade, Neighbourhood, Observed, Told
from agent.posture.facts.network import OnLink, Route
from agent.posture.moment import Moment
from agent.posture.policy import Context, Policy, PolicyErrors, judge, load
from tests.test_policy import SHORTEST

PAGES = ("http://check.hospital.example", "http://check.hospital.example:8080/empty?x=1", "http://192.0.2.1/")


def network(line: str) -> Policy:
    return load(f"{SHORTEST}network: {line}\n", "policy.yaml")


@pytest.mark.parametrize("url", PAGES)
def test_a_page_by_plain_http_is_taken(url: str):
    portal = network(f"{{portal: {{url: '{url}'}}}}").network.portal
    assert portal is not None
    assert portal.url == url


@pytest.mark.parametrize(
    "url",
    [
        "https://check.hospital.example/",
        "http://",
        "http://user:word@check.example/",
        "http://check.example:99999/",
        "http://check.example/a b",
        "http://check.example/#top",
        "http://check.example/\\r\\nX: y",
        "http://-check.example/",
        "file:///etc/passwd",
        "http://[::1]/",
        "5",
    ],
)
def test_any_other_page_is_refused_with_what_to_write(url: str):
    with pytest.raises(PolicyErrors, match="plain http"):
        network(f'{{portal: {{url: "{url}"}}}}')


def test_a_canary_is_a_domain_name():
    canary = network("{canary: {name: Does-Not-Exist.hospital.example.}}").network.canary
    assert canary is not None
    assert canary.name == "does-not-exist.hospital.example"
    with pytest.raises(PolicyErrors, match="domain name"):
        network("{canary: {name: 'a b'}}")


def outcome(policy: Policy, neighbourhood: Neighbourhood) -> str:
    seen = Facts(neighbourhood=Observed(neighbourhood, Grade.ROOT, "test", 1.0))
    findings = judge(policy, seen, Context(Moment(1.0, 0.0), b"k")).findings
    return next(finding.outcome for finding in findings if finding.check == "network.hostile")


def test_a_policy_protects_its_networks_and_its_routers_and_refuses_an_overlap_where_it_says_so():
    policy = network("{overlap: refuse}")
    (protected, *_) = policy.sites["main"].networks
    here = Neighbourhood((OnLink("eth0", protected),), (), ())
    assert outcome(policy, here) == "fail"
    assert outcome(load(SHORTEST, "policy.yaml"), here) == "pass"
    router = policy.sites["main"].gateways[0].address
    for prefix in (str(protected), "0.0.0.0/1", "128.0.0.0/1"):
        pushed = Neighbourhood((), (Route("eth0", ip_network(prefix), None, pushed=True),), (), portal=Told.NO)
        assert outcome(load(SHORTEST.replace(router, "198.51.100.1"), "policy.yaml"), pushed) == "fail"
