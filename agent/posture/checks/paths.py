"""Paths of programs: patterns over them, and where a file lies as a reviewer may know it.

Text only; no file is touched. Matching takes time linear in the path for any pattern.
"""

import fnmatch
import re
from dataclasses import dataclass

from agent.events import Location


class PathError(ValueError):
    """A text that is no pattern; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A path in which `*` stands for any part of one name and `**` for any folders between.

    `start` is the part without wildcards, `before` are the names ahead of `**` and `after` those behind
    it; without `**` `after` is None.
    """

    text: str
    start: str
    before: tuple[re.Pattern[str], ...]
    after: tuple[re.Pattern[str], ...] | None

    @classmethod
    def of(cls, text: str) -> "PathPattern":
        """Read a pattern; raise `PathError` for a text that is none."""
        if not text.startswith("/") or len(text) > LONGEST_PATTERN:
            raise PathError(f"a path pattern starts with '/' and has at most {LONGEST_PATTERN} characters")
        names = text[1:].split("/")
        if any(name in ("", ".", "..") for name in names):
            raise PathError("a path pattern has no empty name, no '.' and no '..'")
        deep = [place for place, name in enumerate(names) if "**" in name]
        if len(deep) > 1 or any(names[place] != "**" for place in deep):
            raise PathError("'**' stands once, alone between two '/' or at the end")
        start = re.split(r"[*?\[]", text, maxsplit=1)[0]
        if not deep:
            return cls(text, start, _compiled(names), None)
        return cls(text, start, _compiled(names[: deep[0]]), _compiled(names[deep[0] + 1 :]))

    @property
    def only_root_writes(self) -> bool:
        """Whether everything that can match lies where none but root can write."""
        return self.start.startswith(ROOTS_FOLDERS)

    def matches(self, path: str) -> bool:
        """Tell whether a path fits."""
        if not path.startswith(self.start):
            return False
        names = path[1:].split("/")
        if self.after is None:
            return len(names) == len(self.before) and _fit(self.before, names)
        head, tail = len(self.before), len(self.after)
        if len(names) < head + max(tail, 1):
            return False
        return _fit(self.before, names[:head]) and _fit(self.after, names[len(names) - tail :])


def only_root_writes(path: str) -> bool:
    """Tell whether a path lies where none but root can put a file."""
    return path.startswith(ROOTS_FOLDERS) and "/../" not in path


def location(path: str, *, home: bool) -> Location:
    """Say where a file lies without naming it."""
    if home or path.startswith(HOMES):
        return Location.HOME
    return next((place for start, place in LOCATIONS if path.startswith(start)), Location.OTHER)


def _compiled(names: list[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(fnmatch.translate(name)) for name in names)


def _fit(patterns: tuple[re.Pattern[str], ...], names: list[str]) -> bool:
    return all(pattern.match(name) for pattern, name in zip(patterns, names, strict=True))


HOMES = ("/home/", "/root/")
LOCATIONS = (
    ("/opt/", Location.OPT),
    ("/tmp/", Location.TEMPORARY),  # noqa: S108  # named, never used
    ("/var/tmp/", Location.TEMPORARY),  # noqa: S108
    ("/dev/shm/", Location.TEMPORARY),  # noqa: S108
    ("/run/user/", Location.TEMPORARY),
    *((start, Location.SYSTEM) for start in ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/snap/", "/nix/store/")),
)
ROOTS_FOLDERS = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/var/lib/flatpak/")

# Our choices.
LONGEST_PATTERN = 512
