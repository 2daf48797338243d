"""Files in the home of a user, who may have put anything there.

No link is followed below the home, and nothing is read from a file system that a program of the user stores:
it may never answer.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from agent.probes.accounts import Account
from agent.probes.mounts import Mount, find_mount
from agent.probes.small_files import FLAGS, UnreadableError, read_opened, unreadable


def read_of_user(root: Path, mounts: Sequence[Mount], account: Account, names: Sequence[str]) -> bytes | None:
    """Read a file below a user's home, named folder by folder; None where there is none."""
    mount = find_mount(mounts, "/".join((account.home, *names)))
    if mount is None or mount.kind.partition(".")[0] == "fuse":
        raise UnreadableError("it lies in a file system of the user's own")
    try:
        descriptor = _open_below(root / account.home.lstrip("/"), names)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unreadable(error) from error
    return read_opened(descriptor, LARGEST_FILE)


def _open_below(folder: Path, names: Sequence[str]) -> int:
    held = os.open(folder, FLAGS | os.O_DIRECTORY)
    for left, name in zip(range(len(names) - 1, -1, -1), names, strict=True):
        try:
            inner = os.open(name, FLAGS | os.O_NOFOLLOW | (os.O_DIRECTORY if left else 0), dir_fd=held)
        finally:
            os.close(held)
        held = inner
    return held


# Our choice, in bytes.
LARGEST_FILE = 4 << 20
