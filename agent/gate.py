"""May this machine be connected now? Every state, every event and every transition, on a few screens.

Pure: `step` takes the state, what happened and the instant, and returns the new state and the
effects that the daemon carries out. It opens nothing, and it fails closed: without a fresh look
that allows it, nothing stays open.
"""

from dataclasses import dataclass, replace

from agent import events
from agent.events import CloseReason
from agent.posture.verdict import Cut, Finding, Verdict
from agent.problems import Problem, problem

Reason = Finding | Problem


# States. A state owns only what is true while it lasts.


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is open, and nothing stands in the way that anybody knows of."""


@dataclass(frozen=True, slots=True)
class Looking:
    """The user `uid` asked for a site; the machine is being looked at until `until` at the latest."""

    look: "Look"
    until: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The last request was refused, or what was open was cut, for these reasons."""

    site: str
    uid: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """The verdict allows the site, and the tunnel is being set up."""

    site: str
    uid: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Open:
    """The tunnel carries traffic since `since`; a countdown ends it at `cut_at`."""

    site: str
    uid: int
    verdict: Verdict
    since: float
    cut_at: float | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """The tunnel is being torn down; `reasons` is empty when a person asked for it.

    `since` is when it was opened, None when it never was.
    """

    site: str
    uid: int
    why: CloseReason
    reasons: tuple[Reason, ...]
    since: float | None


State = Idle | Looking | Refused | Opening | Open | Closing


# Events. What the daemon saw or was asked.


@dataclass(frozen=True, slots=True)
class Asked:
    """A user wants a site."""

    site: str
    uid: int


@dataclass(frozen=True, slots=True)
class Looked:
    """The look that was asked for ended with this verdict; an overtaken look counts for nothing."""

    look: "Look"
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Opened:
    """The tunnel is up and the network is set, as `record` tells."""

    record: events.Opened


@dataclass(frozen=True, slots=True)
class Failed:
    """Setting up failed, or what was open broke."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A person or the system no longer wants the site."""

    why: CloseReason = CloseReason.ASKED


@dataclass(frozen=True, slots=True)
class Changed:
    """Something about the machine changed, and it was judged anew."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LookLost:
    """The looking program is gone; `why` is one clause for the log."""

    why: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The machine is as it was before, but for what `left` tells; this much was carried."""

    bytes_in: int = 0
    bytes_out: int = 0
    left: Problem | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """The instant that `deadline` named has come."""


Event = Asked | Looked | Opened | Failed | Withdrawn | Changed | LookLost | Closed | Tick


