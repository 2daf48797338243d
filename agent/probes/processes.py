"""What /proc tells of one running process: who runs which executable, told apart even when names lie.

It holds a process by its folder's descriptor, so that a reused PID is never mistaken for it; it never
runs anything, never believes a path that another file answers to, and keeps no command line.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from agent.probes import scripts
from agent.probes.codec import MOST_SCRIPTS


class Missing(Enum):
    """Why a process could not be looked at: it ended first, or it runs and would not show itself."""

    VANISHED = "vanished"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class File:
    """One state of one file: where it lies, how long it is, when it last changed, who may change it.

    `writable` is true when somebody but root owns it or may write it.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    writable: bool = True

    def is_same_file(self, other: "File") -> bool:
        """Tell whether both are one file, whatever happened to its content."""
        return (self.device, self.inode) == (other.device, other.inode)


@dataclass(frozen=True, slots=True)
class Image:
    """A file that runs: the path it is known by, how to open it below the process folder, and its state.

    `ours` is true when that path in our own mount namespace leads to this very file, so that what
    our package database says of the path holds for it. `file` is None where it could not be examined.
    """

    path: bytes
    inside: bytes
    file: File | None
    ours: bool
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What three cheap readings tell of a process: its user, its name, and its executable's path and state.

    `file` is None where that does not tell programs apart: an interpreter runs a script, a file that others than
    root change can do so within one tick of its times, and some cannot be examined.
    """

    uid: int
    name: bytes
    path: bytes
    file: File | None


@dataclass(frozen=True, slots=True)
class Vitals:
    """The lines of /proc/PID/stat that matter; `started` is in clock ticks since boot."""

    name: bytes
    ended: bool
    kernel: bool
    threads: int
    started: int


def list_pids(proc: int) -> list[int]:
    """List the processes of a /proc folder held by descriptor."""
    return [int(name) for name in os.listdir(proc) if name.isdigit()]


@contextmanager
def opened(proc: int, pid: int) -> Iterator[int | None]:
    """Hold a process by its folder; None when it is gone. Later reads fail once it has ended."""
    try:
        folder = os.open(str(pid), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=proc)
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def read_uids(folder: int) -> frozenset[int] | Missing:
    """Read the real, effective, saved and file-system user of a process."""
    text = _read(folder, "status", LONGEST_STATUS)
    if isinstance(text, Missing):
        return text
    return _uids(text) or Missing.VANISHED


def read_name_and_uids(proc: int, pid: int) -> tuple[bytes, frozenset[int]] | Missing:
    """Read the name of a process, escaped as the kernel does, and its users, without holding it."""
    text = _read(proc, f"{pid}/status", LONGEST_STATUS)
    return text if isinstance(text, Missing) else (text.partition(b"\n")[0], _uids(text))


def read_executable(proc: int, pid: int) -> tuple[bytes, File | None]:
    """Read the path of a process's executable and its state, unless it is an interpreter's."""
    link = _link(proc, b"%d/exe" % pid)
    if isinstance(link, Missing) or scripts.form_of(link.rpartition(b"/")[2]) is not None:
        return b"", None
    return link, examine(b"%d/exe" % pid, proc)


def read_vitals(folder: int) -> Vitals | Missing:
    """Read name, state and start of a process; the name may hold any byte, brackets too."""
    text = _read(folder, "stat", LONGEST_STAT)
    if isinstance(text, Missing):
        return text
    head, _, tail = text.rpartition(b")")
    fields = tail.split()
    if len(fields) < FEWEST_STAT_FIELDS:
        return Missing.VANISHED
    return Vitals(
        name=head.partition(b"(")[2],
        ended=fields[0] in (b"Z", b"X", b"x"),
        kernel=bool(int(fields[6]) & KERNEL_THREAD),
        threads=int(fields[17]),
        started=int(fields[19]),
    )


def read_image(folder: int, vitals: Vitals) -> Image | Missing:
    """Find the executable of a process, also of one whose first thread has ended while others run on."""
    inside = b"exe"
    if vitals.ended:
        if vitals.threads < 2:
            return Missing.VANISHED
        inside = _running_thread(folder) + inside
    for _ in range(EXEC_RETRIES):
        image = _read_image(folder, inside)
        if image is None:
            break
        if _link(folder, inside) == _told(image):
            return image
    link = _link(folder, inside)
    return link if isinstance(link, Missing) else Missing.VANISHED


def read_scripts(folder: int, executable: Image) -> tuple[Image, ...] | Missing:
    """Find the files that an interpreter was told to run; none where its arguments name none.

    `VANISHED` means that it has no arguments: while a program is being started, or when it has ended.
    """
    name, thread = executable.path.rpartition(b"/")[2], executable.inside.removesuffix(b"exe")
    if scripts.form_of(name) is None:
        return ()
    text = _read(folder, thread + b"cmdline", scripts.LONGEST_CMDLINE)
    if isinstance(text, Missing):
        return text
    found = scripts.find(name, text)
    if len(text) >= scripts.LONGEST_CMDLINE or len(found) > MOST_SCRIPTS:
        return Missing.UNREADABLE
    return tuple(_locate(folder, thread, argument) for argument in found) if text else Missing.VANISHED


def examine(path: bytes, folder: int | None = None) -> File | None:
    """Take the state of a regular file; None when there is none or it will not be examined."""
    try:
        seen = os.stat(path, dir_fd=folder)
    except (OSError, ValueError):
        return None
    return state_of(seen) if stat.S_ISREG(seen.st_mode) else None


def state_of(seen: os.stat_result) -> File:
    """Keep what tells one state of a file from another."""
    writable = seen.st_uid != ROOT or bool(seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return File(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, writable)


def _read_image(folder: int, inside: bytes) -> Image | None:
    link = _link(folder, inside)
    if isinstance(link, Missing):
        return None
    file = examine(inside, folder)
    found = examine(link)
    if found is not None and file is not None and found.is_same_file(file):
        return Image(link, inside, file, ours=True)
    if not link.endswith(DELETED):
        return Image(link, inside, file, ours=False)
    path = link.removesuffix(DELETED)
    return Image(path, inside, file, ours=_was_ours(folder, path, file), replaced=True)


def _was_ours(folder: int, path: bytes, file: File | None) -> bool:
    """Tell whether a deleted executable lay at this path of ours, as after an upgrade of its package.

    Another mount namespace, or a file system that was detached, can make any deleted file look so; a
    user who makes one himself owns it.
    """
    try:
        same_view = os.stat("ns/mnt", dir_fd=folder).st_ino == OUR_VIEW.stat().st_ino
        place = _nearest_folder(Path(os.fsdecode(path))).stat()
    except (OSError, ValueError):
        return False
    return same_view and file is not None and not file.writable and file.device == place.st_dev


def _nearest_folder(path: Path) -> Path:
    """Find the innermost folder above a path that is still there: an upgrade may take folders away, too."""
    return next((folder for folder in path.parents if folder.is_dir()), Path("/"))


def _locate(folder: int, thread: bytes, argument: bytes) -> Image:
    unknown = Image(argument, argument, None, ours=False)
    descriptor = OWN_DESCRIPTOR.fullmatch(argument)
    if descriptor is not None:
        return _read_image(folder, thread + b"fd/" + (descriptor[1] or b"0")) or unknown
    if argument.startswith(b"/"):
        inside, named = thread + b"root" + argument, argument
    else:
        base = _link(folder, thread + b"cwd")
        if isinstance(base, Missing):
            return unknown
        inside, named = thread + b"cwd/" + argument, base + b"/" + argument
    path = os.path.normpath(named).replace(b"//", b"/")
    file, found = examine(inside, folder), examine(path)
    same = file is not None and found is not None and found.is_same_file(file)
    return Image(path, inside, file, ours=same and not _steps_out_of_a_link(named))


def _steps_out_of_a_link(named: bytes) -> bool:
    """Tell whether `..` follows a folder that a user could make a link of, and swap in time."""
    return b".." in named.split(b"/") and not named.startswith(SYSTEM_FOLDERS)


def _running_thread(folder: int) -> bytes:
    for thread in _list_threads(folder)[:MOST_THREADS]:
        text = _read(folder, f"task/{thread}/stat", LONGEST_STAT)
        if isinstance(text, bytes) and text.rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"]):
            return f"task/{thread}/".encode()
    return b""


def _list_threads(folder: int) -> list[str]:
    try:
        tasks = os.open("task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return []
    try:
        return os.listdir(tasks)  # noqa: PTH208 - a descriptor is no path
    except OSError:
        return []
    finally:
        os.close(tasks)


def _uids(status: bytes) -> frozenset[int]:
    _, _, rest = status.partition(b"\nUid:\t")  # the name's line escapes newlines, so nobody can forge this one
    return frozenset(map(int, rest.partition(b"\n")[0].split()))


def _told(image: Image) -> bytes:
    return image.path + DELETED if image.replaced else image.path


def _link(folder: int, name: bytes) -> bytes | Missing:
    try:
        return os.readlink(name, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError):
        return Missing.VANISHED
    except OSError:
        return Missing.UNREADABLE


def _read(folder: int, name: str | bytes, limit: int) -> bytes | Missing:
    try:
        file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError):
        return Missing.VANISHED
    except OSError:
        return Missing.UNREADABLE
    try:
        return os.read(file, limit)
    except ProcessLookupError:
        return Missing.VANISHED
    except OSError:
        return Missing.UNREADABLE
    finally:
        os.close(file)


# Fixed by the kernel (proc(5), sched.h).
DELETED = b" (deleted)"
KERNEL_THREAD = 0x00200000
FEWEST_STAT_FIELDS = 20
ROOT = 0

OWN_DESCRIPTOR = re.compile(rb"/dev/stdin|/(?:dev|proc/self)/fd/([0-9]+)")
OUR_VIEW = Path("/proc/self/ns/mnt")

# Our choices.
LONGEST_STATUS = 8_192
LONGEST_STAT = 4_096
EXEC_RETRIES = 3
MOST_THREADS = 256
SYSTEM_FOLDERS = (b"/usr/", b"/bin/", b"/sbin/", b"/lib/", b"/opt/")
