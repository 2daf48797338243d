"""Appends what happened to the events file, one canonical JSON line each; it never decides what is an event."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

from agent.events import Event, EventError, line

log = logging.getLogger(__name__)


class Records:
    """The open events file. A full disk or a value that no event can express never stops the daemon: it is logged."""

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        self._wall = wall
        self._next = 1

    def append(self, event: Event) -> None:
        """Write one event as a whole line."""
        try:
            self._write(line(event, self._wall(), self._next).encode() + b"\n")
        except (OSError, EventError) as error:
            log.error("the event %r was not recorded: %s", event.name, error)
        else:
            self._next += 1

    def _write(self, whole: bytes) -> None:
        """Write all of a line or nothing: half of one would spoil the next."""
        before = os.lseek(self._file, 0, os.SEEK_END)
        if os.write(self._file, whole) != len(whole):
            os.ftruncate(self._file, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
