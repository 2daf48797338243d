"""Puts an explained or rehearsed policy into lines for people and into an object for programs. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from operator import attrgetter

from agent.office import phrases
from agent.posture.policy import Policy
from agent.posture.policy.explaining import Explained
from agent.posture.policy.rehearsing import Rehearsal, Tried
from agent.posture.policy.text import Place
from agent.posture.verdict import Response, Rule
from agent.words import Words, quote


def explained(policy: Policy, files: Sequence[str], checks: Sequence[Explained]) -> list[Words]:
    """Tell a policy's checks in lines."""
    head = [phrases.POLICY.filled(serial=str(policy.serial), files=", ".join(map(quote, files)))]
    if policy.mode == "shadow":
        head.append(phrases.IN_SHADOW)
    return [*head, _hours(policy), *(line for check in checks for line in _check(check))]


def explained_json(policy: Policy, files: Sequence[str], checks: Sequence[Explained]) -> Mapping[str, object]:
    """Tell the same as an object."""
    return {
        "serial": policy.serial,
        "mode": policy.mode,
        "files": list(files),
        "checks": [
            {
                "check": one.check,
                "looks_at": asdict(one.looks_at),
                **asdict(one.rule),
                "written": {key: _place(place) for key, place in one.written.items()},
            }
            for one in checks
        ],
    }


def rehearsed(rehearsal: Rehearsal, left_out: Sequence[str]) -> list[Words]:
    """Tell in lines what a policy would have done."""
    counts = {
        "refused": len(rehearsal.refused),
        "newly": len(rehearsal.newly),
        "outside": len(rehearsal.outside_hours),
        "devices": len(rehearsal.devices()),
        "reports": len(rehearsal.tried),
    }
    said = {name: str(count) for name, count in counts.items()}
    lost = len(rehearsal.devices(lambda one: one.stored.lost))
    return [
        phrases.REHEARSED.filled(**said),
        phrases.WOULD_REFUSE.filled(**said),
        *(_counted(part, check, count) for part in PARTS for check, count in _by_check(rehearsal, part).items()),
        *([phrases.LOST.filled(count=str(lost))] if lost else []),
        *(phrases.UNREADABLE.filled(why=quote(why)) for why in left_out),
        phrases.LIMITS,
    ]


def rehearsed_json(rehearsal: Rehearsal, left_out: Sequence[str]) -> Mapping[str, object]:
    """Tell the same as an object, and each report that would have been refused."""
    return {
        "reports": len(rehearsal.tried),
        "devices": len(rehearsal.devices()),
        "refused": sorted(rehearsal.refused),
        "newly": sorted(rehearsal.newly),
        "outside_hours": sorted(rehearsal.outside_hours),
        "by_check": {part: _by_check(rehearsal, part) for part in PARTS},
        "left_out": list(left_out),
    }


def _by_check(rehearsal: Rehearsal, part: str) -> Mapping[str, int]:
    return rehearsal.by_check(PARTS[part])


def _counted(part: str, check: str, count: int) -> Words:
    return phrases.BY_CHECK[part].filled(check=check, count=str(count))


def _hours(policy: Policy) -> Words:
    hours = policy.office_hours
    opens, closes = _time(hours.opens), _time(hours.closes)
    english = phrases.HOURS.en.format(days=" ".join(hours.days), opens=opens, closes=closes)
    days = "".join(phrases.DAYS[day] for day in hours.days)
    return Words(english, phrases.HOURS.ja.format(days=days, opens=opens, closes=closes))


def _check(one: Explained) -> Iterator[Words]:
    yield Words(f"\n{one.check}: {one.looks_at.en}", f"\n{one.check}: {one.looks_at.ja}")
    for key, told in _rows(one.rule):
        label, place = phrases.LABELS[key], one.written.get(key)
        where = phrases.DEFAULT if place is None else Words(_place(place), _place(place))
        yield Words(f"  {label.en}: {told.en} ({where.en})", f"  {label.ja}: {told.ja}({where.ja})")


def _rows(rule: Rule) -> Iterator[tuple[str, Words]]:
    yield "fail", phrases.RESPONSES[rule.fail]
    yield "unknown", phrases.RESPONSES[rule.unknown]
    if Response.REFUSE in (rule.fail, rule.unknown):
        yield "cut", _filled(phrases.CUTS[rule.cut], rule.countdown)
    yield "max_age", _span(rule.max_age)
    if rule.grace:
        yield "grace", _filled(phrases.GRACE, rule.grace)
    if rule.shadow:
        yield "shadow", phrases.ONLY_RECORDED


def _filled(template: Words, seconds: float) -> Words:
    span = _span(seconds)
    return Words(template.en.format(span=span.en), template.ja.format(span=span.ja))


def _span(seconds: float) -> Words:
    """Tell a time in the largest unit that measures it whole."""
    unit = next(unit for unit in phrases.UNITS if seconds % unit == 0)
    return phrases.UNITS[unit].filled(n=f"{seconds / unit:.0f}")


def _time(seconds: float) -> str:
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours:02}:{minutes:02}"


def _place(place: Place) -> str:
    return f"{quote(place.file)}:{place.line}"


PARTS: Mapping[str, Callable[[Tried], tuple[str, ...]]] = {
    "refused": attrgetter("refused"),
    "later": attrgetter("later"),
    "shadow": attrgetter("shadow"),
    "missing": attrgetter("missing"),
}
