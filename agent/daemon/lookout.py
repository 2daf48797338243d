"""Keeps what was last seen of the machine, looks when asked, and tells each change while a site is open.

It judges nothing; a helper or a source that is gone is told, never papered over.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Never, cast

from agent.boot_clock import boot_clock
from agent.daemon.rounds import Rounds
from agent.daemon.sources import Source
from agent.posture.facts import Facts, Observed, Program, Programs, Unseen
from agent.probes.client import LookClient, LookedAgain, LookLost, Missed, Pushed, Scope, Started
from agent.probes.codec import FactName, Seen

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Glance:
    """What one look beside the watch brought home, and why there was no helper to look, if there was none."""

    facts: Facts
    lost: str | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told while a site is open: the facts after each change, and why the helper is gone."""

    changed: Callable[[Facts], None]
    lost: Callable[[str], None]


class Lookout:
    """The daemon's eyes: programs and the laptop itself through the look helper, the rest through its sources."""

    def __init__(self, look_socket: Path, sources: Sequence[Source]) -> None:
        self._look_socket = look_socket
        self._sources = tuple(sources)
        self._rounds = Rounds(look_socket, self._renewed)
        self._watcher: Watcher | None = None
        self._client: LookClient | None = None
        self._facts = Facts()
        self._scope = Scope(frozenset())
        self._looking = asyncio.Lock()
        self._glancing = asyncio.Lock()
        self._heard_meanwhile: list[Pushed] = []
        self._changed = asyncio.Event()
        self._looked_at = 0.0
        self._started = 0
        self._hurry = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []

    @property
    def facts(self) -> Facts:
        """What was last seen."""
        return updated(self._facts, self._rounds.seen(self._scope))

    def mind(self, ages: Mapping[FactName, float]) -> None:
        """Keep these facts of the laptop itself from now on, none older than so many seconds when it is judged."""
        self._rounds.mind(ages)

    async def warm_up(self, scope: Scope) -> None:
        """Connect to the helper ahead of the first request and begin what is slow; the request will tell what fails."""
        self._rounds.begin(scope)
        try:
            async with self._looking:
                await self._connected()
        except LookLost as lost:
            log.warning("the look helper: %s", lost)

    async def look(self, scope: Scope) -> Facts:
        """Look at everything now; raise `LookLost` when there is no helper to look."""
        self._scope = scope
        await asyncio.gather(self._look(scope), self._rounds.visit(scope))
        return self.facts

    async def glance(self, scope: Scope) -> Glance:
        """Look once by connections of its own: whatever is kept and watched, and for whom, stays as it is."""
        async with self._glancing:  # one at a time, for the helper serves few
            looking = asyncio.gather(self._glance(scope), self._read_sources(), self._rounds.visit(scope))
            (programs, lost), told, _ = await looking
        facts = updated(Facts(), {**told, **self._rounds.seen(scope), "programs": programs})
        return Glance(facts, lost)

    async def survey(self, scope: Scope) -> Facts:
        """Look once at everything but programs; whatever is kept and watched stays as it is."""
        told, _ = await asyncio.gather(self._read_sources(), self._rounds.visit(scope))
        return updated(Facts(), {**told, **self._rounds.seen(scope)})

    async def read(self, wanted: frozenset[str]) -> Facts:
        """Look once at these facts of the sources."""
        sources = (source for source in self._sources if source.facts & wanted)
        told = await asyncio.gather(*(source.read() for source in sources))
        return updated(Facts(), {name: fact for facts in told for name, fact in facts.items() if name in wanted})

    def watch(self, scope: Scope, every: float, watcher: Watcher) -> None:
        """Tell each change from now on, and look again at what may change unheard `every` so many seconds."""
        self._stop_telling()
        self._watcher = watcher
        if self._client is None:
            watcher.lost("it went while it was looked at")
            return
        self._changed.clear()
        self._watching = [
            self._begin(self._tell(every)),
            self._begin(self._look_again(scope, every)),
            self._begin(self._rounds.watch(scope)),
            *(self._begin(self._follow(source)) for source in self._sources),
        ]

    def rest(self) -> None:
        """Stop telling changes, and have the helper rest too unless somebody waits for a look."""
        self._stop_telling()
        if self._client is not None and not self._looking.locked():
            self._client.rest()

    def _stop_telling(self) -> None:
        for task in self._watching:
            task.cancel()
        self._watching = []
        self._watcher = None

    async def close(self) -> None:
        """Hang up on everybody."""
        self.rest()
        await self._rounds.close()
        if self._client is not None:
            await self._client.close()
        for source in self._sources:
            await source.close()

    async def _look(self, scope: Scope) -> None:
        """Look at all but the laptop itself."""
        async with self._looking:
            client = await self._connected()
            self._heard_meanwhile = []
            programs, told = await asyncio.gather(_look_at_programs(client, scope), self._read_sources())
            for pushed in self._heard_meanwhile:  # it may be newer than the answer that it overtook
                programs = merged(programs, pushed)
            self._facts = replace(updated(self._facts, told), programs=programs)
            self._looked_at = boot_clock()
            self._started = 0
            self._hurry.clear()

    async def _read_sources(self) -> dict[str, Seen]:
        told = await asyncio.gather(*(source.read() for source in self._sources))
        return {name: fact for facts in told for name, fact in facts.items()}

    async def _glance(self, scope: Scope) -> tuple[Observed[Programs] | Unseen, str | None]:
        try:
            client = await self._connect()
            try:
                return await _look_at_programs(client, scope), None
            finally:
                await client.close()
        except LookLost as lost:
            return Unseen(str(lost), boot_clock()), str(lost)

    async def _connected(self) -> LookClient:
        if self._client is not None:
            return self._client
        self._client = client = await self._connect()
        self._hearing = self._begin(self._hear(client))
        return client

    async def _connect(self) -> LookClient:
        client = await LookClient.connect(self._look_socket)
        if client.blind is not None:
            await client.close()
            raise LookLost(f"it cannot see programs start: {client.blind}")
        return client

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell that nobody watches any more, whatever ended the task: a loss, or an error of our own."""
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        if not isinstance(error, LookLost):
            log.error("an error of our own", exc_info=error)
        if self._watcher is not None:
            self._watcher.lost(str(error) if isinstance(error, LookLost) else type(error).__name__)

    async def _hear(self, client: LookClient) -> None:
        try:
            async for pushed in client.events():
                if self._looking.locked():
                    self._heard_meanwhile.append(pushed)
                self._facts = replace(self._facts, programs=merged(self._facts.programs, pushed))
                self._count(pushed)
                self._changed.set()
        finally:
            self._client = None
            await client.close()

    def _count(self, pushed: Pushed) -> None:
        """Ask for a new look when many have started, for only a look tells which of them have ended."""
        self._started += isinstance(pushed, Started)
        if self._started >= CROWD:
            self._hurry.set()

    def _renewed(self) -> None:
        self._changed.set()

    async def _tell(self, every: float) -> None:
        """Tell a change at once, and those that follow it in an instant together."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if (
                boot_clock() - self._looked_at > OVERDUE * every
            ):  # the computer slept: what is known may be of yesterday
                self._hurry.set()
                continue
            if self._watcher is not None:
                self._watcher.changed(self.facts)
            await asyncio.sleep(INSTANT)

    async def _look_again(self, scope: Scope, every: float) -> None:
        while True:
            await self._due(every)
            try:
                async with asyncio.timeout(LONGEST_LOOK):
                    await self._look(scope)
            except TimeoutError as late:
                raise LookLost("a look took too long") from late
            except asyncio.CancelledError:
                if self._watcher is None:  # it could not rest under this look
                    self.rest()
                raise
            self._changed.set()

    async def _due(self, every: float) -> None:
        """Wait for the next look: by the boot clock, which goes on while the computer sleeps, or less in a hurry."""
        until = boot_clock() + every
        while (left := until - boot_clock()) > 0 and not self._hurry.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LONGEST_NAP)):
                    await self._hurry.wait()

    async def _follow(self, source: Source) -> None:
        async with aclosing(source.watch()) as news:
            async for told in news:
                self._facts = updated(self._facts, told)
                self._changed.set()
        raise LookLost(f"nobody watches {', '.join(sorted(source.facts))} any more")


