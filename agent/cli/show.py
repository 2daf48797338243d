"""Replies of the service as lines for people. Pure: it prints nothing and asks nothing.

Everything that came over the socket is escaped here, so no control character reaches a terminal.
"""

from collections.abc import Iterator, Sequence

from agent.cli import phrases
from agent.control.messages import Reason, Refused, Status, Tunnel
from agent.problems import Problem
from agent.words import LONGEST_QUOTE, Language, Words, quote


def safe(text: str) -> str:
    """Escape text of the service for a terminal, whole up to `LONGEST_TEXT` characters."""
    cut = text[:LONGEST_TEXT]
    return "".join(quote(cut[start : start + LONGEST_QUOTE]) for start in range(0, len(cut), LONGEST_QUOTE))


def connected(status: Status, elapsed_ms: float, language: Language) -> Iterator[str]:
    """Tell that a connect succeeded, how far and how long it reaches, and who is at both ends."""
    said = phrases.ENTERED.get(status.state, phrases.CONNECTED)
    yield said.filled(site=safe(status.site or "?"), seconds=_seconds(elapsed_ms)).in_(language)
    if status.ends_in is not None:
        yield phrases.ENDS_AFTER.filled(span=span(status.ends_in).in_(language)).in_(language)
    if status.tunnel is not None:
        yield from _table(_ends(status.tunnel), language)
    for warning in status.warnings:
        yield f"- {safe(warning.seen.in_(language))}  [{safe(warning.code)}]"
    if status.warnings:
        yield phrases.WARNED.in_(language)


def standing(status: Status, language: Language) -> Iterator[str]:
    """Tell the state, the tunnel if there is one, and what stands against it."""
    yield headline(status, language)
    rows = [] if status.tunnel is None else [*_ends(status.tunnel), *_use(status.tunnel, language)]
    serial = status.policy_serial
    policy = phrases.NO_POLICY if serial is None else phrases.SERIAL.filled(serial=str(serial))
    rows += [("policy", policy.in_(language)), ("sites", ", ".join(map(safe, status.sites)) or "-")]
    yield from _table(rows, language)
    for told in status.reasons + status.warnings:
        yield from reason(told, language)


def headline(status: Status, language: Language) -> str:
    """Tell the state and the site on one line, and how long what only lasts for a time will last."""
    state = phrases.STATES[status.state].in_(language)
    site = f" ({safe(status.site)})" if status.site else ""
    return ", ".join((f"Sekisho: {state}{site}", *_left(status, language)))


def change(status: Status, clock: str, language: Language) -> str:
    """Tell one change on one bounded line."""
    codes = ", ".join(safe(each.code) for each in status.reasons)
    line = f"{clock} {headline(status, language)}" + (f": {codes}" if codes else "")
    return line if len(line) <= LONGEST_CHANGE else line[: LONGEST_CHANGE - 1] + "…"


def refusal(refused: Refused, asked_to_connect: bool, language: Language) -> Iterator[str]:
    """Tell why a request was not carried out, who must do what now, and whether an emergency would pass over it."""
    if not asked_to_connect:
        yield phrases.NOT_DONE.in_(language)
    else:
        yield (phrases.REFUSED if refused.by == "posture" else phrases.FAILED).in_(language)
    for told in refused.reasons:
        yield from reason(told, language)
    if refused.overridable:
        yield phrases.IN_AN_EMERGENCY.in_(language)


def why(status: Status, language: Language) -> Iterator[str]:
    """Tell the reasons of the last refusal or cut, and the warnings that stand."""
    if not status.reasons:
        yield phrases.NOTHING_REFUSED.in_(language)
    for told in status.reasons + status.warnings:
        yield from reason(told, language)
    if status.comes_back_in is not None:
        yield _comes_back(status.comes_back_in, language)


