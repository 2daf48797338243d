"""Knows from when on a laptop that stays as it is will be refused, by the dates of its findings."""

from datetime import UTC, datetime

from agent.posture.facts import Facts, Grade, Links, Observed, Papers, Programs, Told, Updates
from agent.posture.facts.device import Paper
from agent.posture.moment import Moment
from agent.posture.policy import Context, load
from agent.posture.policy.foreseeing import foresee
from tests.test_daemon_small import POLICY

HOUR, DAY = 3600.0, 86_400.0
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC).timestamp()  # a Tuesday
STRICT = "checks: {device.identity: {fail: refuse}, device.updates: {fail: refuse, grace: 3d}}\n"


def facts(ends: float = 400 * DAY, **more: object) -> Facts:
    """A laptop on which all is well, with a certificate that ends so many seconds from now."""
    papers = Papers((Paper("main", 0.0, NOW + ends, Told.YES),))
    seen = {"programs": Programs((), 0, 0), "links": Links(()), "papers": papers, **more}
    return Facts(**{name: Observed(value, Grade.ROOT, "made", 100.0) for name, value in seen.items()})


def foreseen(seen: Facts, more: str = STRICT, since: dict[str, float] | None = None) -> list[tuple[str, str, float]]:
    """Give check, response and hours from now of what is foreseen."""
    context = Context(Moment(100.0, NOW), b"k" * 32, since or {})
    told = foresee(load(POLICY + more, "policy.yaml"), seen, context, 14 * DAY)
    return [(one.finding.check, one.finding.rule.value, round((one.at - NOW) / HOUR, 1)) for one in told]


def updates(*pending: str, until: float | None = None, restart: bool = False) -> Updates:
    return Updates("Debian 12", until or NOW + 900 * DAY, pending, 0.0, restart)


def test_a_laptop_on_which_all_is_well_has_nothing_to_come():
    assert foreseen(facts()) == []


def test_a_certificate_refuses_from_its_last_second_on():
    assert foreseen(facts(ends=10 * HOUR)) == [("device.identity", "refuse", 10.0)]
    assert foreseen(facts(ends=13 * DAY)) == [("device.identity", "refuse", 13 * 24.0)]
    assert foreseen(facts(ends=15 * DAY)) == []
    assert foreseen(facts(ends=-HOUR)) == [("device.identity", "refuse", 0.0)]


def test_what_only_warns_or_does_nothing_is_told_as_such():
    assert foreseen(facts(ends=10 * HOUR), "") == [("device.identity", "warn", 10.0)]
    assert foreseen(facts(ends=10 * HOUR), "checks: {device.identity: {fail: 'off'}}\n") == []
    assert foreseen(facts(ends=10 * HOUR), STRICT + "mode: shadow\n") == []


def test_a_grace_refuses_from_its_date_counted_from_when_it_began():
    waiting = facts(updates=updates("openssl"))
    assert foreseen(waiting) == [("device.updates", "refuse", 73.0)]  # Friday at 9:00, when the office opens
    assert foreseen(waiting, since={"device.updates": NOW - 2 * DAY}) == [("device.updates", "refuse", 25.0)]
    assert foreseen(waiting, since={"device.updates": NOW - 3 * DAY}) == [("device.updates", "refuse", 1.0)]
    assert foreseen(waiting, since={"device.updates": NOW - 9 * DAY}) == [("device.updates", "refuse", 0.0)]


def test_a_grace_that_only_begins_ahead_is_counted_from_there():
    ends = facts(updates=updates(until=NOW + 5 * HOUR))
    assert foreseen(ends) == [("device.updates", "refuse", 5.0 + 72.0)]


def test_the_worst_of_a_check_is_told_once():
    both = facts(ends=2 * HOUR, updates=updates("openssl", until=NOW + HOUR))
    assert [check for check, _, _ in foreseen(both)] == ["device.identity", "device.updates"]
