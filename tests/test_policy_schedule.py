"""Grace: what newly fails warns with a date, and refuses from an office hour on; shadow tells nobody."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events import CheckResult
from agent.posture.moment import Moment
from agent.posture.policy.schedule import OfficeHours, date, failing_since, spared
from agent.posture.verdict import Finding, Outcome, Response, Rule, Verdict, Who
from agent.words import Words

TOKYO = 9 * 3600.0
DAY = 86_400.0
FORTNIGHT = Rule(grace=14 * DAY)
USUAL = OfficeHours()
SEEN, DO = Words("Updates are missing.", "更新が不足しています。"), Words("Install them.", "更新してください。")
FAILS = Finding("device.updates", Outcome.FAIL, SEEN, DO, Who.YOU)


def local(text: str, ahead: float = TOKYO) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() - ahead


def at(text: str, ahead: float = TOKYO) -> Moment:
    return Moment(1.0, local(text, ahead), ahead)


@pytest.mark.parametrize(
    ("deadline", "ripens"),
    [
        ("2026-11-30 10:23", "2026-11-30 10:23"),
        ("2026-11-30 03:00", "2026-11-30 09:00"),
        ("2026-11-30 09:00", "2026-11-30 09:00"),
        ("2026-11-30 17:00", "2026-12-01 09:00"),
        ("2026-11-27 17:30", "2026-11-30 09:00"),
        ("2026-11-28 12:00", "2026-11-30 09:00"),
        ("2026-11-29 23:59", "2026-11-30 09:00"),
    ],
)
@pytest.mark.parametrize("ahead", [TOKYO, 0.0, -5 * 3600.0, 5.75 * 3600])
def test_a_deadline_ripens_at_the_first_office_hour_of_the_laptops_own_place(deadline: str, ripens: str, ahead: float):
    assert USUAL.first(local(deadline, ahead), ahead) == local(ripens, ahead)


def test_office_hours_of_one_day_a_week_are_waited_for():
    tuesdays = OfficeHours.model_validate({"days": ("tue",), "from": "13:00", "to": "24:00"})
    assert tuesdays.first(local("2026-12-01 12:00"), TOKYO) == local("2026-12-01 13:00")
    assert tuesdays.first(local("2026-12-02 00:00"), TOKYO) == local("2026-12-08 13:00")


@given(st.floats(0, 4e9), st.integers(-12 * 4, 14 * 4))
def test_no_deadline_ripens_at_night_on_a_weekend_or_before_its_time(deadline: float, quarters: int):
    ahead = quarters * 900.0
    ripe = USUAL.first(deadline, ahead)
    there = datetime.fromtimestamp(round(ripe + ahead), UTC)
    assert -1e-3 < ripe - deadline < 4 * DAY
    assert there.weekday() < 5
    assert 9 <= there.hour <= 17


def test_what_newly_fails_warns_with_the_date_from_which_it_refuses():
    now = at("2026-11-14 08:30")
    finding = spared(FAILS, FORTNIGHT, now.wall, USUAL, now)
    assert (finding.outcome, finding.rule, finding.until) == (Outcome.FAIL, Response.WARN, local("2026-11-30 09:00"))
    assert finding.sentence == Words(
        "Updates are missing. Install them. From Mon 30 Nov, 09:00 this will refuse the connection. (device.updates)",
        "更新が不足しています。更新してください。11月30日(月)9:00以降は接続できなくなります。(device.updates)",
    )


@pytest.mark.parametrize(
    ("now", "response"),
    [
        ("2026-11-28 08:30", Response.WARN),
        ("2026-11-30 08:59", Response.WARN),
        ("2026-11-30 09:00", Response.REFUSE),
        ("2026-11-30 23:00", Response.REFUSE),
        ("2026-12-05 03:00", Response.REFUSE),
    ],
)
def test_a_grace_that_ends_on_a_weekend_refuses_from_monday_morning_on(now: str, response: Response):
    assert spared(FAILS, FORTNIGHT, local("2026-11-14 08:30"), USUAL, at(now)).rule is response


def test_a_failure_of_the_future_counts_from_now_so_a_clock_set_back_lengthens_nothing_twice():
    now = at("2026-11-02 10:00")
    finding = spared(FAILS, FORTNIGHT, local("2030-01-01 00:00"), USUAL, now)
    assert finding.until == local("2026-11-16 10:00")


@pytest.mark.parametrize(
    "finding",
    [
        replace(FAILS, rule=Response.WARN),
        replace(FAILS, rule=Response.OFF, outcome=Outcome.PASS),
        replace(FAILS, shadow=True),
    ],
)
def test_what_refuses_nobody_needs_no_grace(finding: Finding):
    assert spared(finding, FORTNIGHT, 0.0, USUAL, at("2026-11-02 10:00")) is finding


def test_without_a_grace_what_fails_refuses_at_once_at_any_hour():
    night = at("2026-11-28 03:00")
    assert spared(FAILS, Rule(), night.wall, USUAL, night) is FAILS


def test_dates_are_told_as_people_write_them():
    assert date(local("2026-11-30 09:00"), TOKYO) == Words("Mon 30 Nov, 09:00", "11月30日(月)9:00")
    assert date(local("2027-05-01 17:05", 0.0), 0.0) == Words("Sat 1 May, 17:05", "5月1日(土)17:05")


PASSES = replace(FAILS, outcome=Outcome.PASS)
UNTOLD = replace(FAILS, outcome=Outcome.UNKNOWN)
RULES = {FAILS.check: Rule(unknown=Response.OFF, grace=DAY)}


def remembered(
    finding: Finding, known: dict[str, float], rule: Rule = RULES[FAILS.check], wall: float = 500.0
) -> object:
    return failing_since({FAILS.check: rule}, (finding,), known, wall)


def test_the_first_failure_is_remembered_and_a_later_one_moves_nothing():
    assert remembered(FAILS, {}) == {FAILS.check: 500.0}
    assert remembered(FAILS, {FAILS.check: 100.0}) == {FAILS.check: 100.0}


def test_a_pass_clears_it_and_a_look_that_could_not_tell_keeps_it_but_starts_nothing():
    assert remembered(PASSES, {FAILS.check: 100.0}) == {}
    assert remembered(UNTOLD, {FAILS.check: 100.0}) == {FAILS.check: 100.0}
    assert remembered(UNTOLD, {}) == {}
    assert remembered(UNTOLD, {}, Rule(grace=DAY)) == {FAILS.check: 500.0}


def test_nothing_is_counted_in_shadow_for_nobody_was_told():
    assert remembered(FAILS, {FAILS.check: 100.0}, replace(FORTNIGHT, shadow=True)) == {}


def test_without_a_grace_there_is_nothing_to_count():
    assert remembered(FAILS, {}, Rule()) == {}


def test_an_instant_of_the_future_counts_as_now():
    assert remembered(FAILS, {FAILS.check: 9_999.0}) == {FAILS.check: 500.0}


def test_a_check_that_is_judged_no_more_is_forgotten():
    assert failing_since(RULES, (), {FAILS.check: 100.0}, 500.0) == {}


def test_a_shadow_finding_is_recorded_as_what_it_would_be_and_told_nobody():
    shadow = replace(FAILS, shadow=True)
    verdict = Verdict((shadow, replace(shadow, rule=Response.WARN)), 0.0)
    assert (verdict.allows, verdict.cut, verdict.warnings) == (True, None, ())
    assert verdict.results[0] == CheckResult(FAILS.check, Outcome.FAIL, Response.REFUSE, shadow=True)
    assert verdict.differs(Verdict((FAILS, FAILS), 0.0))
