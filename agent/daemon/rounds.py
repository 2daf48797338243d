"""Keeps what was seen of the laptop itself as fresh as the policy needs it, by connections of its own to the helper.

Such looks are slow: nobody waits for one while a fact is at hand that still counts, and nobody looks unasked
unless a site is open. It never raises: what could not be looked at stays as it was, or is `Unseen`.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from agent.boot_clock import boot_clock
from agent.posture.facts import Observed, Unseen
from agent.probes.client import LookClient, LookLost
from agent.probes.codec import FactName, Scope, Seen

log = logging.getLogger(__name__)


class Rounds:
    """Looks at the laptop itself through the helper at a socket; `renewed` is called after each fact."""

    def __init__(self, look_socket: Path, renewed: Callable[[], None]) -> None:
        self._look_socket = look_socket
        self._renewed = renewed
        self._ages: Mapping[FactName, float] = {}
        self._kept: dict[FactName, tuple[Scope, Seen]] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def mind(self, ages: Mapping[FactName, float]) -> None:
        """Keep these facts from now on, none older than so many seconds."""
        self._ages = ages

    def seen(self, scope: Scope) -> Mapping[str, Seen]:
        """Give what was last seen for this scope."""
        return {name: fact for name in self._ages if (fact := self._fact(name, scope)) is not None}

    def begin(self, scope: Scope) -> None:
        """Have looked at what is lacking, and wait for nothing."""
        self._begin(scope, self._is_lacking)

    async def visit(self, scope: Scope) -> None:
        """Have everything looked at again; wait for what is lacking, and no more than a blink for the rest."""
        await asyncio.wait({self._begin(scope, self._is_lacking)}, timeout=LONGEST_WAIT)
        await asyncio.wait({self._begin(scope, self._is_older)}, timeout=BLINK)

    async def watch(self, scope: Scope) -> None:
        """Have each fact looked at again when half of its time is over, without end."""
        while True:
            await self._renew(scope, self._is_half_over)
            await asyncio.sleep(NAP)

    async def close(self) -> None:
        """Give up whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, scope: Scope, is_due: Callable[[FactName, Scope], bool]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._renew(scope, is_due))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("an error of our own", exc_info=error)

    async def _renew(self, scope: Scope, is_due: Callable[[FactName, Scope], bool]) -> None:
        async with self._turn:  # what is due is told only now, for somebody may just have looked
            names = [name for name in sorted(self._ages) if is_due(name, scope) and _is_known(name, scope)]
            try:
                await self._look(names, scope)
            except LookLost as lost:
                for name in filter(lambda name: self._is_lacking(name, scope), names):
                    self._keep(name, scope, Unseen(str(lost), boot_clock()))

    async def _look(self, names: list[FactName], scope: Scope) -> None:
        """Ask for one fact after the other, so that what has come counts though the next one is late."""
        if not names:
            return
        client = await LookClient.connect(self._look_socket)
        try:
            for name in names:
                told = await client.look(replace(scope, facts=frozenset({name})), LONGEST_LOOK)
                self._keep(name, scope, told[name])
        finally:
            await client.close()

    def _keep(self, name: FactName, scope: Scope, fact: Seen) -> None:
        self._kept[name] = (_bearing(name, scope), fact)
        self._renewed()

    def _fact(self, name: FactName, scope: Scope) -> Seen | None:
        """Give a fact, if it was seen for the very users and places of a scope."""
        seen_for, fact = self._kept.get(name, (None, None))
        return fact if seen_for == _bearing(name, scope) else None

    def _age(self, name: FactName, scope: Scope) -> float:
        fact = self._fact(name, scope)
        return boot_clock() - fact.at if fact is not None else float("inf")

    def _is_lacking(self, name: FactName, scope: Scope) -> bool:
        fact = self._fact(name, scope)
        return not isinstance(fact, Observed) or self._age(name, scope) > self._ages[name]

    def _is_older(self, name: FactName, scope: Scope) -> bool:
        return self._age(name, scope) > MOMENT

    def _is_half_over(self, name: FactName, scope: Scope) -> bool:
        return self._age(name, scope) > self._ages[name] / 2


def _bearing(name: FactName, scope: Scope) -> Scope:
    """Keep of a scope what an answer depends on."""
    uids = scope.uids if name in PERSONAL else frozenset[int]()
    return Scope(uids, facts=frozenset({name}), scanners=scope.scanners, folders=scope.folders)


def _is_known(name: FactName, scope: Scope) -> bool:
    """Tell whether it is known whom to look for, where that matters."""
    return bool(scope.uids) or name not in PERSONAL


# Our choices. The facts that differ from user to user; the others in seconds.
PERSONAL = frozenset({"locking", "storage"})
MOMENT = 5.0
BLINK = 0.2
LONGEST_WAIT = 6.0
LONGEST_LOOK = 30.0
NAP = 1.0
