"""Puts what was seen and how it was judged into the report that people are told.

It neither looks nor judges.
"""

from collections.abc import Mapping
from typing import Literal

from agent.control.messages import Checked, Report
from agent.control.server import reason
from agent.daemon.checkpoint import Sighting
from agent.daemon.instants import iso
from agent.daemon.jury import Jury
from agent.posture.facts import Grade, Unseen
from agent.posture.verdict import Fact, Finding, Outcome, Response
from agent.problems import problem


def report(jury: Jury, sighting: Sighting) -> Report:
    """Tell every finding with the fact that it rests on; without a look nothing would be let through."""
    facts, now = jury.rests_on(sighting.facts, sighting.at), sighting.at
    return Report(
        at=iso(now.wall),
        policy_serial=jury.policy.serial,
        allowed=sighting.verdict.allows and sighting.lost is None,
        findings=tuple(_checked(finding, facts[finding.check], now.boot) for finding in sighting.verdict.findings),
        problem=None if sighting.lost is None else reason(problem("look.lost", sighting.lost)),
    )


def _checked(finding: Finding, fact: Fact, now: float) -> Checked:
    grade, method = (None, "") if isinstance(fact, Unseen) else (GRADES[fact.grade], fact.method)
    return Checked(
        code=finding.check,
        outcome=OUTCOMES[finding.outcome],
        response=RESPONSES[finding.rule],
        seen=finding.seen,
        remedy=finding.remedy,
        who=finding.who.value,
        grade=grade,
        method=method,
        age=round(max(0.0, now - fact.at), 1),
        shadow=finding.shadow,
        until=None if finding.until is None else iso(finding.until),
    )


OUTCOMES: Mapping[Outcome, Literal["pass", "fail", "unknown"]] = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "fail",
    Outcome.UNKNOWN: "unknown",
}
RESPONSES: Mapping[Response, Literal["refuse", "warn", "off"]] = {
    Response.REFUSE: "refuse",
    Response.WARN: "warn",
    Response.OFF: "off",
}
GRADES: Mapping[Grade, Literal["A", "B", "C"]] = {Grade.ATTESTED: "A", Grade.ROOT: "B", Grade.HEURISTIC: "C"}
