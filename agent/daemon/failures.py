"""Since when each check has found what refuses: kept over restarts, for a grace is counted from there.

What counts as failing is `agent.posture.policy`'s to say.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.daemon.files import why_unreadable
from agent.daemon.memory import Memory
from agent.shapes import Bounds, shape
from ike.config import Instant

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Failing:
    """One check by its code, and an instant as seconds since 1970."""

    check: str
    since: float


@dataclass(frozen=True, slots=True)
class _Kept:
    failing: tuple[_Failing, ...] = ()


class Failures:
    """What is remembered; without a file, for as long as the daemon runs."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        kept = _Kept() if path is None else _MEMORY.read(path)
        self.since: Mapping[str, float] = {one.check: one.since for one in kept.failing}
        self._begun: frozenset[str] = frozenset()
        self._lead: float | None = None

    def follow(self, now: Instant) -> None:
        """Move what began since the start by as much as the clock was set meanwhile: it lasts no longer for that.

        Without it, a laptop that starts in 2015 for want of a battery would refuse as soon as its clock is set right.
        """
        lead, before = now.wall - now.boot, self._lead
        self._lead = lead
        if before is not None and abs(lead - before) >= LEAST_STEP:
            moved = {check: at + lead - before for check, at in self.since.items() if check in self._begun}
            self.keep({**self.since, **moved})

    def keep(self, since: Mapping[str, float]) -> None:
        """Remember this instead. What cannot be written is told in the log and remembered all the same."""
        if since == self.since:
            return
        changed = {check for check, at in since.items() if self.since.get(check) != at}
        self._begun = (self._begun & since.keys()) | changed
        self.since = since
        if self._path is None:
            return
        kept = _Kept(tuple(_Failing(check, at) for check, at in sorted(since.items())))
        try:
            _MEMORY.write(self._path, kept)
        except OSError as error:
            log.error("since when checks fail cannot be kept for the next start: %s", why_unreadable(error))


# Our choice, in seconds: less is no step of the clock, only how it is kept right.
LEAST_STEP = 60.0

# Our choices: bytes of the file, characters, checks, and seconds since 1970. When it is lost, every grace begins anew.
_MEMORY = Memory(
    shape(_Kept, Bounds(text=64, items=256, whole=0, least=0.0, most=1e11)),
    most=1 << 16,
    nothing=_Kept(),
    lost="since when checks fail cannot be read",
)
