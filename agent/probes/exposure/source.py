"""Looks at what this machine offers to others and what its firewall lets in, and again after each change.

A look that failed is `Unseen`. Sockets are asked for every two seconds, for nobody tells that one begins to wait.
Not looked at: who is behind a socket, kernel IPsec without an interface, hotspots that pass nothing on.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import ClassVar

from agent.boot_clock import boot_clock
from agent.posture.facts import Exposure, Firewall, Grade, Observed, Unseen
from agent.probes.exposure.changes import Changes
from agent.probes.exposure.links import LinksError, read_links
from agent.probes.exposure.reach import Reach
from agent.probes.exposure.sysctls import Switches
from agent.probes.firewall.passage import Passage
from agent.probes.firewall.reading import TOOLS, Tools, read_rules
from agent.probes.firewall.ruleset import Ruleset, RulesetError
from agent.probes.ours import Ours
from agent.probes.sockets import Waiting, read_waiting

Seen = Observed[Exposure] | Observed[Firewall] | Unseen
Rules = Ruleset | str  # or why they could not be read
Sockets = tuple[Waiting, ...] | str  # the same


class ExposureSource:
    """Looks at the network namespace that this process is in."""

    facts: ClassVar[frozenset[str]] = frozenset({"exposure", "firewall"})

    def __init__(
        self,
        ours: Ours,
        *,
        proc: Path = Path("/proc"),
        tools: Tools = TOOLS,
        boot: Callable[[], float] = boot_clock,
    ) -> None:
        """Remember what is our own, and where to look."""
        self._ours = ours
        self._switches = Switches(proc)
        self._proc = proc
        self._tools = tools
        self._boot = boot

    async def read(self) -> Mapping[str, Seen]:
        """Look at everything now; never raises."""
        return await self._look(await self._read_rules(), self._read_waiting())

    async def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give what is seen now, and again a moment after each change; the rules are read when they changed."""
        with Changes() as changes:
            while True:
                if changes.rules:
                    changes.rules = False
                    rules = await self._read_rules()
                waiting = self._read_waiting()
                yield await self._look(rules, waiting)
                while not await changes.wait(POLL) and self._read_waiting() == waiting:
                    pass

    async def close(self) -> None:
        """Hold nothing; there is nothing to let go of."""

    async def _look(self, rules: Rules, waiting: Sockets) -> Mapping[str, Seen]:
        try:
            links = await read_links(self._ours.interface)
        except LinksError as error:
            return dict.fromkeys(self.facts, Unseen(str(error), self._boot()))
        passage = None if isinstance(rules, str) else Passage(rules, links.addresses)
        reach = Reach(links, passage, self._ours.interface)
        return await asyncio.to_thread(  # thousands of rules take their time
            lambda: {"exposure": self._exposure(reach, waiting), "firewall": self._firewall(reach, rules)}
        )

    def _exposure(self, reach: Reach, waiting: Sockets) -> Observed[Exposure] | Unseen:
        if isinstance(waiting, str):
            return Unseen(waiting, self._boot())
        try:
            value = reach.exposure(waiting, self._switches.forwards)
        except OSError as error:
            return Unseen(f"the kernel did not tell what it passes on ({error.strerror})", self._boot())
        return Observed(value, Grade.ROOT, METHOD, self._boot())

    def _firewall(self, reach: Reach, rules: Rules) -> Observed[Firewall] | Unseen:
        if isinstance(rules, str):
            return Unseen(rules, self._boot())
        return Observed(reach.firewall(), Grade.ROOT, RULES_METHOD, self._boot())

    async def _read_rules(self) -> Rules:
        """Read the rules, or tell why they could not be."""
        try:
            return await asyncio.to_thread(read_rules, self._proc, self._tools)
        except RulesetError as error:
            return str(error)

    def _read_waiting(self) -> Sockets:
        """Read who waits, or tell why that could not be."""
        try:
            waiting = read_waiting(self._ours.mark)
        except OSError as error:
            return f"the kernel did not tell which programs wait for others ({error.strerror})"
        return waiting if len(waiting) <= MOST_WAITING else f"more than {MOST_WAITING} sockets wait for others"


# Our choices.
METHOD = "inet_diag, netlink and the firewall's rules"
RULES_METHOD = "the firewall's rules"
POLL = 2.0
MOST_WAITING = 2048
