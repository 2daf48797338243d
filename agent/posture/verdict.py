"""What a look amounts to: one finding per check, and whether the machine may be connected.

It knows no check and no policy file, and it never looks for itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Protocol

from agent.events import CheckResult, Evidence, Outcome, Response
from agent.posture.facts import Facts, Observed, Unseen
from agent.words import Words

Fact = Observed[object] | Unseen

__all__ = ["Check", "Cut", "Fact", "Finding", "Outcome", "Response", "Rule", "Verdict", "Who", "weigh"]


class Cut(StrEnum):
    """When a refusal ends a tunnel that is already open; the first is the strongest."""

    NOW = "now"
    COUNTDOWN = "countdown"
    SESSION_END = "session-end"


class Who(StrEnum):
    """Whose move it is."""

    YOU = "you"
    IT = "it"
    HELP_DESK = "help_desk"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the policy does about one check. `countdown`, `max_age` and `grace` are seconds.

    `shadow` records what would be done and does nothing; `grace` is how long what refuses is only a warning.
    """

    fail: Response = Response.REFUSE
    unknown: Response = Response.REFUSE
    cut: Cut = Cut.NOW
    countdown: float = 60.0
    max_age: float = 300.0
    shadow: bool = False
    grace: float = 0.0

    def response(self, outcome: Outcome) -> Response:
        """Give what is done about an outcome; a pass needs nothing."""
        answers = {Outcome.PASS: Response.OFF, Outcome.FAIL: self.fail, Outcome.UNKNOWN: self.unknown}
        return answers[outcome]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's answer: what was seen, what to do now, whose move it is.

    A check leaves `rule`, `cut` and `countdown` as they are, which is the strictest reading;
    `weigh` puts in what the policy says. `evidence` is all that an event may tell. `until` is the instant
    (seconds since 1970) from which this finding will be worse, None where none is known; a `shadow` finding
    is recorded and has no effect.
    """

    check: str
    outcome: Outcome
    seen: Words
    remedy: Words
    who: Who
    evidence: Evidence = field(default_factory=Evidence)
    rule: Response = Response.REFUSE
    cut: Cut = Cut.NOW
    countdown: float = 0.0
    until: float | None = None
    shadow: bool = False

    @property
    def sentence(self) -> Words:
        """What was seen, what to do and the code, as one text for a screen."""
        return Words(
            f"{self.seen.en} {self.remedy.en} ({self.check})",
            f"{self.seen.ja}{self.remedy.ja}({self.check})",
        )

    @property
    def result(self) -> CheckResult:
        """This finding as an event may carry it."""
        return CheckResult(self.check, self.outcome, self.rule, self.evidence, self.shadow)

    @property
    def gist(self) -> tuple[object, ...]:
        """What makes a finding news: all but its words, its date and the counts of what was missed."""
        rests_on = self.evidence.programs, self.evidence.networks, self.evidence.marks
        return self.check, self.outcome, self.rule, self.cut, self.shadow, rests_on


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings of one look, judged at `at` (seconds of the boot clock)."""

    findings: tuple[Finding, ...]
    at: float

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Findings that forbid a connection."""
        return self._answered(Response.REFUSE)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that are told but forbid nothing."""
        return self._answered(Response.WARN)

    @property
    def allows(self) -> bool:
        """Whether the machine may be connected."""
        return not self.refusals

    @property
    def cut(self) -> Cut | None:
        """When an open tunnel ends: the strongest cut among the refusals, None without one."""
        cuts = {finding.cut for finding in self.refusals}
        return next((cut for cut in Cut if cut in cuts), None)

    @property
    def countdown(self) -> float:
        """Seconds that are left to an open tunnel: the fewest among the refusals that count down."""
        return min((finding.countdown for finding in self.refusals if finding.cut is Cut.COUNTDOWN), default=0.0)

    def differs(self, other: "Verdict") -> bool:
        """Tell whether this verdict is news after the other."""
        return [finding.gist for finding in self.findings] != [finding.gist for finding in other.findings]

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """The findings as an event may carry them."""
        return tuple(finding.result for finding in self.findings)

    def _answered(self, response: Response) -> tuple[Finding, ...]:
        standing = (one for one in self.findings if one.outcome is not Outcome.PASS and not one.shadow)
        return tuple(finding for finding in standing if finding.rule is response)


class Check(Protocol):
    """One thing to judge: its stable code, which fact it needs, and what it makes of it."""

    check: ClassVar[str]

    def needs(self, facts: Facts) -> Fact:
        """Give the fact that this check judges."""
        ...

    def judge(self, facts: Facts) -> Finding:
        """Answer pass, fail or unknown."""
        ...

    def unknown(self, why: Words) -> Finding:
        """Answer unknown, for this reason."""
        ...


def weigh(checks: Sequence[tuple[Check, Rule]], facts: Facts, now: float) -> Verdict:
    """Judge the facts by each check and put what the policy says on each finding.

    A check that is off for both outcomes is not judged at all.
    """
    asked = [(check, rule) for check, rule in checks if {rule.fail, rule.unknown} != {Response.OFF}]
    return Verdict(tuple(_ruled(_judged(check, rule, facts, now), rule) for check, rule in asked), now)


def _judged(check: Check, rule: Rule, facts: Facts, now: float) -> Finding:
    fact = check.needs(facts)
    fresh = abs(now - fact.at) <= rule.max_age
    return check.judge(facts) if fresh or isinstance(fact, Unseen) else check.unknown(STALE)


def _ruled(finding: Finding, rule: Rule) -> Finding:
    response = rule.response(finding.outcome)
    return replace(finding, rule=response, cut=rule.cut, countdown=rule.countdown, shadow=rule.shadow)


STALE = Words(
    "The last look at this computer is too old to rely on.",
    "このパソコンを最後に検査してから時間が経ちすぎているため、結果を利用できません。",
)
