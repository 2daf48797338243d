"""Which installed RPM package owns a path, from rpm's own database and without running rpm.

Ownership proves the path, not the content. Only databases of SQLite are read (rpm 4.16 and newer), read
only; where a package came from is not told by them, so its origin stays `Origin.UNCHECKED`.
"""

import sqlite3
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from urllib.parse import quote

from agent.posture.facts import Origin, Package


class Tag(IntEnum):
    """The fields of a package's header that are read (rpmtag.h)."""

    NAME = 1000
    VERSION = 1001
    RELEASE = 1002
    EPOCH = 1003
    DIRINDEXES = 1116
    BASENAMES = 1117
    DIRNAMES = 1118


class HeaderError(ValueError):
    """Bytes that are no header of a package."""


@dataclass(frozen=True, slots=True)
class Header:
    """What one package's header says."""

    name: str
    version: str
    paths: tuple[bytes, ...]

    @classmethod
    def decode(cls, blob: bytes) -> "Header":
        """Read a header as the database keeps it; raise `HeaderError` for anything else."""
        fields = _Fields(blob)
        folders, names = fields.texts(Tag.DIRNAMES), fields.texts(Tag.BASENAMES)
        places = fields.numbers(Tag.DIRINDEXES)
        if len(places) != len(names) or any(place >= len(folders) for place in places):
            raise HeaderError("the paths do not fit together")
        epoch = fields.numbers(Tag.EPOCH)
        version = f"{_text(fields.text(Tag.VERSION))}-{_text(fields.text(Tag.RELEASE))}"
        return cls(
            name=_text(fields.text(Tag.NAME)),
            version=f"{epoch[0]}:{version}" if epoch else version,
            paths=tuple(folders[place] + name for place, name in zip(places, names, strict=True)),
        )


class Rpm:
    """The packages of an rpm database; it may be read anew in one thread while another asks."""

    def __init__(self, root: Path) -> None:
        """Prepare to read the database below a root folder; the first question reads it."""
        self._files = tuple(root / place for place in DATABASES)
        self._stamp: tuple[int, ...] | None = None
        self._now: tuple[Mapping[int, int], tuple[Package, ...]] = ({}, ())

    def owner(self, path: bytes) -> Package | None:
        """Tell who owns a path, with or without `/usr` in front; None when nobody does or rpm is not there."""
        owners, packages = self._now
        place = owners.get(hash(path), owners.get(hash(b"/usr" + path)))
        return None if place is None else packages[place]

    def refresh(self) -> bool:
        """Read the database again if it changed since; tell whether it did."""
        file = next((file for file in self._files if file.exists()), None)
        stamp = None if file is None else _stamp(file)
        if stamp == self._stamp:
            return False
        before, self._stamp = self._now, stamp
        try:
            self._now = ({}, ()) if file is None or stamp is None else _read_index(file)
        except sqlite3.Error:  # rpm is writing: what it said before holds until it has changed again
            return False
        return self._now is not before


class _Fields:
    """The index of a header and the store behind it; every offset and count is held against the bytes there are."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < LENGTHS.size:
            raise HeaderError("the header is too short")
        count, size = LENGTHS.unpack_from(blob)
        start = LENGTHS.size + count * ENTRY.size
        if count > MOST_ENTRIES or start + size > len(blob):
            raise HeaderError("the header is longer than its bytes")
        self._store = blob[start : start + size]
        entries = ENTRY.iter_unpack(blob[LENGTHS.size : start])
        self._entries = {tag: (kind, offset, count) for tag, kind, offset, count in entries if tag in WANTED}

    def text(self, tag: Tag) -> bytes:
        return next(iter(self.texts(tag)), b"")

    def texts(self, tag: Tag) -> tuple[bytes, ...]:
        kind, offset, count = self._entries.get(tag, (STRING_ARRAY, 0, 0))
        if kind not in (STRING, STRING_ARRAY, I18N_STRING) or count > len(self._store):
            raise HeaderError(f"the field {tag} is no text")
        found = self._store[offset:].split(b"\0", count)
        if len(found) <= count and count:
            raise HeaderError(f"the field {tag} is cut off")
        return tuple(found[:count])

    def numbers(self, tag: Tag) -> tuple[int, ...]:
        kind, offset, count = self._entries.get(tag, (INT32, 0, 0))
        end = offset + count * 4
        if kind != INT32 or end > len(self._store):
            raise HeaderError(f"the field {tag} is no number")
        return struct.unpack(f">{count}I", self._store[offset:end])


def _read_index(file: Path) -> tuple[Mapping[int, int], tuple[Package, ...]]:
    owners: dict[int, int] = {}
    packages: list[Package] = []
    for header in _read_headers(file):
        for path in header.paths:
            if len(owners) < MOST_PATHS and not path.startswith(NO_PROGRAMS):
                owners[hash(path)] = len(packages)
        packages.append(Package("rpm", header.name, header.version, Origin.UNCHECKED))
    return owners, tuple(packages)


def _read_headers(file: Path) -> Iterator[Header]:
    """Read every package; one that cannot be read owns nothing, so its programs are nobody's and are seen.

    Raise `sqlite3.Error` where the database cannot be read to its end.
    """
    with closing(sqlite3.connect(_address(file), uri=True)) as database:
        for (blob,) in database.execute(EVERY_HEADER, (LARGEST_HEADER,)):
            with suppress(HeaderError, TypeError):
                yield Header.decode(blob)


def _address(file: Path) -> str:
    """Name the database so that nothing is written beside it; while rpm writes, its log is read too."""
    busy = False
    with suppress(OSError):
        busy = file.with_name(f"{file.name}-wal").stat().st_size > 0
    return f"file:{quote(str(file))}?mode=ro" + ("" if busy else "&immutable=1")


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        seen = [each.stat() for each in (file, file.with_name(f"{file.name}-wal")) if each.exists()]
    except OSError:
        return None
    return tuple(number for one in seen for number in (one.st_ino, one.st_size, one.st_mtime_ns))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


# Fixed by rpm.
DATABASES = ("usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite")
EVERY_HEADER = "SELECT blob FROM Packages WHERE length(blob) <= ?"
LENGTHS, ENTRY = struct.Struct(">II"), struct.Struct(">IIII")
INT32, STRING, STRING_ARRAY, I18N_STRING = 4, 6, 8, 9
WANTED = frozenset(Tag)

# Our choices: no program or script is run from these.
MOST_ENTRIES = 1 << 16
LARGEST_HEADER = 32 << 20
MOST_PATHS = 1_000_000
NO_PROGRAMS = (b"/usr/share/doc/", b"/usr/share/man/", b"/usr/share/locale/", b"/usr/share/icons/", b"/usr/include/")