async def _look_at_programs(client: LookClient, scope: Scope) -> Observed[Programs] | Unseen:
    told = await client.look(scope)
    return cast(Observed[Programs] | Unseen, told.get("programs", Unseen("no check needs them", boot_clock())))


def merged(programs: Observed[Programs] | Unseen, pushed: Pushed) -> Observed[Programs] | Unseen:
    """Add what was pushed to what was seen, unless the look is the newer of the two."""
    if isinstance(pushed, LookedAgain):
        return pushed.programs if pushed.programs.at >= programs.at else programs
    if isinstance(programs, Unseen) or pushed.at < programs.at:
        return programs
    return replace(programs, value=_added(programs.value, pushed))


def updated(facts: Facts, told: Mapping[str, Seen]) -> Facts:
    """Put in what was told, each fact by its name, unless what is known is the newer of the two."""
    newer = {name: fact for name, fact in told.items() if fact.at >= cast(Seen, getattr(facts, name)).at}
    return replace(facts, **cast(Mapping[str, Never], newer))


def _added(seen: Programs, pushed: Started | Missed) -> Programs:
    match pushed:
        case Started(program):
            return replace(seen, running=(*_without(seen.running, program.pid), program))
        case Missed(vanished, unreadable):
            return replace(seen, vanished=seen.vanished + vanished, unreadable=seen.unreadable + unreadable)


def _without(running: tuple[Program, ...], pid: int) -> tuple[Program, ...]:
    return tuple(program for program in running if program.pid != pid)


# Our choices: in programs, in times of what is between two looks, and in seconds.
CROWD = 500
OVERDUE = 2.0
INSTANT = 0.01
LONGEST_NAP = 1.0
LONGEST_LOOK = 30.0
