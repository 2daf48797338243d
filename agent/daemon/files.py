"""Reads the small files that the policy and the daemon name; bounded, and never a device or a pipe."""

import os
import stat
from pathlib import Path


def read_bounded(path: Path, most: int) -> bytes:
    """Read a regular file of at most `most` bytes; OSError or ValueError say why not, in one clause."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise ValueError(f"{path} is not a regular file")
        content = opened.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} is larger than {most} bytes")
    return content


def read_private(path: Path, most: int) -> bytes:
    """Read a file that only its owner may read; refuse one that others can."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} can be read by other users of this computer (chmod 600 mends it)")
    return read_bounded(path, most)


def why_unreadable(error: OSError | ValueError) -> str:
    """Say in one clause why a file could not be read."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
