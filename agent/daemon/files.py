"""Reads and writes the small files that the policy and the daemon name; bounded, never a device or a pipe.

What decides something must be root's own: whoever can change a file decides in its place.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def read_bounded(path: Path, most: int) -> bytes:
    """Read a regular file of at most `most` bytes; OSError or ValueError say why not, in one clause."""
    with _opened(path) as (file, _):
        return _content(file, path, most)


def read_private(path: Path, most: int) -> bytes:
    """Read a file that only its owner may read; refuse one that others can, or that is another's."""
    with _opened(path) as (file, state):
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"{path} can be read by other users of this computer (chmod 600 mends it)")
        if state.st_uid != os.geteuid():
            raise ValueError(f"{path} belongs to another user of this computer (chown root mends it)")
        return _content(file, path, most)


def read_trusted(path: Path, most: int) -> bytes:
    """Read a file that nobody but root can change or replace; refuse any other."""
    with _opened(path) as (file, state):
        _demand_ours(path, state)
        for folder in {*path.absolute().parents, *path.resolve().parents}:  # a link can be replaced in its own place
            _demand_ours(folder, folder.stat())
        return _content(file, path, most)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file of our own by this content, whole or not at all, also when the power fails."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def own_folder(path: Path) -> None:
    """Make a folder of our own; refuse one in which others can put files."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    _demand_ours(path, path.lstat())


def why_unreadable(error: OSError | ValueError) -> str:
    """Say in one clause why a file could not be read."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(f"{path} is not a regular file")
        yield file, state


def _content(file: BinaryIO, path: Path, most: int) -> bytes:
    content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} is larger than {most} bytes")
    return content


def _demand_ours(path: Path, state: os.stat_result) -> None:
    others_write = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX  # only owners replace what lies there
    if state.st_uid not in (0, os.geteuid()) or (others_write and not sticky):
        raise ValueError(f"{path} can be changed by other users of this computer (chown root and chmod go-w mend it)")
