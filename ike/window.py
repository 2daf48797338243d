"""Message ids, retransmission and the repeated answer of one IKE SA, window size 1 (RFC 7296 §2.1, §2.2, §2.3).

It never looks inside a message.
"""

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Self

from ike.fragment import Collector


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an unanswered request is sent again: after `first` x `factor`^n seconds, at most `cap`, `tries` in all."""

    first: float = 0.5
    factor: float = 1.5
    cap: float = 5.0
    tries: int = 12

    def wait(self, sent: int) -> float:
        """Return the seconds to wait after the request went out for the `sent`-th time (1 is the first)."""
        return min(self.cap, self.first * self.factor ** (sent - 1))


@dataclass(frozen=True, slots=True)
class Pending:
    """Our request that still waits for its answer, as the very datagrams to send again."""

    message_id: int
    exchange: int
    datagrams: tuple[bytes, ...] = field(repr=False)
    schedule: Schedule
    since: float
    due: float
    sent: int = 1

    @classmethod
    def first(
        cls, message_id: int, exchange: int, datagrams: tuple[bytes, ...], schedule: Schedule, now: float
    ) -> Self:
        """Count the first sending."""
        return cls(message_id, exchange, datagrams, schedule, now, now + schedule.wait(1))

    def again(self, now: float) -> Self | None:
        """Count one more sending, or say that the tries are used up."""
        if self.sent >= self.schedule.tries:
            return None
        return replace(self, sent=self.sent + 1, due=now + self.schedule.wait(self.sent + 1))


class Place(Enum):
    """Where a received message id stands in the window."""

    FRESH = auto()  # the peer's next request
    REPEATED = auto()  # its last request once more: our answer was lost
    ANSWER = auto()  # to our pending request
    STRANGE = auto()  # ahead, behind, or not asked for


@dataclass(frozen=True, slots=True)
class Window:
    """Both directions' ids; `answer` is what the peer's last request got, byte for byte."""

    ours: int = 0
    theirs: int = 0
    pending: Pending | None = None
    answer: tuple[bytes, ...] = field(default=(), repr=False)
    requests: Collector = field(default=Collector(), repr=False)
    answers: Collector = field(default=Collector(), repr=False)

    def place(self, message_id: int, response: bool) -> Place:
        """Tell what a received message is by its id alone."""
        if response:
            asked = self.pending is not None and self.pending.message_id == message_id
            return Place.ANSWER if asked else Place.STRANGE
        if message_id == self.theirs:
            return Place.FRESH
        return Place.REPEATED if self.answer and message_id == self.theirs - 1 else Place.STRANGE

    def asking(self, exchange: int, datagrams: tuple[bytes, ...], schedule: Schedule, now: float) -> Self:
        """Remember our request until it is answered."""
        pending = Pending.first(self.ours, exchange, datagrams, schedule, now)
        return replace(self, ours=self.ours + 1, pending=pending, answers=Collector())

    def settled(self) -> Self:
        """Forget our request: it was answered, or given up."""
        return replace(self, pending=None, answers=Collector())

    def answering(self, datagrams: tuple[bytes, ...]) -> Self:
        """Keep the answer for the case that its request comes again, and expect the next one."""
        return replace(self, theirs=self.theirs + 1, answer=datagrams, requests=Collector())

    def collecting(self, collector: Collector, response: bool) -> Self:
        """Keep what has arrived of a fragmented message."""
        return replace(self, answers=collector) if response else replace(self, requests=collector)
