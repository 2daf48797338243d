"""The mounted file systems as the first process of the machine sees them (proc(5), mountinfo).

Read as text only: it never touches a mounted file system, which may be a user's and may never answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.probes.small_files import UnreadableError, read_small


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system; `device` is MAJOR:MINOR, `options` those of the mount, `inner` of the file system."""

    device: str
    place: str
    kind: str
    source: str
    options: frozenset[str]
    inner: tuple[str, ...]


def read_mounts(proc: Path) -> tuple[Mount, ...]:
    """Read all mounts; raise `UnreadableError` where there is no such list."""
    content = read_small(proc / "1/mountinfo", LARGEST_TABLE)
    if content is None:
        raise UnreadableError("there is no list of them")
    return tuple(_read(content.decode("utf-8", "backslashreplace").split("\n")))


def find_mount(mounts: Sequence[Mount], place: str) -> Mount | None:
    """Find the mount that a path lies in: the deepest, and of equals the last, which covers the others."""
    holding = [mount for mount in mounts if _holds(mount.place, place)]
    return max(reversed(holding), key=lambda mount: len(mount.place), default=None)


def unescape(text: str) -> str:
    r"""Undo the kernel's `\040` for a blank."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _read(lines: Sequence[str]) -> Iterator[Mount]:
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) >= FIELDS_BEFORE and len(kinds) >= FIELDS_AFTER:
            yield Mount(
                device=fields[2],
                place=unescape(fields[4]),
                kind=kinds[0],
                source=unescape(kinds[1]),
                options=frozenset(fields[5].split(",")),
                inner=tuple(unescape(option) for option in kinds[2].split(",")),
            )


def _holds(mounted: str, place: str) -> bool:
    return place == mounted or place.startswith(mounted.rstrip("/") + "/")


# Fixed by proc(5).
FIELDS_BEFORE, FIELDS_AFTER = 6, 3

# Our choice.
LARGEST_TABLE = 4 << 20
