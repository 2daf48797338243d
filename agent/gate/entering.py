"""The ways in: looking, being let in or refused, and coming back by itself."""

from dataclasses import replace

from agent import events
from agent.events import Reach
from agent.gate.recording import news, records, seen, warn
from agent.gate.signals import Asked, Changed, Effect, Look, Looked, LookLost, Opened, OpenSite, Record, Tell, Tick
from agent.gate.states import Emergency, Idle, Inside, Looking, Open, Opening, Refused, Service, State
from agent.gate.wishes import Plea, Reason, Wish, standing
from agent.posture.verdict import Finding
from agent.problems import Problem

Step = tuple[State, tuple[Effect, ...]]


def look(asked: Asked, now: float) -> Step:
    """Look at the machine first."""
    asking = ask(asked, now)
    return asking, (asking.look,)


def ask(asked: Asked, now: float) -> Looking:
    """Begin a look for a wish."""
    return Looking(asked.wish, Look(asked.wish.site, asked.wish.uid, now), asked.plea)


def judge(state: Looking, event: Looked, now: float) -> Step:
    """Let the machine in if the look allows it, else refuse and say why."""
    then, first = allowed(state.wish, state.plea, event), seen(state.wish, event.verdict)
    if then is not None:
        entered, effects = enter(then)
        return entered, (first, *effects)
    reasons = event.verdict.refusals
    told = (first, *records(state.wish, reasons), Tell(reasons))
    if event.inside:
        return Refused(state.wish, reasons), told
    refused, effects = refuse(state.wish, reasons, now)
    return refused, (*told, *effects)


def allowed(wish: Wish, plea: Plea | None, event: Looked | Changed) -> Opening | Inside | None:
    """Say what a verdict lets the machine enter; where it passes anyway, an emergency passes nothing over."""
    verdict = event.verdict
    if verdict.allows:
        return Inside(wish, verdict) if event.inside else Opening(wish, verdict)
    if plea is not None and standing(verdict, plea).allows:
        return Opening(wish, verdict, plea)
    return None


def enter(then: Opening | Inside) -> Step:
    """Set up the tunnel, or take note that none is needed; tell what stands in spite of it."""
    wish, told = then.wish, warn(then.verdict.refusals + then.verdict.warnings)
    if isinstance(then, Inside):
        rests = replace(then, wish=wish.stands_until(None))
        return rests, (*told, Record(events.Entered(wish.site, wish.uid)))
    return then, (*told, OpenSite(wish.site, wish.uid, then.reach))


def refuse(wish: Wish, reasons: tuple[Reason, ...], now: float) -> Step:
    """Refuse; where only findings stand in the way, set up the way to what heals, if the policy grants one."""
    seconds = wish.terms.service
    if seconds is None or not all(isinstance(reason, Finding) for reason in reasons):
        return Refused(wish, reasons), ()
    return Service(wish, reasons, now + seconds), (OpenSite(wish.site, wish.uid, Reach.SERVICE),)


def give_up(state: Looking | Inside, met: Problem) -> Step:
    """Refuse, for what is not seen cannot be allowed."""
    return Refused(state.wish.stands_until(None), (met,)), (*records(state.wish, (met,)), Tell((met,)))


def opened(state: Opening, event: Opened, now: float) -> Step:
    """Carry traffic from now on; an emergency's box begins, and its review with it."""
    wish, verdict, plea = state.wish.stands_until(None), state.verdict, state.plea
    if plea is None:
        return Open(wish, verdict, now), (Record(event.record),)
    checks = tuple(finding.result for finding in verdict.refusals)
    broken = events.EmergencyOpened(wish.site, wish.uid, plea.reason, checks, plea.seconds)
    return Emergency(wish, verdict, plea, now, now + plea.seconds), (Record(event.record), Record(broken))


def come_back(state: Refused, event: Changed, now: float) -> Step:
    """Open again by itself once cured; until then tell what stands in the way now."""
    if not event.verdict.allows:
        return replace(state, reasons=event.verdict.refusals), ()
    if not state.wish.may_return(now):
        return state, ()
    entered, effects = enter(returning(state.wish, event))
    return entered, (seen(state.wish, event.verdict), *effects)


def wait_no_more(state: Refused, event: Tick | LookLost, now: float) -> Step:
    """Let the wish rest when its time is over, or when nobody watches for the cure any more."""
    if isinstance(event, Tick) and state.wish.back is not None and now < state.wish.back:
        return state, ()
    return replace(state, wish=state.wish.stands_until(None)), ()


def returning(wish: Wish, event: Changed) -> Opening | Inside:
    """Say what a cured machine enters by itself."""
    return Inside(wish, event.verdict) if event.inside else Opening(wish, event.verdict)


def rejudge_inside(state: Inside, event: Changed, now: float) -> Step:
    """Stay inside while the machine passes and stands there; look again where it left and the wish comes back."""
    wish, verdict = state.wish, event.verdict
    if not event.inside:
        return _leave(wish, now)
    if verdict.allows:
        return replace(state, verdict=verdict), news(state, verdict)
    reasons = verdict.refusals
    told = (*news(state, verdict), *records(wish, reasons), Tell(reasons))
    return Refused(wish.after_cut(now), reasons), told


def _leave(wish: Wish, now: float) -> Step:
    left = Record(events.Left(wish.site, wish.uid))
    if not wish.terms.comes_back:
        return Idle(), (left,)
    looking, effects = look(Asked(wish.waits(now)), now)  # whoever leaves is on no network for a while
    return looking, (left, *effects)
