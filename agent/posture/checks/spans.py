"""How long something takes or is old, and on which day it happens, as people say it. Knows no check and no clock."""

from datetime import UTC, datetime

from agent.words import Words


def tell_span(seconds: float) -> Words:
    """Say a span of time in the largest unit of which there are two, rounded down; at least a second."""
    for size, english, japanese in UNITS:
        count = int(seconds // size)
        if count >= LEAST or size == 1:
            count = max(count, 1)
            return Words(f"{count} {english}{'s' if count > 1 else ''}", f"{count}{japanese}")
    raise AssertionError("the last unit is a second")


def tell_day(instant: float, ahead: float) -> Words:
    """Say the day of an instant (seconds since 1970) where local time is `ahead` seconds ahead of UTC."""
    day = datetime.fromtimestamp(min(max(instant + ahead, FIRST), LAST), UTC)
    return Words(f"{day.day} {MONTHS[day.month - 1]} {day.year}", f"{day.year}年{day.month}月{day.day}日")


UNITS = ((86_400, "day", "日"), (3_600, "hour", "時間"), (60, "minute", "分"), (1, "second", "秒"))
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

# Fixed by the calendar: the years 1 and 9999.
FIRST, LAST = -62_135_596_800.0, 253_402_300_799.0

# Our choice.
LEAST = 2
