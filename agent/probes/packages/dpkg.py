"""Which installed Debian package owns a path, from dpkg's own files and without running dpkg.

Ownership proves the path, not the content. The database is read only, and read again when it changed.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed package as dpkg's status tells it; `size` is what its control file says, or empty."""

    name: str
    version: str
    architecture: str
    size: str


@dataclass(frozen=True, slots=True)
class Index:
    """What the database said at one moment: keyed hashes of paths, never the paths themselves."""

    packages: tuple[Installed, ...] = ()
    owners: Mapping[int, int] = field(default_factory=dict)

    def find(self, path: bytes) -> Installed | None:
        """Tell who owns a path, with or without `/usr` in front."""
        place = self.owners.get(hash(path))
        if place is None:
            place = self.owners.get(hash(path[len(USR) :] if path.startswith(USR + b"/") else USR + path))
        return None if place is None else self.packages[place]


class Dpkg:
    """The packages of a dpkg database folder; the first question reads it.

    It may be read anew in one thread while another asks: an answer comes from one reading, whole.
    """

    def __init__(self, root: Path) -> None:
        """Prepare to read the database below a root folder."""
        self._root = root
        self._stamp: tuple[int, ...] | None = None
        self._now = Index()
        self._former: Mapping[int, Installed] = {}

    @property
    def installed(self) -> tuple[Installed, ...]:
        """Every package of the last reading."""
        return self._now.packages

    def owner(self, path: bytes) -> Installed | None:
        """Tell who owns a path; of a path where nothing lies any more, who owned it before an upgrade."""
        if path.startswith(MAINTAINER_SCRIPTS):
            path = _stand_for_script(path)
        index = self._now
        found = index.find(path)
        if found is None and self.refresh():
            found = self._now.find(path)
        return found or self._former_owner(path)

    def refresh(self) -> bool:
        """Read the database again if it changed since; tell whether it did."""
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return False
        before = self._now
        after = Index() if stamp is None else _read_index(self._root / DPKG)
        gone = {key: before.packages[place] for key, place in before.owners.items() if key not in after.owners}
        self._former = {**self._former, **gone} if len(self._former) + len(gone) <= MOST_FORMER else gone
        self._now, self._stamp = after, stamp
        return True

    def _former_owner(self, path: bytes) -> Installed | None:
        found = self._former.get(hash(path)) if self._former else None
        return found if found is not None and not _lies_something(self._root, path) else None

    def _read_stamp(self) -> tuple[int, ...] | None:
        try:
            seen = [(self._root / DPKG / name).stat() for name in ("info", "status")]
        except OSError:
            return None
        with suppress(OSError):  # not every machine has one
            seen.append((self._root / DPKG / "diversions").stat())
        return tuple(number for one in seen for number in (one.st_ino, one.st_size, one.st_mtime_ns))


def read_installed(root: Path) -> tuple[Installed, ...]:
    """Read what is installed below a root folder; empty where dpkg is not the package manager."""
    by_name = _read_status(root / DPKG / "status")
    return tuple(package for of_name in by_name.values() for package in of_name.values())


@dataclass(frozen=True, slots=True)
class _Diversion:
    """Where dpkg puts a file of every package but `by` instead."""

    to: bytes
    by: str


def _read_index(database: Path) -> Index:
    installed, moved = _read_status(database / "status"), _read_diversions(database / "diversions")
    packages: list[Installed] = []
    owners: dict[int, int] = {}
    for paths in sorted((database / "info").glob("*.list")):
        name, _, architecture = paths.stem.partition(":")
        of_name = installed.get(name, {})
        package = of_name.get(architecture) or next(iter(of_name.values()), None)
        if package is not None:
            _index(_read_whole(paths), package.name, moved, len(packages), owners)
            packages.append(package)
    return Index(tuple(packages), owners)


def _index(paths: bytes, name: str, moved: Mapping[bytes, _Diversion], place: int, owners: dict[int, int]) -> None:
    for path in paths.split(b"\n"):
        if not path or path.startswith(NO_PROGRAMS):
            continue
        diversion = moved.get(path)
        if diversion is not None and diversion.by != name:
            path = diversion.to
        owners[hash(path)] = place
    owners[hash(SCRIPTS_OF + name.encode())] = place


def _stand_for_script(path: bytes) -> bytes:
    """Give what is indexed for all maintainer scripts of a package; no list names them."""
    script = MAINTAINER_SCRIPT.fullmatch(path[len(MAINTAINER_SCRIPTS) :])
    return path if script is None else SCRIPTS_OF + script[1]


def _lies_something(root: Path, path: bytes) -> bool:
    try:
        (root / path.decode("utf-8", "surrogateescape").lstrip("/")).lstat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return True


def _read_diversions(file: Path) -> dict[bytes, _Diversion]:
    lines = _read_whole(file).split(b"\n")
    triples = zip(lines[0::3], lines[1::3], lines[2::3], strict=False)
    return {path: _Diversion(to, _text(by)) for path, to, by in triples}


def _read_status(file: Path) -> dict[str, dict[str, Installed]]:
    """Read the packages that are installed or about to be, by name and then by architecture."""
    installed: dict[str, dict[str, Installed]] = {}
    for stanza in _read_whole(file).split(b"\n\n"):
        fields = {key: _text(value.strip()) for key, value in WANTED_FIELD.findall(stanza)}
        if fields.get(b"Status", "").split()[-1:] in ([], ["not-installed"], ["config-files"]):
            continue
        name, version, architecture, size = (fields.get(key, "") for key in IDENTITY)
        installed.setdefault(name, {})[architecture] = Installed(name, version, architecture, size)
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
DPKG = Path("var/lib/dpkg")
USR = b"/usr"
IDENTITY = (b"Package", b"Version", b"Architecture", b"Installed-Size")
WANTED_FIELD = re.compile(rb"^(Package|Status|Version|Architecture|Installed-Size): (.*)$", re.MULTILINE)
MAINTAINER_SCRIPTS = b"/var/lib/dpkg/info/"
MAINTAINER_SCRIPT = re.compile(rb"([^/:]+)(?::[^/.]+)?\.(?:preinst|postinst|prerm|postrm|config)")

# Our choices: what stands for a package's scripts is no path; no program or script is run from the last.
SCRIPTS_OF = b"the scripts of "
LARGEST_DATABASE_FILE = 64 << 20
MOST_FORMER = 100_000
NO_PROGRAMS = (
    b"/usr/share/doc/",
    b"/usr/share/man/",
    b"/usr/share/locale/",
    b"/usr/share/icons/",
    b"/usr/share/info/",
    b"/usr/share/zoneinfo/",
    b"/usr/include/",
)
