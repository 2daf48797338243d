"""What the checkpoint tells to whoever listens right now; it keeps nothing for those who come later."""

import asyncio
from dataclasses import dataclass

from agent.control.messages import StepName


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step of connecting ended at `at` (boot clock)."""

    step: StepName
    at: float


@dataclass(frozen=True, slots=True)
class Moved:
    """The gate's state changed, or what is told about it."""


News = Stepped | Moved
Heard = asyncio.Queue[News]


class Listeners:
    """Everybody who listens, each with a bounded queue of his own."""

    def __init__(self) -> None:
        self._queues: set[Heard] = set()

    def listen(self) -> Heard:
        """Hear of everything from now on; give the queue back to `forget`."""
        queue = Heard(MOST_UNHEARD)
        self._queues.add(queue)
        return queue

    def forget(self, queue: Heard) -> None:
        """Stop telling."""
        self._queues.discard(queue)

    def tell(self, news: News) -> None:
        """Tell everybody; a slow listener misses steps, but the state that he asks for next is the true one."""
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(news)


# Our choices.
MOST_UNHEARD = 256
