"""What the evidence and the watchers hear of a step; it changes no state."""

from agent import events
from agent.gate.signals import Effect, Record, Tell
from agent.gate.states import Emergency, Inside, Open, Opening
from agent.gate.wishes import Reason, Wish
from agent.posture.verdict import Finding, Verdict
from agent.problems import Problem


def seen(wish: Wish, verdict: Verdict) -> Record:
    """Record a look and what it found."""
    return Record(events.Looked(wish.site, verdict.allows, verdict.results))


def news(state: Inside | Opening | Open | Emergency, verdict: Verdict) -> tuple[Effect, ...]:
    """Record a new look only if it found something else than the one before."""
    return (seen(state.wish, verdict),) if verdict.differs(state.verdict) else ()


def warn(reasons: tuple[Reason, ...]) -> tuple[Effect, ...]:
    """Tell what stands, if anything does."""
    return (Tell(reasons),) if reasons else ()


def records(wish: Wish, reasons: tuple[Reason, ...]) -> tuple[Effect, ...]:
    """Record what stands in the way: the findings in one event, each problem in its own."""
    checks = tuple(reason.result for reason in reasons if isinstance(reason, Finding))
    codes = [reason.code for reason in reasons if isinstance(reason, Problem)]
    refused = (Record(events.Refused(wish.site, wish.uid, checks)),) if checks else ()
    return (*refused, *(Record(events.ProblemMet(code, wish.site)) for code in codes))
