"""The helper's side of the talk: each client's scope, the answers to its looks, and what it is told unasked.

One client is one daemon. It writes to its clients only, and hangs up on one that says what it should not
or does not read what it is told.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass, field

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
    Started,
    decode_scope,
    encode,
)
from agent.probes.exec_events import ExecEvents
from agent.probes.processes import Missing
from agent.probes.programs import ProgramProbe


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

    def __init__(self, probe: ProgramProbe, events: ExecEvents | str, allowed: frozenset[int]) -> None:
        """Take what was opened while there were still rights to open it."""
        self._probe = probe
        self._events = events
        self._allowed = allowed
        self._clients: set[Client] = set()
        self._broken: str | None = None

    async def serve(self, listener: socket.socket, stop: asyncio.Event) -> str | None:
        """Serve until `stop` is set, then hang up on everyone; answer why, if it was not asked to stop."""
        loop = asyncio.get_running_loop()
        server = await asyncio.start_unix_server(self._meet, sock=listener, limit=LONGEST_REQUEST)
        if not isinstance(self._events, str):
            loop.add_reader(self._events.fileno(), self._hear, self._events, stop)
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
                line = await reader.readuntil(b"\n")
                client.scope = decode_scope(line)
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                client.tell(Refusal(f"a request is longer than {LONGEST_REQUEST} bytes"))
                return
            except CodecError as error:
                client.tell(Refusal(f"the request is not understood: {error}"))
                return
            if isinstance(self._events, str):
                self._probe.forget_scripts()
            client.tell(Looked(self._probe.look(client.scope)))
            await client.writer.drain()

    def _hear(self, events: ExecEvents, stop: asyncio.Event) -> None:
        try:
            batch = events.read()
        except OSError as error:
            self._broken = f"the kernel's process events ended ({error.strerror})"
            stop.set()
            return
        for event in batch.events:
            self._probe.forget_script(event.pid)
            for client in self._clients:
                self._report(client, event.pid)
        if batch.lost:
            self._probe.forget_scripts()
            for client in self._clients:
                client.tell(LookedAgain(self._probe.look(client.scope)))

    def _report(self, client: Client, pid: int) -> None:
        found = self._probe.look_at(pid, client.scope) if client.scope.uids else None
        if isinstance(found, Missing):
            if not client.missed:
                asyncio.get_running_loop().call_later(MISSED_EVERY, self._report_missed, client)
            client.missed.append(found)
        elif found is not None:
            client.tell(Started(found, self._probe.boot()))

    def _report_missed(self, client: Client) -> None:
        vanished = client.missed.count(Missing.VANISHED)
        client.tell(Missed(vanished, len(client.missed) - vanished, self._probe.boot()))
        client.missed.clear()


def read_peer_uid(connection: socket.socket) -> int:
    """Tell which user is at the other end of a unix socket, by the kernel's word."""
    credentials = struct.Struct("=iII")
    _, uid, _ = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))
    return int(uid)


# Our choices.
MOST_CLIENTS = 4
MOST_UNREAD = 32 << 20
MISSED_EVERY = 0.5
