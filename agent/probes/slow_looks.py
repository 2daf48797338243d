"""The looks that may take long: each in a thread beside the event loop, one at a time.

They never raise and are never waited for without end: a look that fails or does not come back is `Unseen`.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from agent.posture.facts import Unseen
from agent.probes.codec import FactName, Scope, Seen

Probe = Callable[[Scope], Seen]


class SlowLooks:
    """Looks by these probes, each called by the name of its fact; `boot` is the boot clock."""

    def __init__(self, probes: Mapping[str, Probe], boot: Callable[[], float], longest: float = 20.0) -> None:
        """Take the probes, and how many seconds one of them may take."""
        self._probes = probes
        self._boot = boot
        self._longest = longest
        self._turn = asyncio.Lock()
        self._under_way: asyncio.Future[Seen] | None = None

    async def look(self, scope: Scope) -> dict[FactName, Seen]:
        """Look at every fact of the scope but the programs."""
        return {name: await self._look_at(name, scope) for name in sorted(scope.facts - {"programs"})}

    def look_now(self, name: FactName, scope: Scope) -> Seen:
        """Look at one fact here and now, however long it takes."""
        probe = self._probes.get(name)
        if probe is None:
            return Unseen("this helper does not look at it", self._boot())
        try:
            return probe(scope)
        except Exception as error:  # whatever it is, the others must be looked at
            return Unseen(f"an error of our own ({type(error).__name__})", self._boot())

    async def _look_at(self, name: FactName, scope: Scope) -> Seen:
        async with self._turn:
            if self._under_way is not None and not self._under_way.done():
                return Unseen("an earlier look has not come back", self._boot())
            answer: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
            self._under_way = answer
            threading.Thread(target=self._work, args=(answer, name, scope), daemon=True).start()
            await asyncio.wait({answer}, timeout=self._longest)
            return answer.result() if answer.done() else Unseen("it took too long", self._boot())

    def _work(self, answer: asyncio.Future[Seen], name: FactName, scope: Scope) -> None:
        seen = self.look_now(name, scope)
        with suppress(RuntimeError):  # nobody waits any more: the event loop has ended
            answer.get_loop().call_soon_threadsafe(answer.set_result, seen)
