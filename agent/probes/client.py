"""The daemon's end of the talk with `sekisho-look`.

It asks and listens; it neither looks for itself nor connects again: when the helper is gone it raises
`LookLost`, and what that means for an open tunnel is the gate's to say.
"""

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from agent.local_socket import read_peer_uid
from agent.probes.codec import (
    LONGEST_ANSWER,
    CodecError,
    FactName,
    Looked,
    LookedAgain,
    Missed,
    Pushed,
    Ready,
    Refusal,
    Said,
    Scope,
    Seen,
    Started,
    decode,
    encode_scope,
)

__all__ = ["LookClient", "LookLost", "LookedAgain", "Missed", "Pushed", "Scope", "Started"]


class LookLost(Exception):
    """The helper is gone, late or not understood; the text says which in one clause."""


class LookClient:
    """One connection to the helper; `blind` says why it cannot report starting programs, if it cannot."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, blind: str | None) -> None:
        """Take over a connection on which the helper has said that it is ready."""
        self.blind = blind
        self._writer = writer
        self._pushed: asyncio.Queue[Pushed | None] = asyncio.Queue()
        self._answers: deque[asyncio.Future[Looked]] = deque()
        self._lost: LookLost | None = None
        self._watches = False
        self._listening = asyncio.create_task(self._listen(reader))

    @classmethod
    async def connect(cls, path: Path, seconds: float = 2.0, helpers: frozenset[int] = frozenset()) -> Self:
        """Connect and wait for the helper's first line; raise `LookLost` when there is none in time.

        Only a helper that runs as root, as ourselves or as one of `helpers` is believed.
        """
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_ANSWER)
                try:
                    _trust(writer.get_extra_info("socket"), frozenset({0, os.geteuid()}) | helpers)
                    return cls(reader, writer, await _greet(reader))
                except BaseException:
                    writer.close()
                    raise
        except TimeoutError as error:
            raise LookLost("the look helper does not answer") from error
        except OSError as error:
            raise LookLost(f"the look helper cannot be reached ({error.strerror or error})") from error

    async def look(self, scope: Scope, seconds: float = 5.0) -> Mapping[FactName, Seen]:
        """Look now at each fact of the scope; answers come in order.

        A look at programs also has those that start reported from now on.
        """
        if self._lost is not None:
            raise self._lost
        if "programs" in scope.facts:
            self._watches = scope.watches
        answer: asyncio.Future[Looked] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._writer.write(encode_scope(scope))
        try:
            async with asyncio.timeout(seconds):
                facts = (await answer).facts
        except TimeoutError as error:
            raise self._lose(LookLost("the look helper did not answer a look in time")) from error
        if facts.keys() != scope.facts:
            raise self._lose(LookLost("the look helper answered what was not asked"))
        return facts

    def rest(self) -> None:
        """Have nothing reported until the next look, so that the helper costs nothing; never raise."""
        if self._lost is not None or not self._watches:
            return
        self._watches = False
        unwanted: asyncio.Future[Looked] = asyncio.get_running_loop().create_future()
        unwanted.cancel()
        self._answers.append(unwanted)
        self._writer.write(encode_scope(Scope(frozenset())))

    async def events(self) -> AsyncGenerator[Pushed, None]:
        """Give what the helper reports unasked, as it comes; end by raising `LookLost`."""
        while (pushed := await self._pushed.get()) is not None:
            yield pushed
        raise self._lost or LookLost("the look helper was left")

    async def close(self) -> None:
        """Hang up."""
        self._lose(LookLost("the look helper was left"))
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while self._lost is None:
                self._take(await _read(reader))
        except LookLost as lost:
            self._lose(lost)
        except Exception as error:  # whatever it is, nobody listens any more
            ours = LookLost(f"an error of our own ({type(error).__name__})")
            ours.__cause__ = error
            self._lose(ours)

    def _take(self, said: Said) -> None:
        match said:
            case Looked():
                if not self._answers:
                    raise LookLost("the look helper answered what was not asked")
                answer = self._answers.popleft()
                if not answer.done():  # whoever asked may have gone away meanwhile
                    answer.set_result(said)
            case Started() | Missed() | LookedAgain():
                if self._pushed.qsize() >= MOST_UNHEARD:
                    raise LookLost("the look helper reports faster than it is heard")
                self._pushed.put_nowait(said)
            case Refusal(why):
                raise LookLost(why)
            case Ready():
                raise LookLost("the look helper greeted twice")

    def _lose(self, lost: LookLost) -> LookLost:
        if self._lost is not None:
            return self._lost
        self._lost = lost
        for answer in self._answers:
            if not answer.done():
                answer.set_exception(lost)
        self._pushed.put_nowait(None)
        self._writer.close()
        return lost


def _trust(connection: socket.socket, helpers: frozenset[int]) -> None:
    uid = read_peer_uid(connection)
    if uid not in helpers:
        raise LookLost(f"user {uid} answers in the look helper's place")


async def _greet(reader: asyncio.StreamReader) -> str | None:
    match await _read(reader):
        case Ready(blind):
            return blind
        case Refusal(why):
            raise LookLost(why)
        case _:
            raise LookLost("the look helper did not greet")


async def _read(reader: asyncio.StreamReader) -> Said:
    try:
        return decode(await reader.readuntil(b"\n"))
    except (asyncio.IncompleteReadError, OSError) as error:
        raise LookLost("the look helper hung up") from error
    except asyncio.LimitOverrunError as error:
        raise LookLost(f"the look helper said a line longer than {LONGEST_ANSWER} bytes") from error
    except CodecError as error:
        raise LookLost(f"the look helper is not understood: {error}") from error


# Our choices.
MOST_UNHEARD = 4_096
