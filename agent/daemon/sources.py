"""Where facts come from besides the look helper: what every source can do, and NetworkManager as one.

A source judges nothing and never raises for what it sees: a look that failed is `Unseen` with the reason.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from agent.posture.facts import Links, Observed, Security, Unseen
from agent.probes.codec import Seen
from agent.probes.wifi import NetworkManager


class Source(Protocol):
    """Something that fills some fields of `Facts`, whose names it tells."""

    @property
    def facts(self) -> frozenset[str]:
        """The names of the fields."""
        ...

    async def read(self) -> Mapping[str, Seen]:
        """Look now, at all of them."""
        ...

    def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give them now and after each change, without end."""
        ...

    async def close(self) -> None:
        """Let go of whatever is held."""
        ...


class LinksSource:
    """The links in use, by NetworkManager."""

    facts = frozenset({"links"})

    def __init__(self, manager: NetworkManager) -> None:
        self._manager = manager

    async def read(self) -> Mapping[str, Seen]:
        """Look at the links now."""
        return {"links": await self._manager.read()}

    async def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give the links now and after each change, once they have settled."""
        async for links in self._manager.watch():
            if uncertain(links):  # a laptop that roams belongs to no access point for a moment
                await asyncio.sleep(SETTLE)
                links = await self._manager.read()
            yield {"links": links}

    async def close(self) -> None:
        """Leave the bus."""
        await self._manager.close()


def uncertain(links: Observed[Links] | Unseen) -> bool:
    """Tell whether a look at the links leaves open what protects them."""
    if isinstance(links, Unseen):
        return True
    return any(network.security is Security.UNKNOWN for network in links.value.wireless)


# Our choice, in seconds.
SETTLE = 0.3
