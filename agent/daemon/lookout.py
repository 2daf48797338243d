"""Keeps what was last seen of the machine, looks when asked, and tells each change while a site is open.

It judges nothing; a helper or a network service that is gone is told, never papered over.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

from agent.boot_clock import boot_clock
from agent.posture.facts import Facts, Links, Observed, Program, Programs, Security, Unseen
from agent.probes.client import LookClient, LookedAgain, LookLost, Missed, Pushed, Scope, Started
from agent.probes.wifi import NetworkManager

Seen = TypeVar("Seen", Observed[Programs] | Unseen, Observed[Links] | Unseen)

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
    """The daemon's eyes: programs through the look helper, links through NetworkManager."""

    def __init__(self, look_socket: Path, links: NetworkManager) -> None:
        self._look_socket = look_socket
        self._links = links
        self._watcher: Watcher | None = None
        self._client: LookClient | None = None
        self._programs: Observed[Programs] | Unseen = NOTHING_SEEN
        self._reachable: Observed[Links] | Unseen = NOTHING_SEEN
        self._looking = asyncio.Lock()
        self._glancing = asyncio.Lock()
        self._heard_meanwhile: list[Pushed] = []
        self._changed = asyncio.Event()
        self._started = 0
        self._crowded = asyncio.Event()
        self._hearing: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []

    @property
    def facts(self) -> Facts:
        """What was last seen."""
        return Facts(self._programs, self._reachable)

    async def warm_up(self) -> None:
        """Connect to the helper ahead of the first request; if that fails, the request will tell."""
        try:
            async with self._looking:
                await self._connected()
        except LookLost as lost:
            log.warning("the look helper: %s", lost)

    async def look(self, scope: Scope) -> Facts:
        """Look at everything now; raise `LookLost` when there is no helper to look."""
        async with self._looking:
            client = await self._connected()
            self._heard_meanwhile = []
            programs, reachable = await asyncio.gather(_look_at_programs(client, scope), self._links.read())
            for pushed in self._heard_meanwhile:  # it may be newer than the answer that it overtook
                programs = merged(programs, pushed)
            self._programs = programs
            self._started = 0
            self._crowded.clear()
            self._reachable = newer(self._reachable, reachable)
        return self.facts

    async def glance(self, scope: Scope) -> Glance:
        """Look once by a connection of its own: whatever is kept and watched, and for whom, stays as it is."""
        async with self._glancing:  # one at a time, for the helper serves few
            (programs, lost), reachable = await asyncio.gather(self._glance(scope), self._links.read())
        return Glance(Facts(programs, reachable), lost)

    def watch(self, scope: Scope, every: float, watcher: Watcher) -> None:
        """Tell each change from now on, and look again at everything `every` so many seconds."""
        self._stop_telling()
        self._watcher = watcher
        if self._client is None:
            watcher.lost("it went while it was looked at")
            return
        self._changed.clear()
        self._watching = [
            self._begin(self._tell()),
            self._begin(self._look_again(scope, every)),
            self._begin(self._watch_links()),
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
        if self._client is not None:
            await self._client.close()
        await self._links.close()

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
                self._programs = merged(self._programs, pushed)
                self._count(pushed)
                self._changed.set()
        finally:
            self._client = None
            await client.close()

    def _count(self, pushed: Pushed) -> None:
        """Ask for a new look when many have started, for only a look tells which of them have ended."""
        self._started += isinstance(pushed, Started)
        if self._started >= CROWD:
            self._crowded.set()

    async def _tell(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._watcher is not None:
                self._watcher.changed(self.facts)

    async def _look_again(self, scope: Scope, every: float) -> None:
        while True:
            await self._due(every)
            try:
                await self.look(scope)
            except asyncio.CancelledError:
                if self._watcher is None:  # it could not rest under this look
                    self.rest()
                raise
            self._changed.set()

    async def _due(self, every: float) -> None:
        """Wait for the next look: by the boot clock, which goes on while the computer sleeps, or less in a crowd."""
        until = boot_clock() + every
        while (left := until - boot_clock()) > 0 and not self._crowded.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LONGEST_NAP)):
                    await self._crowded.wait()

    async def _watch_links(self) -> None:
        async for reachable in self._links.watch():
            if uncertain(reachable):  # a laptop that roams belongs to no access point for a moment
                await asyncio.sleep(SETTLE)
                reachable = await self._links.read()
            self._reachable = newer(self._reachable, reachable)
            self._changed.set()


async def _look_at_programs(client: LookClient, scope: Scope) -> Observed[Programs] | Unseen:
    return cast(Observed[Programs] | Unseen, (await client.look(scope))["programs"])


def merged(programs: Observed[Programs] | Unseen, pushed: Pushed) -> Observed[Programs] | Unseen:
    """Add what was pushed to what was seen, unless the look is the newer of the two."""
    if isinstance(pushed, LookedAgain):
        return newer(programs, pushed.programs)
    if isinstance(programs, Unseen) or pushed.at < programs.at:
        return programs
    return replace(programs, value=_added(programs.value, pushed))


def newer(known: Seen, told: Seen) -> Seen:
    """Choose the later of two looks, for their answers may overtake each other."""
    return told if told.at >= known.at else known


def uncertain(reachable: Observed[Links] | Unseen) -> bool:
    """Tell whether a look at the links leaves open what protects them."""
    if isinstance(reachable, Unseen):
        return True
    return any(network.security is Security.UNKNOWN for network in reachable.value.wireless)


def _added(seen: Programs, pushed: Started | Missed) -> Programs:
    match pushed:
        case Started(program):
            return replace(seen, running=(*_without(seen.running, program.pid), program))
        case Missed(vanished, unreadable):
            return replace(seen, vanished=seen.vanished + vanished, unreadable=seen.unreadable + unreadable)


def _without(running: tuple[Program, ...], pid: int) -> tuple[Program, ...]:
    return tuple(program for program in running if program.pid != pid)


NOTHING_SEEN = Unseen("nobody has looked yet", 0.0)

# Our choices, in programs and in seconds.
CROWD = 500
SETTLE = 0.3
LONGEST_NAP = 1.0
