"""A first list of approved programs, proposed from what runs on a clean machine.

It proposes and approves nothing: somebody reads the list before it becomes policy. Nothing below a home folder
is named by its path, only by its content.
"""

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from agent.boot_clock import boot_clock
from agent.posture.checks.paths import PathError, PathPattern
from agent.posture.facts import Origin, Package, Program, Programs, Script, Unseen
from agent.probes.codec import Scope
from agent.probes.digests import Digests
from agent.probes.packages import Packages
from agent.probes.programs import ProgramProbe
from agent.words import quote

File = Program | Script


def main(argv: Sequence[str] | None = None) -> int:
    """Print the proposal for this machine; the exit status is 1 when nobody could look, 2 for wrong usage."""
    options = _parser().parse_args(argv)
    if os.geteuid() != 0:
        return _fail("only the system administrator (root) sees what everybody runs; start it with sudo.")
    uids = frozenset(options.uid or _find_people(Path("/proc")))
    if not uids:
        return _fail("nobody has logged in: log in as the person who works here, start what is needed, and try again.")
    seen = _look(uids)
    if isinstance(seen, Unseen):
        return _fail(f"{seen.why}.")
    print(propose(seen, list_packages=options.list_packages), end="")
    return 0


def propose(programs: Programs, *, list_packages: bool = False) -> str:
    """Write the `apps:` section of a policy that approves what was seen, with its packages listed or all approved."""
    files = [file for program in programs.running for file in _needing_approval(program)]
    packages = sorted({file.package for file in files if file.package is not None}, key=lambda one: one.name)
    unowned = sorted({file.path: file for file in files if file.package is None}.values(), key=lambda one: one.path)
    lines = [
        *_head(programs),
        "apps:",
        "  approved:",
        *_packages(packages, listed=list_packages),
        *_origins(packages),
        *_files(one for one in unowned if _is_placed(one)),
        *_contents(one for one in unowned if not _is_placed(one)),
        *_left_out(one for one in unowned if one.sha256 is None),
    ]
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sekisho apps inventory",
        description="Proposes a list of approved programs from what runs now on a clean machine. It changes nothing.",
    )
    parser.add_argument(
        "--uid", type=int, action="append", metavar="NUMBER", help="whose programs (default: everybody's)"
    )
    parser.add_argument(
        "--list-packages", action="store_true", help="name each package instead of approving all that are installed"
    )
    return parser


def _fail(why: str) -> int:
    print(f"sekisho apps inventory: {why}", file=sys.stderr)
    return 1


def _find_people(proc: Path) -> Iterator[int]:
    """Find the users of people, not of services, that run anything."""
    for entry in proc.iterdir():
        try:
            uid = entry.stat().st_uid if entry.name.isdigit() else 0
        except OSError:
            continue
        if uid in PEOPLE:
            yield uid


def _look(uids: frozenset[int]) -> Programs | Unseen:
    packages = Packages(Path("/"), time.time)
    probe = ProgramProbe(packages, Digests(time.time_ns), boot_clock, Path("/proc"))
    try:
        probe.prepare_origins()
        seen = probe.look(Scope(uids, origins=OLDEST_LISTS))
    finally:
        probe.close()
    return seen if isinstance(seen, Unseen) else seen.value


def _needing_approval(program: Program) -> Iterator[File]:
    """Give what a policy must name: the last file that is run, and of its interpreters those of no package."""
    *interpreters, last = program.files
    yield from (file for file in interpreters if file.package is None)
    yield last


def _head(programs: Programs) -> Iterator[str]:
    yield f"# Proposed from {len(programs.running)} running programs. Read it, then take it into the policy."
    if programs.vanished or programs.unreadable:
        yield f"# Not in it: {programs.vanished} that ended too soon, {programs.unreadable} that could not be read."


def _packages(packages: Sequence[Package], *, listed: bool) -> Iterator[str]:
    if not listed:
        yield "    packages: all"
        return
    names = sorted({package.name.partition(":")[0] for package in packages})
    named = [name for name in names if PACKAGE_NAME.fullmatch(name)]
    yield "    packages:" if named else "    packages: []"
    yield from (f"      - {_text(name)}" for name in named)
    yield from (
        f"    # left out: {quote(name)} (no policy can name such a package)" for name in names if name not in named
    )


def _origins(packages: Sequence[Package]) -> Iterator[str]:
    """Ask for a known origin where every package has one; name those that have none."""
    strange = [package for package in packages if package.origin not in KNOWN]
    if not packages or strange:
        yield "    origin: any"
        for package in strange:
            yield f"    # no configured source is known to offer {quote(package.name)} {quote(package.version)}"
        return
    yield "    origin: known"
    sources = Counter(source for package in packages for source in package.sources)
    if sources:
        yield "    # to approve these sources only:"
        yield f"    # sources: [{', '.join(_text(quote(source)) for source in sorted(sources))}]"


def _files(files: Iterable[File]) -> Iterator[str]:
    listed = [file for file in files if file.sha256 is not None]
    if listed:
        yield "    files:"
    for file in listed:
        yield f"      - path: {_text(file.path)}"
        yield f"        sha256: {file.sha256}"


def _contents(files: Iterable[File]) -> Iterator[str]:
    names: dict[str, str] = {}
    for file in files:
        if file.sha256 is not None:
            names.setdefault(file.sha256, file.path.rpartition("/")[2])
    if names:
        yield "    sha256:"
    for digest, name in sorted(names.items(), key=lambda item: (item[1], item[0])):
        yield f"      - {digest}  # {quote(name)}"


def _left_out(files: Iterable[File]) -> Iterator[str]:
    for file in files:
        name = file.path.rpartition("/")[2] if file.home else file.path
        yield f"    # left out: {quote(name)} ({quote(file.unhashed) or 'its content is not known'})"


def _is_placed(file: File) -> bool:
    """Tell whether a file is listed by its place: one of ours, below no home folder, that a pattern can name."""
    if file.home or file.foreign or quote(file.path) != file.path or any(sign in file.path for sign in "*?["):
        return False
    try:
        PathPattern.of(file.path)
    except PathError:
        return False
    return not (isinstance(file, Program) and file.replaced)


def _text(name: str) -> str:
    """Write a text so that YAML reads it back as it is."""
    return json.dumps(name, ensure_ascii=False)


PACKAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
KNOWN = frozenset({Origin.EXACT, Origin.NAME_ONLY})

# Fixed by Debian's plan of users.
PEOPLE = range(1_000, 60_000)

# Our choices.
OLDEST_LISTS = 2_592_000.0


if __name__ == "__main__":
    sys.exit(main())
