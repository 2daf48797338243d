"""What is asked of the network itself, and how long an answer is kept: for a while, and in the same place only.

Nothing is asked that it was not told to ask. An answer that stayed open takes nothing back.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

from agent.posture.facts import Told
from agent.probes.neighbourhood.around import Around, Place
from agent.probes.neighbourhood.canary import ask_canary
from agent.probes.neighbourhood.portal import ask_portal
from agent.probes.neighbourhood.wire import Wire, ask_wire

WIRE_PROBE = (sys.executable, "-I", "-m", "agent.wireprobe")


@dataclass(frozen=True, slots=True)
class Questions:
    """What may be asked: the program that asks on the wire, a name that does not exist, a page that answers 204."""

    wire_probe: tuple[str, ...] | None = None
    canary: str | None = None
    resolver_file: Path = Path("/etc/resolv.conf")
    portal: str | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """What the network answered; `wires` by the gateway's place."""

    portal: Told = Told.UNTOLD
    canary: Told = Told.UNTOLD
    wires: Mapping[Place, Wire] = field(default_factory=dict)


class Asker:
    """Asks, and keeps the answers of the present place; `heard` is told of each that is new."""

    def __init__(
        self, questions: Callable[[], Questions], boot: Callable[[], float], heard: Callable[[], None]
    ) -> None:
        """Ask nothing yet."""
        self._questions = questions
        self._boot = boot
        self._heard = heard
        self._places: tuple[Place, ...] = ()
        self._answers = Answers()
        self._asked_at = self._wired_at = NEVER
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, around: Around) -> Answers:
        """Give the answers there are; those that come quickly are waited for a moment."""
        if around.places != self._places:
            await self.forget()
            self._places = around.places
        now, wire_probe = self._boot(), self._questions().wire_probe
        if self._places and now - self._wired_at > FRESH_WIRE and wire_probe is not None:
            self._wired_at = now
            self._begin(self._ask_wires(wire_probe, around))
        if self._places and now - self._asked_at > FRESH:
            self._asked_at = now
            await asyncio.wait([self._begin(self._ask_quickly(around))], timeout=PATIENCE)
        return self._answers

    async def forget(self) -> None:
        """Forget every answer, and stop asking."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._places, self._answers = (), Answers()
        self._asked_at = self._wired_at = NEVER

    def _begin(self, asking: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(asking)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def _ask_quickly(self, around: Around) -> None:
        asked = self._questions()
        url, name, file = asked.portal, asked.canary, asked.resolver_file
        portal, canary = await asyncio.gather(
            ask_portal(url) if url is not None else _untold(),
            ask_canary(name, file, around.ours) if name is not None else _untold(),
        )
        before = self._answers
        self._take(replace(before, portal=_last(before.portal, portal), canary=_last(before.canary, canary)))

    async def _ask_wires(self, command: tuple[str, ...], around: Around) -> None:
        for place in around.places:
            ours = around.address_towards(place)
            if ours is None or not isinstance(place.gateway, IPv4Address):
                continue
            wire = await ask_wire(command, place.link.name, place.gateway, ours)
            if wire is not None:
                self._take(replace(self._answers, wires={**self._answers.wires, place: wire}))

    def _take(self, answers: Answers) -> None:
        if answers != self._answers:
            self._answers = answers
            self._heard()


async def _untold() -> Told:
    return Told.UNTOLD


def _last(before: Told, now: Told) -> Told:
    """Choose the newer answer, unless it stayed open."""
    return before if now is Told.UNTOLD else now


# Our choices, in seconds.
NEVER = float("-inf")
PATIENCE = 0.4
FRESH = 20.0
FRESH_WIRE = 600.0
