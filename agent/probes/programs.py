"""The running programs of judged users: processes, their packages and hashes put together as facts.

It looks and never judges. Of an interpreter that a package owns, the script is what counts: `package`
and `sha256` then tell of the script, and `package` is None unless interpreter and script both have an owner.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from agent.posture.facts import Grade, Observed, Package, Program, Programs, Unseen
from agent.probes.codec import MOST_PROGRAMS, Scope
from agent.probes.digests import Digest, Digests
from agent.probes.packages import Packages
from agent.probes.processes import (
    Image,
    Missing,
    Vitals,
    list_pids,
    opened,
    read_image,
    read_script,
    read_uids,
    read_vitals,
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process as it was read, before anything is said of it."""

    pid: int
    uid: int
    vitals: Vitals
    image: Image
    script: Image | None


@dataclass(frozen=True, slots=True)
class _Remembered:
    """The script of a program, as its arguments told when it started."""

    started: int
    path: bytes
    script: Image | None


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

    def close(self) -> None:
        """Let /proc go."""
        os.close(self._proc)

    def prepare(self) -> None:
        """Read the package database ahead of the first look."""
        self._packages.refresh()

    def look(self, scope: Scope) -> Observed[Programs] | Unseen:
        """Look at every running program of the users in scope."""
        try:
            pids = list_pids(self._proc)
        except OSError as error:
            return Unseen(f"the list of processes cannot be read ({error.strerror})", self.boot())
        self._packages.refresh()
        self._homes = list_homes()
        found = [self._examine(pid, scope, just_started=False) for pid in pids]
        running = tuple(one for one in found if isinstance(one, Program))
        if len(running) > MOST_PROGRAMS:
            return Unseen(f"more than {MOST_PROGRAMS} programs are running", self.boot())
        self._scripts = {pid: self._scripts[pid] for pid in self._scripts.keys() & set(pids)}
        programs = Programs(running, found.count(Missing.VANISHED), found.count(Missing.UNREADABLE))
        return Observed(programs, Grade.ROOT, METHOD, self.boot())

    def look_at(self, pid: int, scope: Scope) -> Program | Missing | None:
        """Look at the program that a process has just started; None when its users are not in scope."""
        return self._examine(pid, scope, just_started=True)

    def forget_script(self, pid: int) -> None:
        """Read the script of a process anew, because it has started another program."""
        self._scripts.pop(pid, None)

    def forget_scripts(self) -> None:
        """Read every script anew at the next look, because program starts may have gone unseen."""
        self._scripts.clear()

    def _examine(self, pid: int, scope: Scope, *, just_started: bool) -> Program | Missing | None:
        with opened(self._proc, pid) as folder:
            if folder is None:
                return Missing.VANISHED if just_started else None
            return self._examine_held(folder, pid, scope, just_started=just_started)

    def _examine_held(self, folder: int, pid: int, scope: Scope, *, just_started: bool) -> Program | Missing | None:
        uids = read_uids(folder)
        if isinstance(uids, Missing):
            return uids
        judged = sorted(uids & scope.uids)
        if not judged:
            return None
        vitals = read_vitals(folder)
        if isinstance(vitals, Missing):
            return vitals
        if vitals.kernel or (vitals.ended and vitals.threads < 2 and not just_started):
            return None
        image = read_image(folder, vitals)
        if isinstance(image, Missing):
            return image
        script = self._script(folder, pid, vitals, image)
        return self._describe(folder, _Seen(pid, judged[0], vitals, image, script), scope)

    def _script(self, folder: int, pid: int, vitals: Vitals, image: Image) -> Image | None:
        """Read the script once, when the program starts, for later a program can change what its arguments show."""
        known = self._scripts.get(pid)
        if known is not None and (known.started, known.path) == (vitals.started, image.path):
            return known.script
        script = read_script(folder, image)
        if isinstance(script, Missing):
            return None
        self._scripts[pid] = _Remembered(vitals.started, image.path, script)
        return script

    def _describe(self, folder: int, seen: _Seen, scope: Scope) -> Program:
        judged, package = seen.image, self._owner(seen.image)
        if package is not None and seen.script is not None:
            judged, package = seen.script, self._owner(seen.script)
        paths = [image.path for image in (seen.image, seen.script) if image is not None]
        path, *script = [show(path) for path in paths]
        digest = Digest(None)
        if package is None or scope.hash == "all" or _is_listed(scope.listed, (path, *script)):
            digest = self._digests.of(folder, judged)
        return Program(
            pid=seen.pid,
            started=seen.vitals.started,
            uid=seen.uid,
            name=show(seen.vitals.name),
            path=path,
            package=package,
            sha256=digest.sha256,
            unhashed=digest.unhashed,
            script=script[0] if script else None,
            replaced=seen.image.replaced,
            home=any(path.startswith(self._homes) for path in paths),
        )

    def _owner(self, image: Image) -> Package | None:
        return self._packages.owner(image.path) if image.ours else None


def show(name: bytes) -> str:
    """Make text of a name that may hold any byte; bytes that are no UTF-8 become `\\xff`."""
    return name.decode("utf-8", "backslashreplace")


def list_homes(passwd: Path = Path("/etc/passwd")) -> tuple[bytes, ...]:
    """List the home folders of people, each with its closing slash, from the local accounts alone."""
    homes = {b"/home/", b"/root/"}
    with suppress(OSError), passwd.open("rb") as file:
        for line in file.read(LARGEST_PASSWD).splitlines():
            fields = line.split(b":")
            if len(fields) == PASSWD_FIELDS and _is_person(fields[2]) and len(fields[5]) > 1:
                homes.add(fields[5].rstrip(b"/") + b"/")
    return tuple(sorted(homes))


def _is_person(uid: bytes) -> bool:
    return uid.isdigit() and FIRST_PERSON <= int(uid) != NOBODY


def _is_listed(patterns: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    return bool(patterns) and any(_matcher(patterns).match(path) for path in paths)


@lru_cache(maxsize=8)
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


# Fixed by passwd(5) and Debian's plan of users.
PASSWD_FIELDS = 7
FIRST_PERSON = 1_000
NOBODY = 65_534

# Our choices.
METHOD = "procfs and dpkg"
LARGEST_PASSWD = 1 << 20