def reason(told: Reason, language: Language) -> Iterator[str]:
    """Tell one reason: what was seen, what to do, who must act, and the code."""
    who = phrases.WHO.get(told.who, Words(told.who, told.who)).in_(language)
    label = phrases.WHOSE_SIDE if told.outcome == "problem" else phrases.WHO_ACTS
    yield f"- {safe(told.seen.in_(language))}"
    yield f"    {phrases.WHAT_TO_DO.in_(language)}: {safe(told.remedy.in_(language))}"
    yield f"    {label.in_(language)}: {safe(who)}  [{safe(told.code)}: {phrases.MARKS[told.outcome].in_(language)}]"


def span(seconds: float) -> Words:
    """Tell a span of time in the largest unit of which there are two, rounded down."""
    left = max(0.0, min(seconds, LONGEST_DURATION))
    unit = next(unit for unit in phrases.UNITS if left >= 2 * unit or unit == 1)
    return phrases.UNITS[unit].filled(count=f"{left // unit:.0f}")


def as_refusal(problem: Problem) -> Refused:
    """Put a problem of our own end into the shape in which the service refuses."""
    seen = problem.cause
    if problem.detail:
        seen = Words(f"{seen.en} ({problem.detail})", f"{seen.ja}({problem.detail})")
    return Refused("problem", (Reason(problem.code, "problem", seen, problem.step, problem.side),))


def _ends(tunnel: Tunnel) -> list[tuple[str, str]]:
    return [
        ("gateway", f"{safe(tunnel.remote_identity)} ({safe(tunnel.gateway)})"),
        ("you", safe(tunnel.local_identity)),
        ("ike", safe(tunnel.ike_suite)),
        ("esp", safe(tunnel.esp_suite)),
        ("address", f"{', '.join(map(safe, tunnel.addresses))} ({safe(tunnel.interface)})"),
        ("networks", ", ".join(map(safe, tunnel.networks))),
        ("handshake", f"{tunnel.handshake_ms:.1f} ms"),
    ]


def _use(tunnel: Tunnel, language: Language) -> list[tuple[str, str]]:
    traffic = phrases.IN_AND_OUT.filled(received=_size(tunnel.bytes_in), sent=_size(tunnel.bytes_out))
    return [("since", _duration(tunnel.seconds)), ("traffic", traffic.in_(language))]


def _table(rows: Sequence[tuple[str, str]], language: Language) -> Iterator[str]:
    labels = [phrases.LABELS[name].in_(language) for name, _ in rows]
    widest = max(map(_width, labels), default=0)
    for label, (_, value) in zip(labels, rows, strict=True):
        yield f"  {label}{' ' * (widest - _width(label))}  {value}"


def _width(text: str) -> int:
    """Count terminal columns: a Japanese character takes two."""
    return sum(2 if ord(character) >= FIRST_WIDE else 1 for character in text)


def _left(status: Status, language: Language) -> Iterator[str]:
    if status.cut_in is not None:
        yield phrases.CLOSES_IN.filled(seconds=f"{min(status.cut_in, LONGEST_DURATION):.0f}").in_(language)
    if status.ends_in is not None:
        yield phrases.ENDS_IN.filled(span=span(status.ends_in).in_(language)).in_(language)
    if status.comes_back_in is not None:
        yield phrases.COMES_BACK.in_(language)


def _comes_back(seconds: float, language: Language) -> str:
    return phrases.COMES_BACK_WITHIN.filled(span=span(seconds).in_(language)).in_(language)


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(max(0.0, min(seconds, LONGEST_DURATION))), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _size(count: int) -> str:
    amount = float(min(max(count, 0), LARGEST_COUNT))
    for unit in ("B", "kB", "MB", "GB"):
        if amount < THOUSAND:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= THOUSAND
    return f"{amount:.1f} TB"


# Our choices.
LONGEST_TEXT = 2_000
LONGEST_CHANGE = 500
LONGEST_DURATION = 1e9
LARGEST_COUNT = 10**18
THOUSAND = 1000
FIRST_WIDE = 0x1100
