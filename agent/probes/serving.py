"""The helper's side of the talk: each client's scope, the answers to its looks, and what it is told unasked.

One client is one daemon. It writes to its clients only, hangs up on one that says what it should not or
does not read what it is told, and lets the kernel report nothing while nobody's programs are watched.
"""

import asyncio
import socket
import sys
from dataclasses import dataclass, field, replace

from agent.local_socket import read_peer_uid
from agent.posture.facts import Observed, Program, Programs, Unseen
from agent.probes.codec import (
    LONGEST_REQUEST,
    MOST_PROGRAMS,
    CodecError,
    Looked,
    LookedAgain,
    Missed,
    Ready,
    Refusal,
    Said,
    Scope,
    Seen,
    Started,
    decode_scope,
    encode,
)
from agent.probes.exec_events import Batch, ExecEvents
from agent.probes.processes import Glimpse, Missing
from agent.probes.programs import ProgramProbe
from agent.probes.slow_looks import SlowLooks


@dataclass(slots=True)
class Told:
    """What a client knows to run since its last look, so that the same program is not told a thousand times over.

    It mirrors the client, which keeps the last program that it was told of each process until its next look.
    `glimpses` tell a known program at a glance.
    """

    programs: set[Program] = field(default_factory=set)
    pids: dict[int, Program] = field(default_factory=dict)
    glimpses: dict[Glimpse, Program] = field(default_factory=dict)

    def look(self, seen: Observed[Programs] | Unseen) -> None:
        """Begin anew with what a whole look saw."""
        self._clear()
        for program in seen.value.running if isinstance(seen, Observed) else ():
            self.is_news(program)

    def knows(self, glimpse: Glimpse) -> bool:
        """Tell whether a program of this glimpse is known."""
        return self.glimpses.get(glimpse) in self.programs

    def is_news(self, program: Program, glimpse: Glimpse | None = None) -> bool:
        """Tell whether no program like this one is known; it is from now on, also by its glimpse."""
        alike = replace(program, pid=0, started=0)
        if glimpse is not None and glimpse.file is not None:
            self.glimpses[glimpse] = alike
        if alike in self.programs:
            return False
        if len(self.programs) >= MOST_PROGRAMS:
            self._clear()
        self.programs.discard(self.pids.get(program.pid))
        self.programs.add(alike)
        self.pids[program.pid] = alike
        return True

    def _clear(self) -> None:
        self.programs.clear()
        self.pids.clear()
        self.glimpses.clear()


@dataclass(slots=True, eq=False)
class Client:
    """One connection, what it asked to watch, what it knows to run, and what was missed and not told yet."""

    writer: asyncio.StreamWriter
    scope: Scope = field(default_factory=lambda: Scope(frozenset()))
    told: Told = field(default_factory=Told)
    missed: list[Missing] = field(default_factory=list)

    def tell(self, said: Said) -> None:
        """Send one line, or hang up on a client that has stopped reading."""
        if self.writer.transport.get_write_buffer_size() > MOST_UNREAD:
            self.writer.transport.abort()
        else:
            self.writer.write(encode(said))


