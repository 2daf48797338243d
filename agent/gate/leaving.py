"""The ways out: cuts, countdowns, boxes that end, and what follows once all is torn down."""

from dataclasses import replace

from agent import events
from agent.events import CloseReason
from agent.gate.entering import Step, allowed, enter, refuse, returning
from agent.gate.recording import news, records, seen, warn
from agent.gate.signals import Changed, Closed, CloseSite, Effect, Record, Tell
from agent.gate.states import Closing, Emergency, Idle, Inside, Open, Opening, Refused, Service
from agent.gate.wishes import Reason, Terms, standing
from agent.posture.verdict import Cut, Verdict
from agent.problems import Problem, problem

Carrying = Opening | Open | Emergency


def rejudge_opening(state: Opening, verdict: Verdict, now: float) -> Step:
    """Abort on any refusal, whatever its cut: nothing is open yet that could be lost."""
    if standing(verdict, state.plea).allows:
        return replace(state, verdict=verdict), news(state, verdict)
    return _cut(state, verdict, now)


def rejudge_open(state: Open | Emergency, verdict: Verdict, now: float) -> Step:
    """Cut, count down or go on; a countdown that runs is only ever shortened, and a cure stops it."""
    stands = _standing(state, verdict)
    if stands.cut is Cut.NOW:
        return _cut(state, verdict, now)
    cut_at = None
    if stands.cut is Cut.COUNTDOWN:
        cut_at = min(now + stands.countdown, state.cut_at if state.cut_at is not None else float("inf"))
    fresh = news(state, verdict)
    told = (Tell(verdict.refusals + verdict.warnings, cut_at),) if fresh else ()
    return replace(state, verdict=verdict, cut_at=cut_at), (*fresh, *told)


def count_out(state: Open | Emergency, now: float) -> Step:
    """Cut at the end of the countdown."""
    return close(state, CloseReason.POSTURE, _standing(state, state.verdict).refusals, now)


def end_emergency(state: Emergency, now: float) -> Step:
    """End an emergency's box: whoever needs more asks again."""
    return close(state, CloseReason.TIME, (problem("emergency.over"),), now)


def fail(state: Carrying, met: Problem, now: float) -> Step:
    """Close for a problem; a network that is not up yet takes no wish away that waits to come back."""
    closing, effects = close(state, CloseReason.PROBLEM, (met,), now)
    if met.side == "network" and state.wish.back is not None:
        closing = replace(closing, wish=state.wish.in_vain(now))
    return closing, effects


def fail_blind(state: Carrying, why: str, now: float) -> Step:
    """Close, for nobody can look at the machine any more."""
    return close(state, CloseReason.LOOK_LOST, (problem("look.lost", why),), now)


def close(
    state: Carrying | Service, why: CloseReason, reasons: tuple[Reason, ...], now: float
) -> tuple[Closing, tuple[Effect, ...]]:
    """Tear down first, then tell who must know; only after a cut does the wish stand on."""
    since = None if isinstance(state, Opening) else state.since
    wish = state.wish.stands_until(None)
    if why is CloseReason.POSTURE:
        never_was = since is None and state.wish.back is None
        wish = state.wish if never_was else state.wish.after_cut(now)
    effects = (CloseSite(wish.site, why), *warn(reasons), *records(wish, reasons), *_emergency_over(state, why, now))
    return Closing(wish, why, reasons, since), effects


def withdraw(state: Carrying | Service, why: CloseReason, now: float) -> Step:
    """Close because somebody asked for it; nothing follows."""
    return close(state, why, (), now)


def withdraw_rest(state: Closing) -> Step:
    """Take back whatever would follow: it is not wished for any more."""
    return replace(state, wish=replace(state.wish, terms=Terms(), back=None), then=None), ()


def rejudge_closing(state: Closing, event: Changed, now: float) -> Step:
    """Judge anew what follows: what is cured meanwhile opens again, what fails does not."""
    if state.then is not None:
        return _rejudge_next(state, state.then, event)
    if not event.verdict.allows:
        return replace(state, reasons=event.verdict.refusals), ()
    if not state.wish.may_return(now):
        return state, ()
    return replace(state, then=returning(state.wish, event)), (seen(state.wish, event.verdict),)


def lose_sight(state: Closing, met: Problem) -> Step:
    """Let nothing follow that nobody could watch."""
    wish = state.wish.stands_until(None)
    if state.then is None:
        return replace(state, wish=wish), ()
    return replace(state, wish=wish, reasons=(met,), then=None), (*warn((met,)), *records(wish, (met,)))


def ended(state: Closing, closed: Closed, now: float) -> Step:
    """Record what was carried, then do what follows: enter, refuse, or rest. What could not be put back comes first."""
    left = () if closed.left is None else (closed.left,)
    met = (*warn(left), *records(state.wish, left))
    told = (*_carried(state, closed, now), *met)
    if left:
        return Refused(state.wish.stands_until(None), (*state.reasons, *left)), told
    if state.then is not None:
        after, effects = enter(state.then)
        return after, (*told, *effects)
    if not state.reasons:
        return Idle(), told
    if state.why is not CloseReason.POSTURE:
        return Refused(state.wish, state.reasons), told
    after, effects = refuse(state.wish, state.reasons, now)
    return after, (*told, *effects)


def lose(state: Carrying | Service, closed: Closed, now: float) -> Step:
    """Take note that it is gone although nobody asked for it and nothing said why."""
    met = problem("internal", "the tunnel was closed without a reason")
    closing, (_, *told) = close(state, CloseReason.PROBLEM, (met,), now)
    after, effects = ended(closing, closed, now)
    return after, (*told, *effects)


def _rejudge_next(state: Closing, then: Opening | Inside, event: Changed) -> Step:
    fresh = allowed(then.wish, then.plea if isinstance(then, Opening) else None, event)
    first = news(then, event.verdict)
    if fresh is not None:
        return replace(state, then=fresh), first
    reasons = event.verdict.refusals
    told = (*first, *records(state.wish, reasons), *warn(reasons))
    return replace(state, reasons=reasons, then=None), told


def _cut(state: Carrying, verdict: Verdict, now: float) -> Step:
    after, effects = close(state, CloseReason.POSTURE, _standing(state, verdict).refusals, now)
    return after, (*effects, *news(state, verdict))


def _standing(state: Carrying, verdict: Verdict) -> Verdict:
    return standing(verdict, None if isinstance(state, Open) else state.plea)


def _emergency_over(state: Carrying | Service, why: CloseReason, now: float) -> tuple[Effect, ...]:
    if not isinstance(state, Emergency):
        return ()
    wish, lasted = state.wish, max(0.0, now - state.since)
    return (Record(events.EmergencyClosed(wish.site, wish.uid, state.plea.reason, why, lasted)),)


def _carried(state: Closing, closed: Closed, now: float) -> tuple[Effect, ...]:
    if state.since is None:
        return ()
    wish, seconds = state.wish, max(0.0, now - state.since)
    return (Record(events.Closed(wish.site, wish.uid, state.why, seconds, closed.bytes_in, closed.bytes_out)),)
