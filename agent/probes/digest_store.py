"""The hashes that outlive a restart of the look helper, in one bounded file.

What cannot be read whole and understood is no store: the files are then hashed anew.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.probes.codec import SHA256
from agent.probes.processes import File
from agent.probes.small_files import UnreadableError, read_opened
from agent.shapes import Bounds, plain, shape


@dataclass(frozen=True, slots=True)
class _Entry:
    file: File
    sha256: str


@dataclass(frozen=True, slots=True)
class _Stored:
    hashes: tuple[_Entry, ...]


def read_hashes(path: Path) -> Mapping[File, str]:
    """Read what was stored; empty where there is no such file, or none that only we could have written."""
    try:
        stored = READ(json.loads(_read_own(path)))
    except (OSError, UnreadableError, ValueError, RecursionError):
        return {}
    return {entry.file: entry.sha256 for entry in stored.hashes}


def write_hashes(path: Path, hashes: Iterable[tuple[File, str]]) -> None:
    """Store these and no others, whole or not at all; raise `OSError`."""
    stored = _Stored(tuple(_Entry(file, sha256) for file, sha256 in hashes))
    fresh = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(json.dumps(stored, separators=(",", ":"), default=plain).encode())
    fresh.replace(path)


def _read_own(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    seen = os.fstat(descriptor)
    content = read_opened(descriptor, LARGEST_STORE)
    if seen.st_uid != os.geteuid() or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnreadableError("somebody else may have written it")
    return content


# Our choices.
MOST_STORED = 4_096
LARGEST_STORE = 2 << 20
READ = shape(
    _Stored,
    Bounds(text=64, items=MOST_STORED, whole=(1 << 64) - 1, least=0.0, most=0.0, fields={"sha256": SHA256}),
)