class Host:
    """Serves the users in `allowed`; without `events` it tells why it is `blind` to programs that start."""

    def __init__(self, probe: ProgramProbe, slow: SlowLooks, events: ExecEvents | str, allowed: frozenset[int]) -> None:
        """Take what was opened while there were still rights to open it."""
        self._probe = probe
        self._slow = slow
        self._events = events
        self._allowed = allowed
        self._clients: set[Client] = set()
        self._listens = False
        self._pressure = 0.0
        self._heard_at = 0.0
        self._gathering: asyncio.TimerHandle | None = None
        self._stop = asyncio.Event()
        self._broken: str | None = None

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> str | None:
        """Serve until `stop` is set, then hang up on everyone; answer why, if it was not asked to stop."""
        self._stop = stop
        server = await asyncio.start_unix_server(self._meet, sock=listener, limit=LONGEST_REQUEST)
        if not isinstance(self._events, str):
            self._events.rest()
        self._probe.prepare()
        async with server:
            await stop.wait()
        for client in tuple(self._clients):
            client.writer.transport.abort()
        self._save()
        return self._broken

    def _save(self) -> None:
        try:
            self._probe.rest()
        except OSError as error:
            print(f"sekisho-look: the cache cannot be written ({error.strerror}).", file=sys.stderr)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer)
        try:
            refusal = self._refuse(writer)
            if refusal is not None:
                client.tell(Refusal(refusal))
                return
            self._clients.add(client)
            client.tell(Ready(self._events if isinstance(self._events, str) else None))
            await self._answer(client, reader)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._clients.discard(client)
            self._attend()
            writer.close()

    def _refuse(self, writer: asyncio.StreamWriter) -> str | None:
        uid = read_peer_uid(writer.get_extra_info("socket"))
        if uid not in self._allowed:
            return f"user {uid} may not use the look helper"
        if len(self._clients) >= MOST_CLIENTS:
            return f"the look helper already serves {MOST_CLIENTS} clients"
        return None

    async def _answer(self, client: Client, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                scope = decode_scope(await reader.readuntil(b"\n"))
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                client.tell(Refusal(f"a request is longer than {LONGEST_REQUEST} bytes"))
                return
            except CodecError as error:
                client.tell(Refusal(f"the request is not understood: {error}"))
                return
            facts = await self._slow.look(scope)
            if "programs" in scope.facts:
                facts["programs"] = await self._look_and_watch(client, scope)
            client.tell(Looked(facts))
            await client.writer.drain()

    async def _look_and_watch(self, client: Client, scope: Scope) -> Seen:
        if scope.origins is not None:
            await asyncio.to_thread(self._probe.prepare_origins)
        client.scope = scope
        self._attend()
        if isinstance(self._events, str):
            self._probe.forget_scripts()
        return self._look(client)

    def _look(self, client: Client) -> Observed[Programs] | Unseen:
        seen = self._probe.look(client.scope)
        client.told.look(seen)
        return seen

    def _attend(self) -> None:
        """Listen to the kernel while the programs of anybody are watched, from before they are looked at."""
        wanted = any(client.scope.watches for client in self._clients)
        if isinstance(self._events, str) or wanted == self._listens:
            return
        self._listens = wanted
        loop = asyncio.get_running_loop()
        try:
            if wanted:
                self._events.resume()
                self._probe.forget_scripts()
                loop.add_reader(self._events.fileno(), self._hear, self._events)
            else:
                loop.remove_reader(self._events.fileno())
                if self._gathering is not None:
                    self._gathering.cancel()
                    self._gathering = None
                self._events.rest()
                self._save()
        except OSError as error:
            self._break(error)

    def _gather(self, events: ExecEvents, starts: int) -> None:
        """Let starts gather for an instant while a storm of them lasts; otherwise look at each at once."""
        loop = asyncio.get_running_loop()
        self._pressure = self._pressure * 0.5 ** (loop.time() - self._heard_at) + starts
        self._heard_at = loop.time()
        if self._pressure > STORM:
            loop.remove_reader(events.fileno())
            self._gathering = loop.call_later(INSTANT, self._hear, events)
        elif self._gathering is not None:
            self._gathering = None
            loop.add_reader(events.fileno(), self._hear, events)

    def _break(self, error: OSError) -> None:
        self._broken = f"the kernel's process events ended ({error.strerror})"
        self._stop.set()

    def _hear(self, events: ExecEvents) -> None:
        try:
            batch = events.read()
        except OSError as error:
            self._break(error)
            return
        try:
            self._pass_on(batch)
        finally:
            self._gather(events, len(batch.events))

    def _pass_on(self, batch: Batch) -> None:
        for event in batch.events:
            self._probe.forget_script(event.pid)
            for client in self._clients:
                self._report(client, event.pid)
        if batch.lost:
            self._probe.forget_scripts()
            for client in self._clients:
                if client.scope.watches:
                    client.tell(LookedAgain(self._look(client)))

    def _report(self, client: Client, pid: int) -> None:
        match self._probe.glimpse(pid, client.scope) if client.scope.watches else None:
            case Missing() as missing:
                self._miss(client, missing)
            case Glimpse() as glimpse if not client.told.knows(glimpse):
                self._tell(client, pid, glimpse)

    def _tell(self, client: Client, pid: int, glimpse: Glimpse) -> None:
        found = self._probe.look_at(pid, client.scope)
        if isinstance(found, Missing):
            self._miss(client, found)
        elif found is not None and client.told.is_news(found, glimpse):
            client.tell(Started(found, self._probe.boot()))

    def _miss(self, client: Client, missing: Missing) -> None:
        if not client.missed:
            asyncio.get_running_loop().call_later(MISSED_EVERY, self._report_missed, client)
        client.missed.append(missing)

    def _report_missed(self, client: Client) -> None:
        if not client.scope.watches:
            client.missed.clear()
        if not client.missed:
            return
        vanished = client.missed.count(Missing.VANISHED)
        client.tell(Missed(vanished, len(client.missed) - vanished, self._probe.boot()))
        client.missed.clear()


# Our choices; the pressure halves each second, so that 100 starts a second make a storm.
MOST_CLIENTS = 4
MOST_UNREAD = 32 << 20
MISSED_EVERY = 0.5
STORM = 150.0
INSTANT = 0.02
