"""Puts together what the kernel, the DHCP clients, NetworkManager and the network itself say of the neighbourhood.

A look that failed is `Unseen`; a part that nobody could tell stays untold.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from itertools import chain
from pathlib import Path

from agent.boot_clock import boot_clock
from agent.posture.facts import Grade, Neighbourhood, Observed, Told, Unseen
from agent.posture.facts.network import DhcpServer, Gateway, Route
from agent.probes.neighbourhood.around import Around
from agent.probes.neighbourhood.kernel import KernelError, hear, look_around
from agent.probes.neighbourhood.leases import Lease, in_force, read_leases
from agent.probes.neighbourhood.manager import Manager
from agent.probes.neighbourhood.questions import Answers, Asker, Questions
from agent.probes.neighbourhood.routers import Routers
from agent.probes.ours import Ours

Seen = Observed[Neighbourhood] | Unseen


class NeighbourhoodSource:
    """Looks at the network around the machine, and again after each change of it."""

    facts = frozenset({"neighbourhood"})

    def __init__(
        self,
        ours: Ours,
        questions: Callable[[], Questions],
        *,
        root: Path = Path("/"),
        bus: str | None = None,
        boot: Callable[[], float] = boot_clock,
    ) -> None:
        """Remember what is our own, and who tells what may be asked; `bus` is an address, by default the system bus."""
        self._ours = ours
        self._root = root
        self._boot = boot
        self._changed = asyncio.Event()
        self._looking = asyncio.Lock()
        self._routers = Routers()
        self._manager = Manager(bus, self._changed.set)
        self._asker = Asker(questions, boot, self._changed.set)

    async def read(self) -> Mapping[str, Seen]:
        """Look now; never raises."""
        async with self._looking:
            return {"neighbourhood": await self._look()}

    async def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give what is seen now, and again a moment after each change."""
        hearing = asyncio.create_task(self._hear())
        hearing.add_done_callback(lambda _: self._changed.set())
        try:
            while not hearing.done():
                self._changed.clear()
                yield await self.read()
                await self._changed.wait()
                await asyncio.sleep(SETTLE)
            hearing.result()  # an error of our own
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])

    async def close(self) -> None:
        """Stop asking, and leave the bus."""
        await self._asker.forget()
        await self._manager.close()

    async def _look(self) -> Seen:
        try:
            async with asyncio.timeout(LONGEST_LOOK):
                around = await look_around(self._ours)
                self._routers.arrive(around)
                heard, answers = await asyncio.gather(self._manager.read(), self._asker.ask(around))
                leases = in_force(chain(heard.leases, read_leases(self._root, around)), around)
        except TimeoutError:
            return Unseen("the network did not let itself be looked at in time", self._boot())
        except KernelError as error:
            return Unseen(str(error), self._boot())
        portal = heard.portal if heard.portal is Told.YES or answers.portal is Told.UNTOLD else answers.portal
        value = Neighbourhood(
            around.on_link,
            _routes(around, leases),
            self._gateways(around, answers),
            _servers(leases, answers),
            portal,
            answers.canary,
        )
        return Observed(value, Grade.ROOT, METHOD, self._boot())

    def _gateways(self, around: Around, answers: Answers) -> tuple[Gateway, ...]:
        told = ((place, answers.wires.get(place)) for place in around.places)
        return tuple(
            Gateway(
                place.link.name,
                place.gateway,
                self._routers.macs(place.link.index, place.gateway),
                Told.UNTOLD if wire is None else wire.contested,
            )
            for place, wire in told
        )

    async def _hear(self) -> None:
        """Note each change; after a gap, for which the kernel may have dropped some, look again."""
        while True:
            with suppress(KernelError):
                async for neighbour in hear():
                    if neighbour is None or self._routers.answered(*neighbour):
                        self._changed.set()
            self._changed.set()
            await asyncio.sleep(HEAR_AGAIN)


def _routes(around: Around, leases: tuple[Lease, ...]) -> tuple[Route, ...]:
    """Give the routes beyond the link's own prefixes, and those that a lease asked for, installed or not.

    Where a lease can be read it tells which routes the network asked for; else the mark in the kernel does,
    which also stands on what a client adds of its own, such as the way to a name server.
    """
    asked = tuple(dict.fromkeys(route for lease in leases for route in lease.routes))
    leased = {lease.interface for lease in leases}
    known = (
        Route(one.route.interface, one.route.prefix, one.route.gateway, one.marked and _decides(one.route, leased))
        for one in around.routes
        if one.route.gateway is not None
    )
    told = {(route.interface, route.prefix, route.gateway) for route in asked}
    others = (route for route in known if (route.interface, route.prefix, route.gateway) not in told)
    return asked + tuple(dict.fromkeys(others))


def _decides(route: Route, leased: set[str]) -> bool:
    """Tell whether the kernel's mark is all that is known of who asked for a route."""
    return not (isinstance(route.gateway, IPv4Address) and route.interface in leased)


def _servers(leases: tuple[Lease, ...], answers: Answers) -> tuple[DhcpServer, ...]:
    """Give who offered an address, and who gave the one that is held, whose newest word is the offer."""
    offered = tuple(dict.fromkeys(server for wire in answers.wires.values() for server in wire.servers))
    known = {(server.interface, server.address) for server in offered}
    given = (lease.server for lease in leases if lease.server is not None)
    return offered + tuple(server for server in given if (server.interface, server.address) not in known)


# Our choices, in seconds.
METHOD = "netlink, DHCP leases, NetworkManager and what the network answered"
LONGEST_LOOK = 5.0
SETTLE = 0.2
HEAR_AGAIN = 1.0
