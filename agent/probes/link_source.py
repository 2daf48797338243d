"""The links, the air and the stored networks, from every source that this machine has, now and after each change.

NetworkManager names the networks in use, or the kernel where NetworkManager does not run; the kernel and
wpa_supplicant check them, and where they differ the kernel is right. A source that is not there takes nothing away.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import ClassVar, TypeVar

from agent.boot_clock import boot_clock
from agent.posture.facts import AccessPoint, Air, Grade, Links, Observed, Saved, Security, Unseen, Wireless
from agent.probes import supplicant, wifi
from agent.probes.air import Joined, read_air
from agent.probes.bus import AbsentError, Bus, BusError, Line
from agent.probes.cross_check import with_seconds
from agent.probes.interfaces import read_interfaces
from agent.probes.nl80211 import RadioError, Radios, changes, read_radios
from agent.probes.saved import read_saved

Value = TypeVar("Value")


class LinkSource:
    """Asks on the bus at `address`, or on the system bus, and the kernel; connects when first needed."""

    facts: ClassVar[frozenset[str]] = frozenset({"links", "air", "saved"})

    def __init__(
        self, address: str | None = None, boot: Callable[[], float] = boot_clock, sysfs: Path = Path("/sys")
    ) -> None:
        """Remember where to ask."""
        self._boot = boot
        self._sysfs = sysfs
        self._changed = asyncio.Event()
        self._line = Line(address, wifi.RULES + supplicant.RULES, self._hear, self._changed.set)
        self._joined = Joined()

    async def read(self) -> Mapping[str, Observed[object] | Unseen]:
        """Look at everything now; never raises."""
        links, points, saved, spoken, radios = await asyncio.gather(
            self._ask(wifi.read_links),
            self._ask(read_air),
            self._ask(read_saved),
            self._ask(supplicant.read_supplicant),
            asyncio.to_thread(_radios),
        )
        heard = () if isinstance(spoken, BusError) else spoken
        reachable = self._links(links, radios, heard)
        return {"links": reachable, "air": self._air(points, radios, reachable), "saved": self._saved(saved)}

    async def watch(self) -> AsyncGenerator[Mapping[str, Observed[object] | Unseen], None]:
        """Give everything now, then again after each change, also when a source or the bus goes or comes back."""
        with ExitStack() as stack:
            with suppress(RadioError):
                stack.enter_context(changes(self._changed.set))
            was_unseen = False
            while True:
                self._changed.clear()
                seen = await self._settled()
                is_unseen = isinstance(seen["links"], Unseen)
                if not (is_unseen and was_unseen):
                    yield seen
                was_unseen = is_unseen
                await asyncio.sleep(REST)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), TRY_AGAIN if is_unseen else None)

    async def close(self) -> None:
        """Leave the bus."""
        await self._line.close()

    async def _settled(self) -> Mapping[str, Observed[object] | Unseen]:
        """Look, and once more where the answer is open: a laptop that roams belongs to no access point for a moment."""
        seen = await self.read()
        match seen["links"]:
            case Observed(Links(wireless)) if all(one.security is not Security.UNKNOWN for one in wireless):
                return seen
        await asyncio.sleep(SETTLE)
        return await self.read()

    async def _ask(self, read: Callable[[Bus], Awaitable[Value]]) -> Value | BusError:
        try:
            return await wifi.ask(self._line, read)
        except BusError as error:
            return error

    def _unseen(self, error: BusError) -> Unseen:
        return Unseen(f"NetworkManager could not be asked: {error}", self._boot())

    def _links(
        self, links: Links | BusError, radios: Radios | None, heard: tuple[Wireless, ...]
    ) -> Observed[Links] | Unseen:
        methods = [wifi.METHOD if isinstance(links, Links) else "sysfs"]
        if isinstance(links, BusError):
            if radios is None and not isinstance(links, AbsentError):
                return self._unseen(links)
            try:
                links = read_interfaces(self._sysfs)
            except OSError as error:
                return Unseen(f"the interfaces could not be listed: {error.strerror}", self._boot())
        methods += ["nl80211"] * (radios is not None) + ["wpa_supplicant"] * bool(heard)
        return Observed(with_seconds(links, radios, heard), Grade.ROOT, ", ".join(methods), self._boot())

    def _air(
        self, points: tuple[AccessPoint, ...] | BusError, radios: Radios | None, links: Observed[Links] | Unseen
    ) -> Observed[Air] | Unseen:
        joined = self._joined.remember(links.value.wireless if isinstance(links, Observed) else (), self._boot())
        if isinstance(points, BusError) and radios is None:
            return self._unseen(points)
        listed = () if isinstance(points, BusError) else points
        heard = () if radios is None else radios.in_range
        methods = [wifi.METHOD] * isinstance(points, tuple) + ["nl80211"] * (radios is not None)
        return Observed(Air((*listed, *heard), joined), Grade.ROOT, ", ".join(methods), self._boot())

    def _saved(self, saved: Saved | BusError) -> Observed[Saved] | Unseen:
        if isinstance(saved, BusError):
            return self._unseen(saved)
        return Observed(saved, Grade.ROOT, wifi.METHOD, self._boot())

    def _hear(self, member: str, body: list[object]) -> None:
        if wifi.is_change(member, body):
            self._changed.set()


def _radios() -> Radios | None:
    try:
        return read_radios()
    except RadioError:
        return None


# Our choices, in seconds.
TRY_AGAIN = 1.0
SETTLE = 0.3
REST = 0.2
