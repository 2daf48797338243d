"""A refused machine's way to what heals it: while it is there, a better look or a better policy lets it in."""

from dataclasses import replace

from agent.events import CloseReason
from agent.gate.entering import Step, allowed, ask, returning
from agent.gate.leaving import close
from agent.gate.recording import records, seen
from agent.gate.signals import (
    Asked,
    Changed,
    CloseSite,
    Effect,
    FetchPolicy,
    Looked,
    Opened,
    PolicyChanged,
    Record,
    Tell,
)
from agent.gate.states import Closing, Inside, Opening, Service
from agent.problems import Problem, problem


def served(state: Service, event: Opened, now: float) -> Step:
    """Ask for a newer policy as soon as the narrow way is there."""
    after, effects = fetch(replace(state, since=now), now)
    return after, (Record(event.record), *effects)


def fetch(state: Service, now: float) -> Step:
    """Ask for a newer policy, and again later."""
    url = state.wish.terms.policy_url
    if url is None:
        return replace(state, fetch_at=None), ()
    return replace(state, fetch_at=now + FETCH_EVERY), (FetchPolicy(url),)


def look_again(state: Service, asked: Asked, now: float) -> Step:
    """Look at the machine once more beside the narrow way."""
    asking = ask(asked, now)
    return replace(state, asking=asking), (asking.look,)


def judge_by_new_policy(state: Service, event: PolicyChanged, now: float) -> Step:
    """Look once more, by the new policy."""
    return look_again(state, Asked(replace(state.wish, terms=event.terms)), now)


def judge_again(state: Service, event: Looked) -> Step:
    """Let the machine in if this look allows it, else stay and tell what stands in the way now."""
    if state.asking is None or state.asking.look != event.look:
        return state, ()
    wish, first = state.asking.wish, seen(state.wish, event.verdict)
    then = allowed(wish, state.asking.plea, event)
    if then is not None:
        return _heal(state, then, first)
    reasons = event.verdict.refusals
    return replace(state, wish=wish, reasons=reasons, asking=None), (first, *records(wish, reasons), Tell(reasons))


def recover(state: Service, event: Changed, now: float) -> Step:
    """Open again by itself what was cut, once cured; until then tell what stands in the way now."""
    if not event.verdict.allows:
        return replace(state, reasons=event.verdict.refusals), ()
    if not state.wish.may_return(now):
        return state, ()
    return _heal(state, returning(state.wish, event), seen(state.wish, event.verdict))


def tick(state: Service, now: float) -> Step:
    """End the box in time; until then, give up a look that takes too long and ask for the policy again."""
    if now >= state.until:
        return _end(state, CloseReason.TIME), (CloseSite(state.wish.site, CloseReason.TIME),)
    if state.asking is not None and now >= state.asking.until:
        return lose_sight(state, "the look took too long", now)
    if state.fetch_at is not None and now >= state.fetch_at:
        return fetch(state, now)
    return state, ()


def fail(state: Service, met: Problem) -> Step:
    """Do without the narrow way; the machine stays refused for the same reasons."""
    effects = (CloseSite(state.wish.site, CloseReason.PROBLEM), Tell((met,)), *records(state.wish, (met,)))
    return _end(state, CloseReason.PROBLEM), effects


def lose_sight(state: Service, why: str, now: float) -> Step:
    """Close, for nobody can look at the machine any more."""
    return close(state, CloseReason.LOOK_LOST, (problem("look.lost", why),), now)


def _heal(state: Service, then: Opening | Inside, first: Effect) -> Step:
    """Close the narrow way and enter: the look is watched on meanwhile."""
    closing = Closing(then.wish, CloseReason.HEALED, (), state.since, then)
    return closing, (CloseSite(then.wish.site, CloseReason.HEALED), first)


def _end(state: Service, why: CloseReason) -> Closing:
    return Closing(state.wish, why, state.reasons, state.since)


# Our choices, in seconds.
FETCH_EVERY = 60.0
