"""The numbers of named users, asked of the machine's name service in a thread.

A directory that is dead or slow stalls nobody: a name that it has not told yet is nobody's.
"""

import asyncio
import pwd
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from agent.boot_clock import boot_clock


@dataclass(frozen=True, slots=True)
class _Entry:
    uid: int | None
    at: float


def ask_name_service(name: str) -> int | None:
    """Find a user of this machine; None for a name that nobody has, or that could not be told."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, OSError, ValueError):
        return None


class Roll:
    """Knows the users by name as they were last told; `ask` may take its time."""

    def __init__(self, ask: Callable[[str], int | None] = ask_name_service) -> None:
        self._ask = ask
        self._known: dict[str, _Entry] = {}
        self._asked: dict[str, asyncio.Future[None]] = {}

    def uid_of(self, name: str) -> int | None:
        """Tell at once what is known of a name, and have it asked again when that is old."""
        entry = self._known.get(name)
        if entry is None or boot_clock() - entry.at > FRESH:
            self._inquire(name)
        return None if entry is None else entry.uid

    async def learn(self, names: Iterable[str]) -> None:
        """Ask for names ahead, and wait for the answers a limited time."""
        asked = {self._inquire(name) for name in names}
        if asked:
            await asyncio.wait(asked, timeout=LONGEST_WAIT)

    def _inquire(self, name: str) -> asyncio.Future[None]:
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = asyncio.get_running_loop().create_future()
            threading.Thread(target=self._work, args=(name, asked), daemon=True).start()
        return asked

    def _work(self, name: str, asked: asyncio.Future[None]) -> None:
        uid = self._ask(name)
        with suppress(RuntimeError):  # nobody waits any more: the event loop has ended
            asked.get_loop().call_soon_threadsafe(self._learned, name, uid)

    def _learned(self, name: str, uid: int | None) -> None:
        self._known[name] = _Entry(uid, boot_clock())
        self._asked.pop(name).set_result(None)


# Our choices, in seconds.
FRESH = 60.0
LONGEST_WAIT = 2.0
