"""Which users the judged ones are: they themselves, and the subordinate users they may act as.

A rootless container's programs run as subordinate users (subuid(5)). Only the local account files are
read, never a directory service, and nothing is kept of them but numbers and home folders.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Judged:
    """The users whose programs are told."""

    uids: frozenset[int]
    subordinate: tuple[range, ...] = ()

    def pick(self, uids: frozenset[int]) -> int | None:
        """Choose a judged one of the users of a process, the named before the subordinate; None if there is none."""
        named = uids & self.uids
        if named or not self.subordinate:
            return min(named, default=None)
        return min((uid for uid in uids if any(uid in owned for owned in self.subordinate)), default=None)


def find_judged(uids: frozenset[int], passwd: Path = Path("/etc/passwd"), subuid: Path = Path("/etc/subuid")) -> Judged:
    """Find the subordinate users of some users; a line that is none is passed over."""
    names = {str(uid).encode() for uid in uids}
    names |= {name for name, uid in _read_names(passwd) if uid in uids}
    owned = [_read_range(fields) for fields in _read_lines(subuid, SUBUID_FIELDS) if fields[0] in names]
    return Judged(uids, tuple(each for each in owned[:MOST_RANGES] if each))


def list_homes(passwd: Path = Path("/etc/passwd")) -> tuple[bytes, ...]:
    """List the home folders of people, each with its closing slash, from the local accounts alone."""
    homes = {b"/home/", b"/root/"}
    for fields in _read_lines(passwd, PASSWD_FIELDS):
        uid = _number(fields[2])
        if uid is not None and FIRST_PERSON <= uid != NOBODY and len(fields[5]) > 1:
            homes.add(fields[5].rstrip(b"/") + b"/")
    return tuple(sorted(homes))


def _read_names(passwd: Path) -> Iterator[tuple[bytes, int | None]]:
    for fields in _read_lines(passwd, PASSWD_FIELDS):
        yield fields[0], _number(fields[2])


def _read_range(fields: list[bytes]) -> range:
    first, count = _number(fields[1].strip()), _number(fields[2].strip())
    return range(0) if first is None or count is None else range(first, min(first + count, MOST_UID + 1))


def _read_lines(file: Path, fields: int) -> Iterator[list[bytes]]:
    with suppress(OSError), file.open("rb") as opened:
        for line in opened.read(LARGEST_FILE).splitlines():
            split = line.split(b":")
            if len(split) == fields:
                yield split


def _number(text: bytes) -> int | None:
    return int(text) if text.isdigit() and len(text) <= MOST_DIGITS else None


# Fixed by the kernel, passwd(5), subuid(5) and Debian's plan of users.
MOST_UID = (1 << 32) - 1
MOST_DIGITS = 10
PASSWD_FIELDS = 7
SUBUID_FIELDS = 3
FIRST_PERSON = 1_000
NOBODY = 65_534

# Our choices.
LARGEST_FILE = 1 << 20
MOST_RANGES = 1_000
