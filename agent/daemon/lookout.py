"""Keeps what was last seen of the machine, looks when asked, and tells each change while a site is open.

It judges nothing; a helper or a network service that is gone is told, never papered over.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agent.posture.facts import Facts, Links, Observed, Program, Programs, Security, Unseen
from agent.probes.client import LookClient, LookedAgain, LookLost, Missed, Pushed, Scope, Started
from agent.probes.wifi import NetworkManager

log = logging.getLogger(__name__)


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
        self._hearing: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []

    @property
    def facts(self) -> Facts:
        """What was last seen."""
        return Facts(self._programs, self._reachable)

    async def warm_up(self) -> None:
        """Connect to the helper ahead of the first request; if that fails, the request will tell."""
        try:
            await self._connected()
        except LookLost as lost:
            log.warning("the look helper: %s", lost)

    async def look(self, scope: Scope) -> Facts:
        """Look at everything now; raise `LookLost` when there is no helper to look."""
        client = await self._connected()
        self._programs, self._reachable = await asyncio.gather(client.look(scope), self._links.read())
        return self.facts

    def watch(self, scope: Scope, every: float, watcher: Watcher) -> None:
        """Tell each change from now on, and look again at everything `every` so many seconds."""
        self.rest()
        self._watcher = watcher
        self._watching = [
            asyncio.create_task(self._look_again(scope, every)),
            asyncio.create_task(self._watch_links()),
        ]

    def rest(self) -> None:
        """Stop telling changes."""
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

    async def _connected(self) -> LookClient:
        if self._client is not None:
            return self._client
        client = await LookClient.connect(self._look_socket)
        if client.blind is not None:
            await client.close()
            raise LookLost(f"it cannot see programs start: {client.blind}")
        self._client = client
        self._hearing = asyncio.create_task(self._hear(client))
        return client

    async def _hear(self, client: LookClient) -> None:
        try:
            async for pushed in client.events():
                self._programs = merged(self._programs, pushed)
                self._tell()
        except LookLost as lost:
            self._client = None
            if self._watcher is not None:
                self._watcher.lost(str(lost))

    async def _look_again(self, scope: Scope, every: float) -> None:
        with contextlib.suppress(LookLost):  # whoever hears the helper's reports hears of the loss too
            while True:
                await asyncio.sleep(every)
                await self.look(scope)
                self._tell()

    async def _watch_links(self) -> None:
        async for reachable in self._links.watch():
            self._reachable = reachable
            if uncertain(reachable):  # a laptop that roams belongs to no access point for a moment
                await asyncio.sleep(SETTLE)
                self._reachable = await self._links.read()
            self._tell()

    def _tell(self) -> None:
        if self._watcher is not None:
            self._watcher.changed(self.facts)


def merged(programs: Observed[Programs] | Unseen, pushed: Pushed) -> Observed[Programs] | Unseen:
    """Add what was pushed to what was seen, unless the look is the newer of the two."""
    if isinstance(pushed, LookedAgain):
        return pushed.programs
    if isinstance(programs, Unseen) or pushed.at < programs.at:
        return programs
    return replace(programs, value=_added(programs.value, pushed))


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

# Our choices, in seconds.
SETTLE = 0.3
