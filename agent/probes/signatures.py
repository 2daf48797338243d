"""When the signatures of an antivirus program were made: by ClamAV's own header, else by the newest file's time.

It reads no signature, and does not tell whether the program has loaded them.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from agent.posture.facts import Grade
from agent.probes.small_files import FLAGS, list_names


def find_made(folder: Path) -> tuple[float | None, Grade]:
    """Give the instant (seconds since 1970) of the newest signatures, None where it does not show, and its grade."""
    names = list_names(folder)
    databases = [folder / name for name in names if name in CLAMAV_DATABASES]
    if databases:
        made = (read_made(_read_header(database)) for database in databases)
        return max((instant for instant in made if instant is not None), default=None), Grade.ROOT
    return max(_list_times(folder, names), default=None), Grade.HEURISTIC


def read_made(header: bytes) -> float | None:
    """Read the time in the header of a ClamAV database, as `ClamAV-VDB:16 Sep 2021 08-32 -0400:...`."""
    match = CLAMAV_TIME.match(header)
    if match is None:
        return None
    day, month, year, hour, minute, ahead = (part.decode() for part in match.groups())
    try:
        number = MONTHS.index(month) + 1
        return datetime.fromisoformat(f"{year}-{number:02}-{int(day):02}T{hour}:{minute}{ahead}").timestamp()
    except (ValueError, OverflowError):
        return None


def _read_header(file: Path) -> bytes:
    with suppress(OSError):
        descriptor = os.open(file, FLAGS)
        try:
            return os.read(descriptor, HEADER)
        finally:
            os.close(descriptor)
    return b""


def _list_times(folder: Path, names: tuple[str, ...]) -> Iterator[float]:
    for name in names:
        with suppress(OSError):
            state = (folder / name).lstat()
            if stat.S_ISREG(state.st_mode):
                yield state.st_mtime


# Fixed by ClamAV.
CLAMAV_DATABASES = frozenset({"daily.cvd", "daily.cld", "main.cvd", "main.cld"})
HEADER = 512
CLAMAV_TIME = re.compile(rb"ClamAV-VDB:([0-9]{1,2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2})-([0-9]{2}) ([+-][0-9]{4}):")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
