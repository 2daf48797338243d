"""Which snap owns a path below its mount, and which one a program inside a snap's own view of the machine is of.

Where a snap is mounted none but root can put a file. Who published it is not told; its revision tells
whether a store vouched for it (a number) or it was installed from a file (`x` and a number).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from agent.posture.facts import Origin, Package


class Snaps:
    """The snaps below a root folder; `mounts` is our own list of mounts, as the kernel tells it."""

    def __init__(self, root: Path, mounts: Path) -> None:
        """Prepare to look at what snapd installed."""
        self._root = root
        self._mounts = mounts

    def owner(self, path: bytes) -> Package | None:
        """Tell which snap's mount a path lies in; None for any other place, or when snapd has no such snap."""
        found = PLACE.match(path)
        if found is None:
            return None
        name, revision = found[1].decode(), found[2].decode()
        if not (self._root / STORED / f"{name}_{revision}.snap").is_file():
            return None
        asserted = not revision.startswith("x")
        origin = Origin.EXACT if asserted else Origin.NONE
        return Package("snap", name, revision, origin, (STORE,) if asserted else ())

    def owner_of_device(self, device: int) -> Package | None:
        """Tell which snap a file lies in by its file system, whatever path a private view shows it at.

        The mounts are read each time: an update gives a snap another device, and its old one to any image.
        """
        place = _read_mounts(self._mounts).get(device) if (self._root / STORED).is_dir() else None
        return None if place is None else self.owner(place + b"/")


def _read_mounts(mounts: Path) -> Mapping[int, bytes]:
    """Find the read-only images that are mounted as snaps in our own view."""
    try:
        with mounts.open("rb") as file:
            return _find_snaps(file.read(LONGEST_MOUNTS))
    except OSError:
        return {}


@lru_cache(maxsize=1)
def _find_snaps(mounts: bytes) -> Mapping[int, bytes]:
    found = {}
    for line in mounts.split(b"\n"):
        fields = MOUNT.match(line)
        if fields is not None and PLACE.match(fields[3] + b"/"):
            found[_device(int(fields[1]), int(fields[2]))] = fields[3]
    return found


def _device(major: int, minor: int) -> int:
    """Number a device as stat(2) does."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


# Fixed by snapd and by the kernel (proc_pid_mountinfo(5)).
PLACE = re.compile(rb"(?:/var/lib/snapd)?/snap/([a-z0-9-]{1,40}(?:_[a-z0-9]{1,10})?)/(x?[0-9]{1,10})/")
STORED = Path("var/lib/snapd/snaps")
MOUNT = re.compile(rb"[0-9]+ [0-9]+ ([0-9]{1,9}):([0-9]{1,9}) / (\S+) .* - squashfs ")
STORE = "Snap Store"

# Our choices.
LONGEST_MOUNTS = 4 << 20
