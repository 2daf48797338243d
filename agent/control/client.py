"""A program's end of the control socket: one request, its replies, each awaited with a deadline.

Plain and synchronous, for programs that must start fast. It shows nothing and decides nothing;
whatever goes wrong is a `ControlError` with the problem to tell.
"""

import os
import selectors
import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from agent.control.messages import LONGEST_LINE, MessageError, Reply, Request, decode_reply, encode
from agent.problems import Problem, problem


class ControlError(Exception):
    """The service could not be asked, or broke off; `problem` says which."""

    def __init__(self, told: Problem) -> None:
        self.problem = told
        super().__init__(told.code)


def foreign(why: str) -> ControlError:
    """Tell that the service speaks in a way that this program does not understand, and in which."""
    return ControlError(problem("daemon.foreign", why))


class Conversation:
    """One request to the service, for as long as the `with` lasts."""

    def __init__(self, path: str | os.PathLike[str], request: Request) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._buffer = bytearray()
        try:
            self._socket.settimeout(PATIENCE)
            self._socket.connect(os.fspath(path))
            with suppress(BrokenPipeError):  # whoever is sent away unheard still finds the reason in the socket
                self._socket.sendall(encode(request))
        except OSError as error:
            self._socket.close()
            raise ControlError(_unreachable(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def next_reply(self, within: float | None) -> Reply | None:
        """Await one reply for `within` seconds (None: for ever); None when there was none by then."""
        deadline = None if within is None else time.monotonic() + within
        while (line := self._line()) is None:
            left = None if deadline is None else deadline - time.monotonic()
            if (left is not None and left <= 0) or not self._readable(left):
                return None
            self._read()
        try:
            return decode_reply(line)
        except MessageError as error:
            raise foreign(str(error)) from error

    def _line(self) -> bytes | None:
        line, newline, rest = self._buffer.partition(b"\n")
        if len(line) > LONGEST_LINE:
            raise foreign(f"a line is longer than {LONGEST_LINE} bytes")
        if not newline:
            return None
        self._buffer = rest
        return bytes(line)

    def _readable(self, within: float | None) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return bool(selector.select(within))

    def _read(self) -> None:
        try:
            data = self._socket.recv(LONGEST_LINE)
        except OSError as error:
            raise ControlError(problem("daemon.lost")) from error
        if not data:
            raise ControlError(problem("daemon.lost"))
        self._buffer += data


def _unreachable(error: OSError) -> Problem:
    if isinstance(error, PermissionError):
        return problem("control.refused")
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return problem("daemon.absent")
    if isinstance(error, TimeoutError | BlockingIOError):
        return problem("daemon.silent")
    return problem("daemon.absent", str(error))


# Our choices, in seconds.
PATIENCE = 5.0
