"""Which installed package a program is of, whichever manager installed it: dpkg, rpm, snap or flatpak.

Ownership proves the path, not the content. It reads the managers' own files and runs none of them.
"""

from collections.abc import Callable
from pathlib import Path

from agent.posture.facts import Package
from agent.probes.packages.dpkg import Dpkg
from agent.probes.packages.flatpak import Flatpaks
from agent.probes.packages.origins import Origins
from agent.probes.packages.rpm import Rpm
from agent.probes.packages.snap import Snaps
from agent.probes.processes import Image

__all__ = ["Packages"]


class Packages:
    """The packages of one machine; it may be read anew in one thread while another asks."""

    def __init__(self, root: Path, wall: Callable[[], float]) -> None:
        """Take the root folder and the wall clock; the first question reads what it needs."""
        self._dpkg = Dpkg(root)
        self._rpm = Rpm(root)
        self._snaps = Snaps(root, root / "proc/self/mountinfo")
        self._flatpaks = Flatpaks(root)
        self._origins = Origins(root, wall)

    def refresh(self) -> None:
        """Read again what changed since; a question about a path that nobody owns does so by itself."""
        self._dpkg.refresh()
        self._rpm.refresh()

    def refresh_origins(self) -> None:
        """Read what the sources offer, if that changed; it takes up to seconds, so do it in a thread."""
        self._origins.refresh(self._dpkg.installed)

    def owner(self, path: bytes, oldest: float | None = None) -> Package | None:
        """Tell who owns a path of our own view; None when nobody does.

        `oldest` asks for its origin, by lists of at most so many seconds.
        """
        if (snap := self._snaps.owner(path)) is not None:
            return snap
        if (installed := self._dpkg.owner(path)) is not None:
            return self._origins.describe(installed, oldest)
        if (package := self._rpm.owner(path)) is None and self._rpm.refresh():
            package = self._rpm.owner(path)
        return package

    def owner_inside(self, folder: int, image: Image) -> Package | None:
        """Tell whose a file is that a process, held by its folder, runs in a view of its own."""
        if image.file is None or image.file.writable:
            return None
        return self._snaps.owner_of_device(image.file.device) or self._flatpaks.owner(folder, image)
