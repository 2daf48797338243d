"""Reports that devices stored (`sekisho report --json`), read as answers of checks.

It reads no more of a report than that; a file is one device, and each line of it one report.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from agent.control.messages import Report, decode_reply
from agent.events import Outcome
from agent.posture.policy.rehearsing import Stored


class NoReport(ValueError):
    """A file that holds something else; the text says where and why."""


def stored(path: Path) -> tuple[Stored, ...]:
    """Read all reports of one device; raise `NoReport`, or OSError where the file cannot be read."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise NoReport(f"{path} is larger than {LARGEST} bytes")
    found = tuple(_each(path, content))
    if not found:
        raise NoReport(f"{path} holds no report")
    return found


def _each(path: Path, content: bytes) -> Iterator[Stored]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield _stored(path.stem, line)
        except (ValueError, OverflowError, OSError) as error:
            raise NoReport(f"{path}:{number}: this is no report of 'sekisho report --json': {error}") from error


def _stored(device: str, line: bytes) -> Stored:
    report = decode_reply(line)
    if not isinstance(report, Report):
        raise ValueError(f"it is a '{report.name}'")
    at = datetime.fromisoformat(report.at).timestamp()
    answers = {finding.code: Outcome(finding.outcome) for finding in report.findings}
    return Stored(device, at, time.localtime(at).tm_gmtoff, answers, report.allowed, report.problem is not None)


# Our choices, in bytes.
LARGEST = 16 << 20
