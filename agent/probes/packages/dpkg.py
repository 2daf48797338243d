"""Which installed Debian package owns a path, from dpkg's own files and without running dpkg.

Ownership proves the path, not the content. Where a package came from is not stored by dpkg, so its
origin stays `Origin.UNCHECKED` here; the database is read only, and read again when it changed.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from agent.posture.facts import Origin, Package


class Packages:
    """An index from paths to packages; keeps a keyed hash of each path, never the path itself."""

    def __init__(self, database: Path) -> None:
        """Prepare an empty index of a dpkg database folder; the first question reads it."""
        self._database = database
        self._stamp: tuple[int, ...] | None = None
        self._owners: dict[int, int] = {}
        self._packages: list[Package] = []

    def owner(self, path: bytes) -> Package | None:
        """Tell who owns a path, with or without `/usr` in front; None when nobody does or dpkg is not there."""
        found = self._find(path)
        if found is None and self.refresh():
            found = self._find(path)
        return found

    def refresh(self) -> bool:
        """Read the database again if it changed since; tell whether it did."""
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return False
        self._packages, self._owners = [], {}
        if stamp is not None:
            self._read_lists(_read_versions(self._database / "status"))
        self._stamp = stamp
        return True

    def _find(self, path: bytes) -> Package | None:
        place = self._owners.get(hash(path))
        if place is None:
            place = self._owners.get(hash(path[len(USR) :] if path.startswith(USR + b"/") else USR + path))
        return None if place is None else self._packages[place]

    def _read_stamp(self) -> tuple[int, ...] | None:
        try:
            seen = [(self._database / name).stat() for name in ("info", "status", "diversions")]
        except OSError:
            return None
        return tuple(number for one in seen for number in (one.st_ino, one.st_size, one.st_mtime_ns))

    def _read_lists(self, versions: dict[str, str]) -> None:
        moved = _read_diversions(self._database / "diversions")
        for paths in sorted((self._database / "info").glob("*.list")):
            name = paths.stem.partition(":")[0]
            if name in versions:
                self._packages.append(Package("dpkg", name, versions[name], Origin.UNCHECKED))
                self._index(_read_whole(paths), moved)

    def _index(self, paths: bytes, moved: dict[bytes, "Diversion"]) -> None:
        place = len(self._packages) - 1
        name = self._packages[place].name
        for path in paths.split(b"\n"):
            if not path or path.startswith(NO_PROGRAMS):
                continue
            diversion = moved.get(path)
            if diversion is not None and diversion.by != name:
                path = diversion.to
            self._owners[hash(path)] = place


@dataclass(frozen=True, slots=True)
class Diversion:
    """Where dpkg puts a file of every package but `by` instead."""

    to: bytes
    by: str


def _read_diversions(file: Path) -> dict[bytes, Diversion]:
    lines = _read_whole(file).split(b"\n")
    triples = zip(lines[0::3], lines[1::3], lines[2::3], strict=False)
    return {path: Diversion(to, _text(by)) for path, to, by in triples}


def _read_versions(file: Path) -> dict[str, str]:
    installed = {}
    for stanza in _read_whole(file).split(b"\n\n"):
        fields = dict(WANTED_FIELD.findall(stanza))
        state = fields.get(b"Status", b"").split()[-1:]
        if state not in ([], [b"not-installed"], [b"config-files"]):
            installed[_text(fields.get(b"Package", b""))] = _text(fields.get(b"Version", b""))
    return installed


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _read_whole(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST_DATABASE_FILE)
    except OSError:
        return b""


# Fixed by dpkg.
USR = b"/usr"
WANTED_FIELD = re.compile(rb"^(Package|Status|Version): (.*)$", re.MULTILINE)

# Our choices: no program or script is run from these.
DPKG = Path("/var/lib/dpkg")
LARGEST_DATABASE_FILE = 64 << 20
NO_PROGRAMS = (
    b"/usr/share/doc/",
    b"/usr/share/man/",
    b"/usr/share/locale/",
    b"/usr/share/icons/",
    b"/usr/share/info/",
    b"/usr/share/zoneinfo/",
    b"/usr/include/",
)
