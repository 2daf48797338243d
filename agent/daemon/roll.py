"""The numbers of named users, asked of the machine's name service in threads.

A directory that is dead or slow stalls nobody: a name that it has not told yet is nobody's, and one that it told
keeps its number until it tells another, for a name service does not say whether it knows nobody or lost its directory.
"""

import pwd
import threading
from collections.abc import Callable, Iterable
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
        self._asking: dict[str, threading.Thread] = {}

    def uid_of(self, name: str) -> int | None:
        """Tell at once what is known of a name, and have it asked again when that is old."""
        entry = self._known.get(name)
        if entry is None or boot_clock() - entry.at > FRESH:
            self._inquire(name)
        return None if entry is None else entry.uid

    def learn(self, names: Iterable[str]) -> None:
        """Ask for names before anybody is served, and wait for the answers a limited time."""
        until = boot_clock() + LONGEST_WAIT
        for asking in [self._inquire(name) for name in names]:
            asking.join(max(0.0, until - boot_clock()))

    def _inquire(self, name: str) -> threading.Thread:
        """Ask in a thread, unless one is still asking."""
        asking = self._asking.get(name)
        if asking is None or not asking.is_alive():
            asking = self._asking[name] = threading.Thread(target=self._work, args=(name,), daemon=True)
            asking.start()
        return asking

    def _work(self, name: str) -> None:
        told, known = self._ask(name), self._known.get(name)
        kept = known.uid if told is None and known is not None else told
        self._known[name] = _Entry(kept, boot_clock())


# Our choices, in seconds.
FRESH = 60.0
LONGEST_WAIT = 2.0
