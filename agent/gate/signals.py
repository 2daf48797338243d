"""What goes into the gate and what comes out: events that the daemon saw, effects that it carries out."""

from dataclasses import dataclass

from agent import events
from agent.events import CloseReason, Reach
from agent.gate.wishes import Plea, Reason, Terms, Wish
from agent.posture.verdict import Verdict
from agent.problems import Problem

# Events.


@dataclass(frozen=True, slots=True)
class Asked:
    """A user wants a site, in an emergency also past some checks."""

    wish: Wish
    plea: Plea | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """The look that was asked for ended with this verdict; an overtaken look counts for nothing.

    `inside` tells that the machine stands on the site's own network.
    """

    look: "Look"
    verdict: Verdict
    inside: bool = False


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
    inside: bool = False


@dataclass(frozen=True, slots=True)
class LookLost:
    """The looking program is gone; `why` is one clause for the log."""

    why: str


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """A newer policy is in force and grants this."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Closed:
    """The machine is as it was before, but for what `left` tells; this much was carried."""

    bytes_in: int = 0
    bytes_out: int = 0
    left: Problem | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """The instant that `deadline` named has come."""


Event = Asked | Looked | Opened | Failed | Withdrawn | Changed | LookLost | PolicyChanged | Closed | Tick


# Effects, carried out in the order in which a step returns them.


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the machine and answer `Looked` with this very value; drop a look that went before."""

    site: str
    uid: int
    asked_at: float


@dataclass(frozen=True, slots=True)
class OpenSite:
    """Set the tunnel up, as far as it shall reach; answer `Opened` or `Failed`."""

    site: str
    uid: int
    reach: Reach = Reach.FULL


@dataclass(frozen=True, slots=True)
class CloseSite:
    """Tear down whatever there is of the tunnel, traffic first; always answer `Closed`."""

    site: str
    why: CloseReason


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Fetch a newer policy through the tunnel; answer `PolicyChanged` only if it is good and new."""

    url: str


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


Effect = Look | OpenSite | CloseSite | FetchPolicy | Tell | Deny | Record
