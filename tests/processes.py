"""Real programs of a user of their own, for the tests of whoever looks at them; each is ended by its pid."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

SLEEP = "/usr/bin/sleep"
PYTHON = "/usr/bin/python3"
SETPRIV = "/usr/bin/setpriv"
UNSHARE = "/usr/bin/unshare"
_numbers = count()


def new_uid() -> int:
    """Give a user number that no other test of this machine uses now."""
    return 1_500_000_000 + os.getpid() * 64 + next(_numbers) % 64


def as_user(uid: int, *argv: str) -> tuple[str, ...]:
    """Write the command that runs another one as a user."""
    return (SETPRIV, f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--", *argv)


class Stage:
    """Starts programs for one test, as one user, below one folder that the user may enter."""

    def __init__(self, folder: Path, undo: ExitStack) -> None:
        self.uid = new_uid()
        self.folder = folder
        self._undo = undo

    def copy(self, name: str | bytes = "strange", of: str = SLEEP) -> Path:
        """Copy a program under a name of its own."""
        path = self.folder / os.fsdecode(name)
        shutil.copy(of, path)
        path.chmod(0o755)
        return path

    def start(self, *argv: str | Path, cwd: Path | None = None) -> int:
        """Start a program as the user and return its pid once it runs."""
        return self.begin(*argv, cwd=cwd).pid

    def begin(self, *argv: str | Path, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program as the user and return its process once it runs; its input stays open."""
        return self._launch(as_user(self.uid, *map(str, argv)), Path(argv[0]).name, cwd)

    def launch(self, *argv: str, until: str | Callable[[int], bool]) -> int:
        """Start a command as root and return its pid once it has become the named program."""
        return self._launch(argv, until, None).pid

    def _launch(
        self, argv: Sequence[str], until: str | Callable[[int], bool], cwd: Path | None
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=cwd)
        self._undo.callback(_end, process)
        become = until if callable(until) else lambda pid: runs(pid, until)
        wait_for(lambda: become(process.pid), f"{argv} to run")
        return process


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Open a stage; every program it started is ended with it."""
    for parent in (folder, *folder.parents):
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o111)
    with ExitStack() as undo:
        yield Stage(folder, undo)


def runs(pid: int, name: str) -> bool:
    """Tell whether a process has wholly become a program; for a moment while it starts it has no arguments."""
    return executable(pid) == name.removesuffix(" (deleted)") and cmdline(pid) != b""


def executable(pid: int) -> str:
    """Name the file that a process runs, without its folder; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        return ""


def cmdline(pid: int) -> bytes:
    """Read the arguments of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def wait_for(happened: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until something is so, or fail saying what did not happen."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, f"waited {seconds:g} s for {what}"
        time.sleep(0.002)


def run_as(uid: int, argv: Sequence[str], seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Run a command as a user to its end."""
    return subprocess.run(as_user(uid, *argv), capture_output=True, text=True, timeout=seconds)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.kill()
    process.wait()
