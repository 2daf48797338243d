"""The running programs of judged users: processes, their packages and hashes put together as facts.

It looks and never judges. A script has its own owner and hash beside those of its interpreter. Who is no
judged user is left alone after one reading of his process's users.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from agent.posture.facts import Grade, Observed, Package, Program, Programs, Script, Unseen
from agent.probes.codec import MOST_PROGRAMS, Scope
from agent.probes.digests import Digest, Digests
from agent.probes.packages import Packages
from agent.probes.processes import (
    Glimpse,
    Image,
    Missing,
    Vitals,
    list_pids,
    opened,
    read_executable,
    read_image,
    read_name_and_uids,
    read_scripts,
    read_uids,
    read_vitals,
)
from agent.probes.users import Judged, find_judged, list_homes


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process as it was read, before anything is said of it."""

    pid: int
    uid: int
    vitals: Vitals
    image: Image
    scripts: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The scripts of a program, as its arguments told when it started."""

    started: int
    path: bytes
    scripts: tuple[Image, ...]


class ProgramProbe:
    """Looks at the programs of some users, all of them or one by one; `boot` is the boot clock."""

    def __init__(self, packages: Packages, digests: Digests, boot: Callable[[], float], proc: Path) -> None:
        """Hold /proc; everything that is remembered only makes the next look cheaper."""
        self._packages = packages
        self._digests = digests
        self.boot = boot
        self._proc = os.open(proc, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._scripts: dict[int, _Remembered] = {}
        self._homes = list_homes()
        self._judged: dict[frozenset[int], Judged] = {}

    def close(self) -> None:
        """Let /proc go."""
        os.close(self._proc)

    def prepare(self) -> None:
        """Read the package database and the stored hashes ahead of the first look."""
        self._packages.refresh()
        self._digests.prepare()

    def rest(self) -> None:
        """Store what is worth keeping while nobody asks; raise `OSError`."""
        self._digests.save()

    def prepare_origins(self) -> None:
        """Read where packages come from ahead of a look that tells it; this may take a second: do it in a thread."""
        self._packages.refresh()
        self._packages.refresh_origins()

    def look(self, scope: Scope) -> Observed[Programs] | Unseen:
        """Look at every running program of the users in scope and of their subordinate users."""
        if not scope.uids:
            return Observed(Programs((), 0, 0), Grade.ROOT, METHOD, self.boot())
        try:
            pids = list_pids(self._proc)
        except OSError as error:
            return Unseen(f"the list of processes cannot be read ({error.strerror})", self.boot())
        self._packages.refresh()
        self._homes = list_homes()
        self._judged = {scope.uids: find_judged(scope.uids)}
        found = list(self._examine_all(pids, scope))
        running = tuple(one for one in found if isinstance(one, Program))
        if len(running) > MOST_PROGRAMS:
            return Unseen(f"more than {MOST_PROGRAMS} programs are running", self.boot())
        self._scripts = {pid: self._scripts[pid] for pid in self._scripts.keys() & set(pids)}
        programs = Programs(running, found.count(Missing.VANISHED), found.count(Missing.UNREADABLE))
        return Observed(programs, Grade.ROOT, METHOD, self.boot())

    def glimpse(self, pid: int, scope: Scope) -> Glimpse | Missing | None:
        """Tell cheaply what a process has just started; None when its users are not in scope, as most are not."""
        read = read_name_and_uids(self._proc, pid)
        if isinstance(read, Missing):
            return read
        name, uids = read
        uid = self._of(scope).pick(uids)
        if uid is None:
            return None
        path, file = read_executable(self._proc, pid)
        return Glimpse(uid, name, path, file if file is not None and self._digests.is_fixed(file) else None)

    def look_at(self, pid: int, scope: Scope) -> Program | Missing | None:
        """Look at the program that a process has just started; None when its users are not in scope."""
        return self._examine(pid, scope, just_started=True)

    def forget_script(self, pid: int) -> None:
        """Read the script of a process anew, because it has started another program."""
        self._scripts.pop(pid, None)

    def forget_scripts(self) -> None:
        """Read every script anew at the next look, because program starts may have gone unseen."""
        self._scripts.clear()

    def _examine_all(self, pids: Iterable[int], scope: Scope) -> Iterator[Program | Missing | None]:
        """Examine processes until it is known that too many run."""
        running = 0
        for pid in pids:
            found = self._examine(pid, scope, just_started=False)
            running += isinstance(found, Program)
            yield found
            if running > MOST_PROGRAMS:
                return

    def _examine(self, pid: int, scope: Scope, *, just_started: bool) -> Program | Missing | None:
        with opened(self._proc, pid) as folder:
            if folder is None:
                return Missing.VANISHED if just_started else None
            return self._examine_held(folder, pid, scope, just_started=just_started)

    def _examine_held(self, folder: int, pid: int, scope: Scope, *, just_started: bool) -> Program | Missing | None:
        uids = read_uids(folder)
        if isinstance(uids, Missing):
            return uids
        uid = self._of(scope).pick(uids)
        if uid is None:
            return None
        vitals = read_vitals(folder)
        if isinstance(vitals, Missing):
            return vitals
        if vitals.kernel or (vitals.ended and vitals.threads < 2 and not just_started):
            return None
        image = read_image(folder, vitals)
        if isinstance(image, Missing):
            return image
        scripts = self._read_scripts(folder, pid, vitals, image)
        if isinstance(scripts, Missing):
            return scripts
        return self._describe(folder, _Seen(pid, uid, vitals, image, scripts), scope)

    def _of(self, scope: Scope) -> Judged:
        """Give the judged users of a scope as the last look at it found them."""
        known = self._judged.get(scope.uids)
        if known is None:
            known = self._judged[scope.uids] = find_judged(scope.uids)
        return known

    def _read_scripts(self, folder: int, pid: int, vitals: Vitals, image: Image) -> tuple[Image, ...] | Missing:
        """Read scripts once, when the program starts, for later a program can change what its arguments show."""
        known = self._scripts.get(pid)
        if known is not None and (known.started, known.path) == (vitals.started, image.path):
            return known.scripts
        scripts = read_scripts(folder, image)
        if scripts is Missing.VANISHED:
            return ()
        if not isinstance(scripts, Missing):
            self._scripts[pid] = _Remembered(vitals.started, image.path, scripts)
        return scripts

    def _describe(self, folder: int, seen: _Seen, scope: Scope) -> Program:
        program = self._tell(folder, seen.image, scope)
        return Program(
            pid=seen.pid,
            started=seen.vitals.started,
            uid=seen.uid,
            name=show(seen.vitals.name),
            path=program.path,
            package=program.package,
            sha256=program.sha256,
            unhashed=program.unhashed,
            replaced=seen.image.replaced,
            home=program.home,
            foreign=program.foreign,
            writable=program.writable,
            scripts=tuple(self._tell(folder, script, scope) for script in seen.scripts),
        )

    def _tell(self, folder: int, image: Image, scope: Scope) -> Script:
        """Tell of one file what is told of every file that runs."""
        package, path = self._owner(folder, image, scope), show(image.path)
        is_hashed = package is None or scope.hash == "all" or _is_listed(scope.listed, path)
        digest = self._digests.of(folder, image) if is_hashed else Digest(None)
        return Script(
            path=path,
            package=package,
            sha256=digest.sha256,
            unhashed=digest.unhashed,
            home=image.path.startswith(self._homes),
            foreign=not image.ours,
            writable=image.file is None or image.file.writable,
        )

    def _owner(self, folder: int, image: Image, scope: Scope) -> Package | None:
        if image.ours:
            return self._packages.owner(image.path, scope.origins)
        return self._packages.owner_inside(folder, image)


def show(name: bytes) -> str:
    """Make text of a name that may hold any byte; bytes that are no UTF-8 become `\\xff`."""
    return name.decode("utf-8", "backslashreplace")


def _is_listed(patterns: tuple[str, ...], path: str) -> bool:
    return bool(patterns) and _matcher(patterns).match(path) is not None


@lru_cache(maxsize=8)
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


# Our choices.
METHOD = "procfs and packages"
