"""Which flatpak a program inside a sandbox is of, where it was installed for the whole machine.

What the sandbox says of itself only tells where to look: the program counts as the app's when the very
same file lies in what root deployed, or deployed until an update replaced it. Apps that a person installed for
themselves are nobody's packages.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.posture.facts import Origin, Package
from agent.probes.processes import Image, examine
from agent.probes.small_files import FLAGS, UnreadableError, list_names, read_opened


class Flatpaks:
    """The apps and runtimes that are deployed below a root folder."""

    def __init__(self, root: Path) -> None:
        """Prepare to look at what flatpak deployed."""
        self._root = root

    def owner(self, folder: int, image: Image) -> Package | None:
        """Tell which deployed app or runtime a file of a process, held by its folder, is a file of."""
        view = next((view for view in VIEWS if image.path.startswith(view)), None)
        said = _read_info(folder) if view is not None and image.file is not None else {}
        deployed = DEPLOYED.fullmatch(said.get(VIEWS[view], b"")) if view is not None else None
        if view is None or deployed is None or image.file is None:
            return None
        for place in self._list_places(deployed):
            file = examine(os.fsencode(place / "files") + b"/" + image.path.removeprefix(view))
            if file is not None and not file.writable and file.is_same_file(image.file):
                return self._describe(place, deployed[2])
        return None

    def _list_places(self, deployed: re.Match[bytes]) -> Iterator[Path]:
        """List where a version may lie; an update moves it away, still with its own name, while it is running."""
        yield self._root / os.fsdecode(deployed[1]).lstrip("/")
        try:
            names = list_names(self._root / REMOVED)
        except UnreadableError:
            return
        for name in names:
            place = self._root / REMOVED / name
            if name.endswith(deployed[3].decode()) and _name(place) == deployed[2]:
                yield place

    def _describe(self, place: Path, name: bytes) -> Package | None:
        try:
            with (place / "deploy").open("rb") as file:
                origin, commit, *_ = file.read(LONGEST_DEPLOY).split(b"\0", 2)
        except (OSError, ValueError):
            return None
        remote = origin.decode("utf-8", "backslashreplace")[:LONGEST_REMOTE]
        known = Origin.EXACT if self._is_configured(origin) else Origin.NONE
        return Package("flatpak", name.decode(), commit[:12].decode("ascii", "replace"), known, (remote,))

    def _is_configured(self, remote: bytes) -> bool:
        """Tell whether a remote is still configured, and its apps are asked for signatures."""
        section = _section(self._root / REPOSITORY, b'remote "%s"' % remote)
        return section.get(b"url", b"") != b"" and section.get(b"gpg-verify", b"true") == b"true"


def _read_info(folder: int) -> Mapping[bytes, bytes]:
    return _section(Path(f"/proc/self/fd/{folder}/root/.flatpak-info"), b"Instance")


def _name(place: Path) -> bytes:
    """Read what a deployed version calls itself."""
    told = (_section(place / "metadata", kind) for kind in (b"Application", b"Runtime"))
    return next((section[b"name"] for section in told if b"name" in section), b"")


def _section(file: Path, name: bytes) -> Mapping[bytes, bytes]:
    """Read one section of a key file; empty when it is not there or cannot be read."""
    try:
        text = read_opened(os.open(file, FLAGS | os.O_NOFOLLOW), LONGEST_INFO)
    except (OSError, UnreadableError):
        return {}
    found: dict[bytes, bytes] = {}
    inside = False
    for line in text.splitlines():
        if line.startswith(b"["):
            inside = line.strip() == b"[%s]" % name
        elif inside and b"=" in line:
            key, _, value = line.partition(b"=")
            found[key.strip()] = value.strip()
    return found


# Fixed by flatpak.
VIEWS = {b"/app/": b"app-path", b"/usr/": b"runtime-path"}
DEPLOYED = re.compile(
    rb"(/var/lib/flatpak/(?:app|runtime)/([A-Za-z0-9_][A-Za-z0-9_.-]{0,254})/[a-z0-9_]{1,32}/[A-Za-z0-9_.+-]{1,128}/([0-9a-f]{64}))/files"
)
REMOVED = Path("var/lib/flatpak/.removed")
REPOSITORY = Path("var/lib/flatpak/repo/config")

# Our choices.
LONGEST_INFO = 64 << 10
LONGEST_DEPLOY = 4_096
LONGEST_REMOTE = 120
