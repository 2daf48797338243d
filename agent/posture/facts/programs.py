"""The running programs and where they come from."""

from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """What the configured sources say of a package.

    EXACT: one offers this very version. NAME_ONLY: one offers a newer version, as it does between two
    upgrades. NONE: none offers it, or only older ones. LISTS_STALE: what they offer was last asked too long
    ago to say one of the latter two. UNCHECKED: nobody asked, or what they offer could not be read.
    """

    EXACT = "exact"
    NAME_ONLY = "name-only"
    NONE = "none"
    LISTS_STALE = "lists-stale"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Package:
    """The package that owns a path; ownership proves the path, not the content.

    `sources` are the sources that `origin` speaks of, by the names that they give themselves.
    """

    manager: str
    name: str
    version: str
    origin: Origin
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A file that an interpreter was told to run; each field says what it says of a `Program`."""

    path: str
    package: Package | None
    sha256: str | None = None
    unhashed: str = ""
    home: bool = False
    foreign: bool = False
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """One running program: its executable, and the files that this was told to run.

    `path` is the executable as the kernel names it (a `(deleted)` mark removed and told by
    `replaced`), `package` its owner; `sha256` is hex and None when it was not needed or not readable,
    `unhashed` then says why. `home` is true when the path lies below the home folder of a person;
    `foreign` when that path leads to another file, or to none, where we look ourselves: a private
    mount can show any path; `writable` when somebody but root owns the file or may write it.
    `scripts` are the files that an interpreter runs, where they could be told: one, or several where
    an interpreter (the dynamic loader) was told to run another; the last is what is run in the end.
    """

    pid: int
    started: int
    uid: int
    name: str
    path: str
    package: Package | None
    sha256: str | None = None
    unhashed: str = ""
    replaced: bool = False
    home: bool = False
    foreign: bool = False
    writable: bool = False
    scripts: tuple[Script, ...] = ()

    @property
    def files(self) -> "tuple[Program | Script, ...]":
        """The executable and the scripts, in the order in which each was told to run the next."""
        return (self, *self.scripts)


@dataclass(frozen=True, slots=True)
class Programs:
    """All programs of the judged users at one moment.

    `vanished` counts those that ended before their executable could be read, `unreadable`
    those that still ran but would not show it.
    """

    running: tuple[Program, ...]
    vanished: int
    unreadable: int
