"""The settings of a user as dconf keeps them: his own database over the system's, which may lock a key.

The profile that the environment of a program may name instead does not show here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent.probes.accounts import Account
from agent.probes.gvdb import Table
from agent.probes.mounts import Mount
from agent.probes.small_files import UnreadableError, read_lines, read_small
from agent.probes.user_files import LARGEST_FILE, read_of_user


@dataclass(frozen=True, slots=True)
class Dconf:
    """The databases that hold for one user, in the order of the profile; None where one does not exist.

    Each answer raises `UnreadableError` where a database is damaged.
    """

    tables: tuple[Table | None, ...]

    @classmethod
    def open(cls, root: Path, mounts: Sequence[Mount], account: Account) -> Self:
        """Open them all; raise `UnreadableError` where one is there and cannot be read."""
        contents = [_read(root, mounts, account, source) for source in _list_sources(root, account)]
        return cls(tuple(None if content is None else Table.root(content) for content in contents))

    def truth(self, key: str) -> bool | None:
        """Give a truth value; None where nothing sets it."""
        table = self._deciding(key)
        return None if table is None else table.truth(key)

    def number(self, key: str) -> int | None:
        """Give a whole number; None where nothing sets it."""
        table = self._deciding(key)
        return None if table is None else table.number(key)

    def _deciding(self, key: str) -> Table | None:
        """Find the first database with a value, but none above the last that locks the key."""
        locking = [place for place, table in enumerate(self.tables) if place and table and _locks(table, key)]
        return next((table for table in self.tables[max(locking, default=0) :] if table and table.has(key)), None)


def _locks(table: Table, key: str) -> bool:
    locks = table.table(".locks")
    return locks is not None and locks.has(key)


def _list_sources(root: Path, account: Account) -> Iterator[tuple[str, str]]:
    """List kind and name of each database that the profile names; without a profile there is the user's own."""
    profiles = (root / f"run/dconf/user/{account.uid}", *(root / profile for profile in PROFILES))
    lines = next((read_lines(profile) for profile in profiles if profile.exists()), ["user-db:user"])
    for line in lines[:MOST_LINES]:
        kind, _, name = line.partition("#")[0].strip().partition(":")
        if kind:
            yield kind, name


def _read(root: Path, mounts: Sequence[Mount], account: Account, source: tuple[str, str]) -> bytes | None:
    match source:
        case ("user-db", name) if "/" not in name:
            return read_of_user(root, mounts, account, (".config", "dconf", name))
        case ("system-db", name) if "/" not in name:
            return read_small(root / "etc/dconf/db" / name, LARGEST_FILE)
        case ("file-db", path):
            return read_small(root / path.lstrip("/"), LARGEST_FILE)
    raise UnreadableError("its profile names a kind of database that is not known")


# Fixed by dconf.
PROFILES = ("etc/dconf/profile/user", "usr/share/dconf/profile/user")

# Our choice.
MOST_LINES = 64
