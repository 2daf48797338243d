"""When what a check found becomes a refusal: a grace that is told with its date and ends in office hours only.

It reads no clock; how far local time is ahead of UTC now is taken to hold until the date that is told.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from agent.posture.checks.sentences import tell
from agent.posture.moment import Moment
from agent.posture.policy.rules import Section
from agent.posture.policy.values import TimeOfDay
from agent.posture.verdict import Finding, Outcome, Response, Rule
from agent.words import Words

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class OfficeHours(Section):
    """When somebody answers the help desk's phone; no grace ends at another time."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = ("mon", "tue", "wed", "thu", "fri")
    opens: Annotated[TimeOfDay, Field(alias="from", description="local time of the laptop, 09:00")] = 9 * 3600.0
    closes: Annotated[TimeOfDay, Field(alias="to", description="local time of the laptop, 17:00")] = 17 * 3600.0

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.opens >= self.closes:
            raise ValueError("the office hours end before they begin; 'from' is earlier than 'to'")
        return self

    def first(self, at: float, ahead: float) -> float:
        """Give the first instant from `at` on that lies in office hours; `ahead` is local time's lead over UTC."""
        local = at + ahead
        days = (local // DAY * DAY + number * DAY for number in range(8))
        spans = ((max(local, day + self.opens), day + self.closes) for day in days if self._includes(day))
        return next(start for start, end in spans if start < end) - ahead

    def _includes(self, day: float) -> bool:
        return WEEKDAYS[datetime.fromtimestamp(day, UTC).weekday()] in self.days


def spared(finding: Finding, rule: Rule, since: float, hours: OfficeHours, now: Moment) -> Finding:
    """Let a finding that refuses only warn until its grace is over, counted from `since`, and say from when it will."""
    if finding.rule is not Response.REFUSE or finding.shadow or not rule.grace:
        return finding
    due = hours.first(min(since, now.wall) + rule.grace, now.ahead)
    if due <= now.wall:
        return finding
    remedy = tell(REFUSES_FROM, remedy=finding.remedy, when=date(due, now.ahead))
    return replace(finding, rule=Response.WARN, remedy=remedy, until=due)


def failing_since(
    rules: Mapping[str, Rule], findings: tuple[Finding, ...], known: Mapping[str, float], wall: float
) -> Mapping[str, float]:
    """Give since when each check with a grace found what refuses, after these findings.

    A pass clears it; a look that could not tell keeps it. An instant in the future counts as now, for the clock was
    set back. In shadow nothing is counted, for nobody was told.
    """
    counted = (one for one in findings if _counts(one, rules[one.check], one.check in known))
    return {one.check: min(known.get(one.check, wall), wall) for one in counted}


def date(at: float, ahead: float) -> Words:
    """Tell an instant as a day and a time of day where the laptop is."""
    local = datetime.fromtimestamp(at + ahead, UTC)
    weekday, month = local.weekday(), MONTHS[local.month - 1]
    return Words(
        f"{WEEKDAYS[weekday].capitalize()} {local.day} {month}, {local:%H:%M}",
        f"{local.month}月{local.day}日({WEEKDAYS_JA[weekday]}){local.hour}:{local:%M}",
    )


def _counts(finding: Finding, rule: Rule, known: bool) -> bool:
    if finding.outcome is Outcome.PASS or rule.shadow or not rule.grace:
        return False
    return known or rule.response(finding.outcome) is Response.REFUSE


DAY = 86_400.0
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
WEEKDAYS_JA = "月火水木金土日"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
REFUSES_FROM = Words(
    "{remedy} From {when} this will refuse the connection.", "{remedy}{when}以降は接続できなくなります。"
)
