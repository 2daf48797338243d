"""The gate's table: every state meets every event here, on one screen; what a row does is told where it leads."""

from agent.gate import entering, leaving, serving
from agent.gate.entering import Step
from agent.gate.signals import (
    Asked,
    Changed,
    Closed,
    Deny,
    Event,
    Failed,
    Looked,
    LookLost,
    Opened,
    PolicyChanged,
    Tick,
    Withdrawn,
)
from agent.gate.states import Closing, Emergency, Idle, Inside, Looking, Open, Opening, Refused, Service, State
from agent.problems import problem

__all__ = ["Step", "deadline", "is_watched", "step", "where_matters"]


def step(state: State, event: Event, now: float) -> Step:  # noqa: C901  # one table, whole on one screen
    """Take one step; `now` is seconds of the boot clock. A pair without a rule changes nothing."""
    match state, event:
        case ((Idle() | Inside() | Refused()), Asked()):
            return entering.look(event, now)
        case Service(), Asked() if event.wish.site == state.wish.site:
            return serving.look_again(state, event, now)
        case _, Asked():
            return state, (Deny(problem("busy")),)

        case Looking(), Looked() if event.look == state.look:
            return entering.judge(state, event, now)
        case Looking(), Tick() if now >= state.until:
            return entering.give_up(state, problem("look.lost", "the look took too long"))
        case Looking(), Failed():
            return entering.give_up(state, event.problem)
        case ((Looking() | Inside()), LookLost()):
            return entering.give_up(state, problem("look.lost", event.why))
        case Inside(), Changed():
            return entering.rejudge_inside(state, event, now)
        case ((Looking() | Inside() | Refused()), Withdrawn()):
            return Idle(), ()

        case Refused(), Changed() if state.wish.back is not None:
            return entering.come_back(state, event, now)
        case Refused(), (Tick() | LookLost()):
            return entering.wait_no_more(state, event, now)

        case Service(), Opened():
            return serving.served(state, event, now)
        case Service(), Looked():
            return serving.judge_again(state, event)
        case Service(), Changed() if state.wish.back is not None:
            return serving.recover(state, event, now)
        case Service(), PolicyChanged():
            return serving.judge_by_new_policy(state, event, now)
        case Service(), Tick():
            return serving.tick(state, now)
        case Service(), Failed():
            return serving.fail(state, event.problem)
        case Service(), LookLost():
            return serving.lose_sight(state, event.why, now)

        case Opening(), Opened():
            return entering.opened(state, event, now)
        case Opening(), Changed():
            return leaving.rejudge_opening(state, event.verdict, now)
        case ((Open() | Emergency()), Changed()):
            return leaving.rejudge_open(state, event.verdict, now)
        case ((Open() | Emergency()), Tick()) if state.cut_at is not None and now >= state.cut_at:
            return leaving.count_out(state, now)
        case Emergency(), Tick() if now >= state.until:
            return leaving.end_emergency(state, now)
        case ((Opening() | Open() | Emergency()), Failed()):
            return leaving.fail(state, event.problem, now)
        case ((Opening() | Open() | Emergency()), LookLost()):
            return leaving.fail_blind(state, event.why, now)
        case ((Service() | Opening() | Open() | Emergency()), Withdrawn()):
            return leaving.withdraw(state, event.why, now)
        case ((Service() | Opening() | Open() | Emergency()), Closed()):
            return leaving.lose(state, event, now)

        case Closing(), Changed() if is_watched(state):
            return leaving.rejudge_closing(state, event, now)
        case Closing(), LookLost():
            return leaving.lose_sight(state, problem("look.lost", event.why))
        case Closing(), Withdrawn():
            return leaving.withdraw_rest(state)
        case Closing(), Closed():
            return leaving.ended(state, event, now)
        case _:
            return state, ()


def deadline(state: State) -> float | None:
    """Give the instant of the boot clock at which the state wants a `Tick`."""
    match state:
        case Looking(until=at) | Open(cut_at=at):
            return at
        case Refused(wish=wish):
            return wish.back
        case Service(until=until, fetch_at=fetch_at, asking=asking):
            return _first(until, fetch_at, None if asking is None else asking.until)
        case Emergency(until=until, cut_at=cut_at):
            return _first(until, cut_at)
        case _:
            return None


def is_watched(state: State) -> bool:
    """Tell whether changes of the machine matter now."""
    match state:
        case Inside() | Opening() | Open() | Emergency():
            return True
        case Refused(wish=wish) | Service(wish=wish):
            return wish.back is not None
        case Closing(wish=wish, then=then):
            return wish.back is not None or then is not None
        case _:
            return False


def where_matters(state: State) -> bool:
    """Tell whether it may be asked now where the machine stands: only where that can decide what is entered."""
    match state:
        case Looking() | Service(asking=Looking()):
            return True
        case Opening() | Open() | Emergency():
            return False
        case _:
            return is_watched(state)


def _first(*instants: float | None) -> float:
    return min(at for at in instants if at is not None)
