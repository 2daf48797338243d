"""What the configured sources of apt offer, from the lists that apt keeps of them.

A list is streamed: only packages that are asked for are kept, and memory stays bounded. What cannot be
read is told, never taken for an empty list. What a source calls itself is believed where it is signed, as apt does.
"""

import bz2
import calendar
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from lz4.frame import LZ4FrameFile  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Source:
    """A source as its Release file names it; `date` is when it was made, in seconds since 1970, or None.

    `origin` is empty where the source does not say it, or where nobody signed that. `secures` are the releases that
    it has security updates for, by their names; empty where it is no source of those.
    """

    origin: str = ""
    secures: frozenset[str] = frozenset()
    date: float | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of a package that a source offers; `size` is what its control file says, or empty."""

    version: str
    architecture: str
    size: str
    source: Source


@dataclass(frozen=True, slots=True)
class Lists:
    """What is offered of the packages that were asked for, by their names.

    `sources` are those that have a list, `unread` counts lists that were not read to their end.
    """

    offers: Mapping[str, tuple[Offer, ...]] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    unread: int = 0

    @property
    def newest(self) -> float | None:
        """When the newest source was made: the lists were fetched then or later. None where none says."""
        return max((source.date for source in self.sources if source.date is not None), default=None)


def stamp_lists(root: Path) -> tuple[tuple[str, int, int], ...]:
    """Give what changes when any list does: names, sizes and times; empty without lists."""
    stamp = []
    for path in _list_files(root)[:MOST_FILES]:
        with suppress(OSError):
            seen = path.stat()
            stamp.append((path.name, seen.st_size, seen.st_mtime_ns))
    return tuple(stamp)


def read_lists(root: Path, wanted: Collection[str], *, only_security: bool = False) -> Lists:
    """Read what the sources, or those of security updates alone, offer of the wanted packages."""
    names, every = {name.encode() for name in wanted}, _list_files(root)
    files, unread = every[:MOST_FILES], len(every[MOST_FILES:])
    releases = {path.name.removesuffix(end): path for end in RELEASES for path in files if path.name.endswith(end)}
    found: dict[str, list[Offer]] = {}
    sources = []
    for path in files:
        source = _find_source(path, releases) if LIST.search(path.name) else None
        if source is None or (only_security and not source.secures):
            continue
        sources.append(source)
        try:
            for name, offer in _read_list(path, names, source):
                found.setdefault(name, []).append(offer)
        except UNREADABLE:
            unread += 1
    return Lists({name: tuple(offers) for name, offers in found.items()}, tuple(sources), unread)


def _list_files(root: Path) -> list[Path]:
    try:
        files = sorted((root / LISTS).iterdir())
    except OSError:
        return []
    return [path for path in files if LIST.search(path.name) or path.name.endswith(RELEASES)]


def _find_source(path: Path, releases: Mapping[str, Path]) -> Source:
    """Find the source of a list by its name; without a Release file only the file's own time is known."""
    above = [name for name in releases if path.name.startswith(f"{name}_")]
    if above:
        return _read_release(releases[max(above, key=len)])
    try:
        return Source(date=path.stat().st_mtime)
    except OSError:
        return Source()


def _read_release(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            head = file.read(LONGEST_HEAD)
    except OSError:
        return Source()
    told = {key: _text(value.strip()) for key, value in reversed(RELEASE_FIELD.findall(head))}
    signed = path.name.endswith(INLINE_SIGNED) or path.with_name(path.name + ".gpg").exists()
    releases = {told.get(key, "").partition("-")[0] for key in (b"Suite", b"Codename")}
    security = any(told.get(key, "").lower().endswith("-security") for key in (b"Label", b"Suite", b"Codename"))
    return Source(
        origin=told.get(b"Origin", "")[:LONGEST_ORIGIN] if signed else "",
        secures=frozenset(releases if security else ()),
        date=_read_date(told.get(b"Date", "")),
    )


def _read_date(text: str) -> float | None:
    """Read a date such as `Sat, 21 Nov 2026 00:53:02 UTC`; locale and library play no part."""
    found = DATE.fullmatch(text)
    if found is None or found[2] not in MONTHS or int(found[3]) < FIRST_YEAR:
        return None
    day, year, hour, minute, second = (int(found[group]) for group in (1, 3, 4, 5, 6))
    return float(calendar.timegm((year, MONTHS.index(found[2]) + 1, day, hour, minute, second)))


def _read_list(path: Path, names: set[bytes], source: Source) -> Iterator[tuple[str, Offer]]:
    for stanza in _stanzas(path):
        start = stanza.find(NAME) if not stanza.startswith(NAME) else 0
        name = stanza[start + len(NAME) : stanza.find(b"\n", start)] if start >= 0 else b""
        if name in names:
            told = {key: _text(value.strip()) for key, value in LIST_FIELD.findall(stanza)}
            version, architecture, size = (told.get(key, "") for key in OFFERED)
            yield _text(name), Offer(version, architecture, size, source)


def _stanzas(path: Path) -> Iterator[bytes]:
    """Stream a list by its paragraphs, whatever it is packed by."""
    with path.open("rb") as packed, _unpack(path, packed) as file:
        left, total = b"", 0
        while piece := file.read(PIECE):
            total += len(piece)
            *stanzas, left = (left + piece).split(b"\n\n")
            if total > LARGEST_LIST or len(left) > LONGEST_STANZA:
                raise ValueError("this is no list of packages")
            yield from stanzas
        yield left + b"\n"


def _unpack(path: Path, packed: BinaryIO) -> BinaryIO:
    found = LIST.search(path.name)
    opener = OPENERS.get(found[1]) if found else None
    if opener is None:
        raise ValueError("this way of packing is not known")
    return opener(packed)


def _as_it_is(file: BinaryIO) -> BinaryIO:
    return file


def _unlz4(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, LZ4FrameFile(file))


def _ungzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


def _unxz(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(file))


def _unbzip2(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(file))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


# Fixed by apt and by Debian's repository format.
LISTS = Path("var/lib/apt/lists")
LIST = re.compile(r"_Packages((?:\.[a-z0-9]+)?)$")
INLINE_SIGNED = "_InRelease"
RELEASES = ("_Release", INLINE_SIGNED)
RELEASE_FIELD = re.compile(rb"^(Origin|Label|Suite|Codename|Date):(.*)$", re.MULTILINE)
NAME = b"Package: "
LIST_FIELD = re.compile(rb"^(Version|Architecture|Installed-Size):(.*)$", re.MULTILINE)
OFFERED = (b"Version", b"Architecture", b"Installed-Size")
DATE = re.compile(r"[A-Z][a-z]{2}, +(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}) +(\d{1,2}):(\d{2}):(\d{2}) (?:UTC|GMT|Z|\+0000)")
FIRST_YEAR = 1970
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
OPENERS: Mapping[str, Callable[[BinaryIO], BinaryIO]] = {
    "": _as_it_is,
    ".lz4": _unlz4,
    ".gz": _ungzip,
    ".xz": _unxz,
    ".bz2": _unbzip2,
}
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, lzma.LZMAError, zlib.error)

# Our choices.
MOST_FILES = 1_024
PIECE = 1 << 18
LONGEST_HEAD = 16 << 10
LONGEST_ORIGIN = 120
LONGEST_STANZA = 4 << 20
LARGEST_LIST = 1 << 30
