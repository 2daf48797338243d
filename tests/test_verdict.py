"""The verdict: what the policy's words make of findings, and how old a look may be."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Facts, Grade, Links, Observed, Unseen
from agent.posture.verdict import Cut, Finding, Outcome, Response, Rule, Verdict, Who, weigh
from agent.words import Words

SAID = Words("Seen.", "見ました。")
DO = Words("Do this.", "こうしてください。")
NOTHING = Facts(Unseen("asleep", 0.0), Unseen("asleep", 0.0))


@dataclass(frozen=True)
class Says:
    """A check that always gives one answer."""

    check: ClassVar[str] = "wifi.trust"
    outcome: Outcome = Outcome.FAIL

    def needs(self, facts):
        return facts.links

    def judge(self, facts):
        return Finding(self.check, self.outcome, SAID, DO, Who.YOU)

    def unknown(self, why):
        return Finding(self.check, Outcome.UNKNOWN, why, DO, Who.HELP_DESK)


def looked_at(at: float) -> Facts:
    return replace(NOTHING, links=Observed(Links(()), Grade.ROOT, "test", at))


def finding(rule: Response, cut: Cut = Cut.NOW, outcome: Outcome = Outcome.FAIL, countdown: float = 0.0) -> Finding:
    return Finding("wifi.trust", outcome, SAID, DO, Who.YOU, rule=rule, cut=cut, countdown=countdown)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("fail", Response)
@pytest.mark.parametrize("unknown", Response)
def test_the_rule_answers_each_outcome_by_its_own_word(outcome: Outcome, fail: Response, unknown: Response):
    verdict = weigh([(Says(outcome), Rule(fail=fail, unknown=unknown))], looked_at(0.0), now=1.0)
    answer = {Outcome.PASS: Response.OFF, Outcome.FAIL: fail, Outcome.UNKNOWN: unknown}[outcome]
    assert verdict.allows == (answer is not Response.REFUSE)
    assert bool(verdict.warnings) == (answer is Response.WARN)


def test_a_check_that_is_off_is_not_judged_at_all():
    assert weigh([(Says(), Rule(Response.OFF, Response.OFF))], looked_at(0.0), now=1.0).findings == ()


@pytest.mark.parametrize(("at", "outcome"), [(40.0, "pass"), (39.9, "unknown"), (160.0, "pass"), (160.1, "unknown")])
def test_a_look_that_is_too_old_or_from_the_future_is_unknown(at: float, outcome: str):
    verdict = weigh([(Says(Outcome.PASS), Rule(max_age=60.0))], looked_at(at), now=100.0)
    assert verdict.findings[0].outcome == outcome


def test_a_look_without_a_time_is_unknown():
    verdict = weigh([(Says(Outcome.PASS), Rule())], looked_at(float("nan")), now=100.0)
    assert not verdict.allows


def test_a_failed_look_is_for_the_check_to_explain_however_old():
    assert weigh([(Says(Outcome.UNKNOWN), Rule())], NOTHING, now=9_999.0).findings[0].seen == SAID


def test_the_policy_puts_the_cut_and_the_countdown_on_every_finding():
    verdict = weigh([(Says(), Rule(cut=Cut.COUNTDOWN, countdown=45.0))], looked_at(0.0), now=1.0)
    assert (verdict.cut, verdict.countdown) == (Cut.COUNTDOWN, 45.0)


def test_a_finding_that_nobody_weighed_is_read_most_strictly():
    verdict = Verdict((Finding("new.check", Outcome.UNKNOWN, SAID, DO, Who.IT),), 0.0)
    assert (verdict.allows, verdict.cut) == (False, Cut.NOW)


@given(
    st.lists(st.builds(finding, st.sampled_from(Response), st.sampled_from(Cut), st.sampled_from(Outcome)), max_size=6)
)
def test_refusals_and_warnings_are_disjoint_and_never_a_pass(findings: list[Finding]):
    verdict = Verdict(tuple(findings), 0.0)
    assert verdict.allows == (not verdict.refusals) == (verdict.cut is None)
    for told in verdict.refusals + verdict.warnings:
        assert told.outcome is not Outcome.PASS
    assert all(warning.rule is Response.WARN for warning in verdict.warnings)


def test_the_strongest_cut_of_the_refusals_counts_and_warnings_cut_nothing():
    now, counting, later = (
        finding(Response.REFUSE),
        finding(Response.REFUSE, Cut.COUNTDOWN),
        finding(Response.REFUSE, Cut.SESSION_END),
    )
    warning = finding(Response.WARN, Cut.NOW)
    assert Verdict((later, counting, now), 0.0).cut is Cut.NOW
    assert Verdict((later, warning, counting), 0.0).cut is Cut.COUNTDOWN
    assert Verdict((later, warning), 0.0).cut is Cut.SESSION_END
    assert Verdict((warning,), 0.0).cut is None


def test_the_shortest_countdown_counts():
    slow, fast = (finding(Response.REFUSE, Cut.COUNTDOWN, countdown=seconds) for seconds in (60.0, 20.0))
    assert Verdict((slow, fast), 0.0).countdown == 20.0


def test_a_finding_is_said_with_its_cure_and_its_code():
    assert finding(Response.REFUSE).sentence == Words(
        "Seen. Do this. (wifi.trust)", "見ました。こうしてください。(wifi.trust)"
    )
