"""The daemon's end of the control socket: who may ask, bounded reading, one request a connection.

It carries requests to the daemon and replies back; it never decides what they mean.
"""

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from agent.control.messages import (
    LONGEST_LINE,
    MessageError,
    Reason,
    Refused,
    Reply,
    Request,
    decode_request,
    encode,
)
from agent.local_socket import read_peer_uid, take_lock
from agent.problems import Problem, problem
from agent.words import quote

Answer = Callable[[Request, int], AsyncGenerator[Reply, None]]
"""Given a request and the asker's uid, yield the replies; closed early when the asker hangs up."""

log = logging.getLogger(__name__)


class SecondDaemonError(Exception):
    """Another daemon already holds the socket."""


def reason(trouble: Problem) -> Reason:
    """Put a problem into the shape in which replies carry reasons."""
    return Reason(trouble.code, "problem", trouble.cause, trouble.step, trouble.side)


class Server:
    """Listens on a unix socket; ask it only between `start` and `stop`."""

    def __init__(self, path: Path, answer: Answer, may_ask: Callable[[int], bool]) -> None:
        self._path = path
        self._answer = answer
        self._may_ask = may_ask
        self._lock: int | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take the lock and listen; raise `SecondDaemonError` when another daemon does."""
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            self._lock = take_lock(self._path.with_suffix(".lock"))
        except BlockingIOError as error:
            raise SecondDaemonError(str(self._path)) from error
        _remove_stale_socket(self._path)
        self._server = await asyncio.start_unix_server(self._connected, self._path, limit=LONGEST_LINE, backlog=16)
        self._path.chmod(0o666)  # who may ask is decided by the asker's uid, not by the file

    async def stop(self) -> None:
        """Hang up on everybody and give the socket back."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            try:
                await self._converse(reader, writer, read_peer_uid(writer.get_extra_info("socket")))
            finally:
                writer.close()
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> None:
        if len(self._connections) > MOST_CONNECTIONS:
            log.warning("more than %d programs ask at once; one from uid %d was sent away", MOST_CONNECTIONS, uid)
            return
        if not self._may_ask(uid):
            log.warning("uid %d asked and may not", uid)
            await _send(writer, Refused("problem", (reason(problem("control.refused")),)))
            return
        try:
            async with asyncio.timeout(PATIENCE):
                request = decode_request(await _read_line(reader))
        except MessageError as error:
            log.warning("uid %d sent a request that cannot be read: %s", uid, quote(str(error)))
            await _send(writer, Refused("problem", (reason(problem("control.malformed", str(error))),)))
            return
        await self._reply(request, uid, reader, writer)

    async def _reply(
        self, request: Request, uid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        replies = asyncio.create_task(self._pass_on(request, uid, writer))
        hung_up = asyncio.create_task(_wait_for_hang_up(reader))
        _, pending = await asyncio.wait({replies, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for outcome in await asyncio.gather(replies, hung_up, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _pass_on(self, request: Request, uid: int, writer: asyncio.StreamWriter) -> None:
        async with contextlib.aclosing(self._answer(request, uid)) as replies:
            async for reply in replies:
                await _send(writer, reply)


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(encode(reply))
    async with asyncio.timeout(PATIENCE):
        await writer.drain()


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readline()
    except ValueError as error:
        raise MessageError(f"the line is longer than {LONGEST_LINE} bytes") from error
    if not line.endswith(b"\n"):
        raise ConnectionResetError
    return line


async def _wait_for_hang_up(reader: asyncio.StreamReader) -> None:
    while await reader.read(LONGEST_LINE):
        pass  # one request a connection: anything further is read and dropped


def _remove_stale_socket(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


# Our choices.
MOST_CONNECTIONS = 32
PATIENCE = 5.0