# Effects. What the daemon carries out, in this order.


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the machine and answer `Looked` with this very value; drop a look that went before."""

    site: str
    uid: int
    asked_at: float


@dataclass(frozen=True, slots=True)
class OpenSite:
    """Set the tunnel up; answer `Opened` or `Failed`."""

    site: str
    uid: int


@dataclass(frozen=True, slots=True)
class CloseSite:
    """Tear down whatever there is of the tunnel, traffic first; always answer `Closed`."""

    site: str
    why: CloseReason


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell everybody who watches why; `cut_at` is when the tunnel will end for these reasons."""

    reasons: tuple[Reason, ...]
    cut_at: float | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """Tell only the one who asked that it cannot be done now."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Record:
    """Append to the evidence."""

    event: events.Event


Effect = Look | OpenSite | CloseSite | Tell | Deny | Record
Step = tuple[State, tuple[Effect, ...]]


def step(state: State, event: Event, now: float) -> Step:  # noqa: C901  # one table, whole on one screen
    """Take one step; `now` is seconds of the boot clock. A pair without a rule changes nothing."""
    match state, event:
        case ((Idle() | Refused()), Asked()):
            return _look(event, now)
        case Refused(), Withdrawn():
            return Idle(), ()
        case ((Looking() | Opening() | Open() | Closing()), Asked()):
            return state, (Deny(problem("busy")),)

        case Looking(), Looked() if event.look == state.look:
            return _judge(state, event.verdict)
        case Looking(), Changed() if not event.verdict.allows:
            return _judge(state, event.verdict)
        case Looking(), LookLost():
            return _give_up(state, problem("look.lost", event.why))
        case Looking(), Tick() if now >= state.until:
            return _give_up(state, problem("look.lost", "the look took too long"))
        case Looking(), Failed():
            return _give_up(state, event.problem)
        case Looking(), Withdrawn():
            return Idle(), ()

        case Opening(), Opened():
            return Open(state.site, state.uid, state.verdict, now), (Record(event.record),)
        case Opening(), Changed():
            return _rejudge_opening(state, event.verdict)
        case Open(), Changed():
            return _rejudge_open(state, event.verdict, now)
        case Open(), Tick() if state.cut_at is not None and now >= state.cut_at:
            return _close(state, CloseReason.POSTURE, state.verdict.refusals)

        case ((Opening() | Open()), Failed()):
            return _close(state, CloseReason.PROBLEM, (event.problem,))
        case ((Opening() | Open()), LookLost()):
            return _close(state, CloseReason.LOOK_LOST, (problem("look.lost", event.why),))
        case ((Opening() | Open()), Withdrawn()):
            return _close(state, event.why, ())
        case ((Opening() | Open()), Closed()):
            return _lose(state, event, now)
        case Closing(), Closed():
            return _ended(state, event, now)
        case _:
            return state, ()


def deadline(state: State) -> float | None:
    """Give the instant of the boot clock at which the state wants a `Tick`."""
    match state:
        case Looking(until=at) | Open(cut_at=at):
            return at
        case _:
            return None


def _look(asked: Asked, now: float) -> Step:
    look = Look(asked.site, asked.uid, now)
    return Looking(look, now + LONGEST_LOOK), (look,)


def _give_up(state: Looking, met: Problem) -> Step:
    """Refuse, for what was not seen cannot be allowed."""
    look = state.look
    return Refused(look.site, look.uid, (met,)), (*_records(look.site, look.uid, (met,)), Tell((met,)))


def _judge(state: Looking, verdict: Verdict) -> Step:
    site, uid = state.look.site, state.look.uid
    seen = Record(events.Looked(site, verdict.allows, verdict.results))
    if verdict.allows:
        return Opening(site, uid, verdict), (seen, *_warn(verdict), OpenSite(site, uid))
    reasons = verdict.refusals
    return Refused(site, uid, reasons), (seen, *_records(site, uid, reasons), Tell(reasons))


def _rejudge_opening(state: Opening, verdict: Verdict) -> Step:
    """Abort on any refusal, whatever its cut: nothing is open yet that could be lost."""
    if verdict.allows:
        return replace(state, verdict=verdict), _news(state, verdict)
    return _cut(state, verdict)


def _rejudge_open(state: Open, verdict: Verdict, now: float) -> Step:
    """Cut, count down or go on; a countdown that runs is only ever shortened, and a cure stops it."""
    if verdict.cut is Cut.NOW:
        return _cut(state, verdict)
    cut_at = None
    if verdict.cut is Cut.COUNTDOWN:
        cut_at = min(now + verdict.countdown, state.cut_at if state.cut_at is not None else float("inf"))
    news = _news(state, verdict)
    told = (Tell(verdict.refusals + verdict.warnings, cut_at),) if news else ()
    return replace(state, verdict=verdict, cut_at=cut_at), (*news, *told)


def _cut(state: Opening | Open, verdict: Verdict) -> Step:
    after, effects = _close(state, CloseReason.POSTURE, verdict.refusals)
    return after, (*effects, *_news(state, verdict))


def _close(state: Opening | Open, why: CloseReason, reasons: tuple[Reason, ...]) -> Step:
    """Leave `Opening` or `Open`: the tear-down comes first, then who must know."""
    told = (Tell(reasons),) if reasons else ()
    effects = (CloseSite(state.site, why), *told, *_records(state.site, state.uid, reasons))
    return _closing(state, why, reasons), effects


def _closing(state: Opening | Open, why: CloseReason, reasons: tuple[Reason, ...]) -> Closing:
    since = state.since if isinstance(state, Open) else None
    return Closing(state.site, state.uid, why, reasons, since)


def _ended(state: Closing, closed: Closed, now: float) -> Step:
    left = () if closed.left is None else (closed.left,)
    reasons = (*state.reasons, *left)
    after = Refused(state.site, state.uid, reasons) if reasons else Idle()
    met = (Tell(left), *_records(state.site, state.uid, left)) if left else ()
    if state.since is None:
        return after, met
    seconds = max(0.0, now - state.since)
    told = events.Closed(state.site, state.uid, state.why, seconds, closed.bytes_in, closed.bytes_out)
    return after, (Record(told), *met)


def _lose(state: Opening | Open, closed: Closed, now: float) -> Step:
    """Take note that it is gone although nobody asked for it and nothing said why."""
    reasons = (problem("internal", "the tunnel was closed without a reason"),)
    after, effects = _ended(_closing(state, CloseReason.PROBLEM, reasons), closed, now)
    return after, (Tell(reasons), *_records(state.site, state.uid, reasons), *effects)


def _warn(verdict: Verdict) -> tuple[Effect, ...]:
    return (Tell(verdict.warnings),) if verdict.warnings else ()


def _news(state: Opening | Open, verdict: Verdict) -> tuple[Effect, ...]:
    """Record a new look only if it found something else than the one before."""
    if not verdict.differs(state.verdict):
        return ()
    return (Record(events.Looked(state.site, verdict.allows, verdict.results)),)


def _records(site: str, uid: int, reasons: tuple[Reason, ...]) -> tuple[Effect, ...]:
    """Record what stands in the way: the findings in one event, each problem in its own."""
    checks = tuple(reason.result for reason in reasons if isinstance(reason, Finding))
    codes = [reason.code for reason in reasons if isinstance(reason, Problem)]
    refused = (Record(events.Refused(site, uid, checks)),) if checks else ()
    return (*refused, *(Record(events.ProblemMet(code, site)) for code in codes))


# Our choices, in seconds.
LONGEST_LOOK = 10.0
