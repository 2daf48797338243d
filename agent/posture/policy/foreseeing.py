"""What will refuse a machine that stays as it is, and from when: the dates of its findings, played ahead.

It looks at nothing and remembers nothing; every fact is taken to stay as it was seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.posture.facts import Facts
from agent.posture.policy.judging import ORDER, Context, judge
from agent.posture.policy.model import Policy
from agent.posture.policy.schedule import failing_since
from agent.posture.verdict import Finding, Outcome, Response


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A finding as it will be from `at` on (seconds since 1970), or as it is already when `at` is now."""

    finding: Finding
    at: float


def foresee(policy: Policy, facts: Facts, context: Context, horizon: float) -> tuple[Foreseen, ...]:
    """Give what refuses now, and what will be worse within `horizon` seconds, each once and at its worst."""
    now, began = context.moment.wall, dict[str, int]()
    worst: dict[str, Foreseen] = {}
    for at, findings in _ahead(policy, facts, context, horizon):
        for finding in findings:
            weight = began.setdefault(finding.check, _weight(finding))
            known = worst.get(finding.check)
            least = weight if known is None else _weight(known.finding)
            if _weight(finding) > least or (at == now and weight == REFUSES):
                worst[finding.check] = Foreseen(finding, at)
    return tuple(sorted(worst.values(), key=lambda one: (one.at, ORDER.index(one.finding.check))))


def _ahead(
    policy: Policy, facts: Facts, context: Context, horizon: float
) -> Iterator[tuple[float, tuple[Finding, ...]]]:
    """Judge the same facts now and at each instant at which a finding says that it will be worse."""
    end = context.moment.wall + horizon
    for _ in range(MOST_STEPS):
        findings = judge(policy, facts, context).findings
        wall = context.moment.wall
        yield wall, findings
        at = min((one.until for one in findings if one.until is not None and one.until > wall), default=end)
        if at >= end:
            return
        since = failing_since(policy.rules, findings, context.failing_since, wall)
        context = replace(context, moment=replace(context.moment, wall=at), failing_since=since)


def _weight(finding: Finding) -> int:
    """Give how much a finding matters to a connection."""
    if finding.outcome is Outcome.PASS or finding.shadow:
        return 0
    return (Response.OFF, Response.WARN, Response.REFUSE).index(finding.rule)


REFUSES = 2

# Our choice: each check has a date or two.
MOST_STEPS = 64
