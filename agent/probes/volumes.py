"""Which file systems tell the truth of their files: those in which the system itself lies.

A file system of a user's (FUSE, an image in a file, a stick) or of the network can show another content under the
same inode, size and times. What is not known to be the system's own is none.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.probes.mounts import find_mount, read_mounts
from agent.probes.small_files import UnreadableError


@dataclass(slots=True)
class Volumes:
    """Tells it of devices, as `st_dev` numbers them, by the mounts that a proc folder shows.

    `places` are where only the administrator mounts anything.
    """

    proc: Path = Path("/proc")
    places: tuple[str, ...] = ("/", "/home", "/opt", "/usr", "/var")
    _devices: frozenset[int] | None = field(default=None, init=False)

    def hold(self, device: int) -> bool:
        """Tell whether the system itself lies on this device."""
        if self._devices is None:
            self._devices = frozenset(self._find())
        return device in self._devices

    def _find(self) -> set[int]:
        found: set[int] = set()
        with suppress(UnreadableError):
            mounts = read_mounts(self.proc)
            for place in self.places:
                mount = find_mount(mounts, place)
                if mount is not None and mount.kind in KERNELS_OWN:
                    with suppress(OSError):
                        found.add(Path(place).stat().st_dev)
        return found


# Our choices.
KERNELS_OWN = frozenset({"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"})
