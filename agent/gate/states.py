"""The states of the gate. A state owns only what is true while it lasts, and decides nothing.

Each says which packets may pass while it lasts; `docs/states.md` repeats it.
"""

from dataclasses import dataclass

from agent.events import CloseReason, Reach
from agent.gate.signals import Look
from agent.gate.wishes import Plea, Reason, Wish
from agent.posture.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is open, and nothing stands in the way that anybody knows of.

    Packets: none of ours; the laptop's own traffic is not touched.
    """


@dataclass(frozen=True, slots=True)
class Looking:
    """A user asked for a site; the machine is being looked at, until `until` at the latest.

    Packets: TLS handshakes with the site's beacon on the physical links, if the policy names one.
    """

    wish: Wish
    look: Look
    plea: Plea | None = None

    @property
    def until(self) -> float:
        """The instant at which the look has taken too long."""
        return self.look.asked_at + LONGEST_LOOK


@dataclass(frozen=True, slots=True)
class Inside:
    """The machine stands on the site's own network and meets the policy: no tunnel is needed.

    Packets: TLS handshakes with the site's beacon, at least each minute; the site is reached by its own network.
    """

    wish: Wish
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Refused:
    """The last request was refused, or what was open was cut, for these reasons.

    Packets: none of ours, but to the site's beacon while it waits for a cure; the laptop's own traffic is not touched.
    """

    wish: Wish
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """Refused for these reasons, but until `until` a narrowed tunnel reaches what heals the machine.

    It is being set up until it carries `since`; `fetch_at` is when to ask for a newer policy again, and
    `asking` the look that may end it.

    Packets: IKE and ESP to the gateway; through the tunnel only the networks that the policy names for service; to
    the site's beacon while it waits for a cure or is looked at again.
    """

    wish: Wish
    reasons: tuple[Reason, ...]
    until: float
    since: float | None = None
    fetch_at: float | None = None
    asking: Looking | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """The verdict allows the site, or an emergency passes over what does not; the tunnel is being set up.

    Packets: IKE to the gateway; through the tunnel nothing until it has proven who it is.
    """

    wish: Wish
    verdict: Verdict
    plea: Plea | None = None

    @property
    def reach(self) -> Reach:
        """How much of the site the tunnel shall reach."""
        return Reach.FULL if self.plea is None else Reach.EMERGENCY


@dataclass(frozen=True, slots=True)
class Open:
    """The tunnel carries traffic since `since`; a countdown ends it at `cut_at`.

    Packets: IKE and ESP to the gateway; the site's networks, through the tunnel or not at all.
    """

    wish: Wish
    verdict: Verdict
    since: float
    cut_at: float | None = None


@dataclass(frozen=True, slots=True)
class Emergency:
    """A narrowed tunnel carries traffic since `since` although checks refuse; it ends at `until`, or at `cut_at`.

    Packets: IKE and ESP to the gateway; through the tunnel only the networks that the policy names for an emergency.
    """

    wish: Wish
    verdict: Verdict
    plea: Plea
    since: float
    until: float
    cut_at: float | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """The tunnel is being torn down; `reasons` is empty when a person asked for it.

    `since` is when it was opened, None when it never was; `then` is what is entered once it is closed.

    Packets: IKE to the gateway, to take leave; to the site's beacon while anything may follow; nothing passes the
    tunnel any more.
    """

    wish: Wish
    why: CloseReason
    reasons: tuple[Reason, ...]
    since: float | None
    then: Opening | Inside | None = None


State = Idle | Looking | Inside | Refused | Service | Opening | Open | Emergency | Closing

# Our choices, in seconds.
LONGEST_LOOK = 10.0
