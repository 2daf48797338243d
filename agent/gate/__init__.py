"""May this machine be connected now? Every state, every event and every transition of the gate.

Pure: `step` takes the state, what happened and the instant, and returns the new state and the
effects that the daemon carries out. It opens nothing, and it fails closed: without a fresh look
that allows it, nothing stays open.
"""

from agent.events import Reach
from agent.gate.signals import (
    Asked,
    Changed,
    Closed,
    CloseSite,
    Deny,
    Effect,
    Event,
    Failed,
    FetchPolicy,
    Look,
    Looked,
    LookLost,
    Opened,
    OpenSite,
    PolicyChanged,
    Record,
    Tell,
    Tick,
    Withdrawn,
)
from agent.gate.states import Closing, Emergency, Idle, Inside, Looking, Open, Opening, Refused, Service, State
from agent.gate.table import Step, deadline, is_watched, step, where_matters
from agent.gate.wishes import Plea, Reason, Terms, Wish, standing

__all__ = [
    "Asked",
    "Changed",
    "CloseSite",
    "Closed",
    "Closing",
    "Deny",
    "Effect",
    "Emergency",
    "Event",
    "Failed",
    "FetchPolicy",
    "Idle",
    "Inside",
    "Look",
    "LookLost",
    "Looked",
    "Looking",
    "Open",
    "OpenSite",
    "Opened",
    "Opening",
    "Plea",
    "PolicyChanged",
    "Reach",
    "Reason",
    "Record",
    "Refused",
    "Service",
    "State",
    "Step",
    "Tell",
    "Terms",
    "Tick",
    "Wish",
    "Withdrawn",
    "deadline",
    "is_watched",
    "standing",
    "step",
    "where_matters",
]
