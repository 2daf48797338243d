"""The helper's side of the talk: each client's scope, the answers to its looks, and what it is told unasked.

One client is one daemon. It writes to its clients only, hangs up on one that says what it should not or
does not read what it is told, and lets the kernel report nothing while nobody's programs are watched.
"""

import asyncio
import socket
from dataclasses import dataclass, field

from agent.local_socket import read_peer_uid
from agent.probes.codec import (
    LONGEST_REQUEST,
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
from agent.probes.exec_events import ExecEvents
from agent.probes.processes import Missing
from agent.probes.programs import ProgramProbe
from agent.probes.slow_looks import SlowLooks


@dataclass(slots=True, eq=False)
class Client:
    """One connection, what it asked to watch, and the starts that it has not been told of yet."""

    writer: asyncio.StreamWriter
    scope: Scope = field(default_factory=lambda: Scope(frozenset()))
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
        return self._broken

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
        return self._probe.look(scope)

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
                self._events.rest()
        except OSError as error:
            self._break(error)

    def _break(self, error: OSError) -> None:
        self._broken = f"the kernel's process events ended ({error.strerror})"
        self._stop.set()

    def _hear(self, events: ExecEvents) -> None:
        try:
            batch = events.read()
        except OSError as error:
            self._break(error)
            return
        for event in batch.events:
            self._probe.forget_script(event.pid)
            for client in self._clients:
                self._report(client, event.pid)
        if batch.lost:
            self._probe.forget_scripts()
            for client in self._clients:
                if client.scope.watches:
                    client.tell(LookedAgain(self._probe.look(client.scope)))

    def _report(self, client: Client, pid: int) -> None:
        found = self._probe.look_at(pid, client.scope) if client.scope.watches else None
        if isinstance(found, Missing):
            if not client.missed:
                asyncio.get_running_loop().call_later(MISSED_EVERY, self._report_missed, client)
            client.missed.append(found)
        elif found is not None:
            client.tell(Started(found, self._probe.boot()))

    def _report_missed(self, client: Client) -> None:
        if not client.scope.watches:
            client.missed.clear()
        if not client.missed:
            return
        vanished = client.missed.count(Missing.VANISHED)
        client.tell(Missed(vanished, len(client.missed) - vanished, self._probe.boot()))
        client.missed.clear()


# Our choices.
MOST_CLIENTS = 4
MOST_UNREAD = 32 << 20
MISSED_EVERY = 0.5
