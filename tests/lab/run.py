"""Knows one use of the lab: its unique name, its scratch folder, and every program it started.

Never ends a program that this lab did not start, and never waits without a deadline.
"""

import atexit
import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


class LabError(Exception):
    """A part of the lab did not do what it was asked; the message is one sentence with the part's own words."""


def run_command(
    argv: Sequence[str], *, enter: Sequence[str] = (), stdin: bytes | None = None, seconds: float = 30.0
) -> str:
    """Run a command to its end and return what it printed; a failure carries its error output."""
    done = try_command(argv, enter=enter, stdin=stdin, seconds=seconds)
    if done.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {_last_words(done.stderr or done.stdout)}")
    return done.stdout.decode(errors="replace")


def try_command(
    argv: Sequence[str], *, enter: Sequence[str] = (), stdin: bytes | None = None, seconds: float = 30.0
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end and return its exit code and output, whatever they are."""
    try:
        return subprocess.run((*enter, *argv), capture_output=True, input=stdin or b"", timeout=seconds)
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(argv)} did not end within {seconds:g} s") from late


def wait_until(happened: Callable[[], bool], what: str, seconds: float, pause: float = 0.005) -> None:
    """Wait until something is true, or say what did not happen in time."""
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise LabError(f"{what} did not happen within {seconds:g} s")
        time.sleep(pause)


@dataclass(frozen=True)
class Program:
    """A program that the lab started and will end by its pid."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for a sign of life; a program that ended instead is reported with its last words."""
        wait_until(lambda: not self.alive or ready(), f"the start of {self.name}", seconds)
        if not self.alive:
            raise LabError(f"{self.name} ended with {self.process.returncode} at its start: {self.last_words()}")

    def wait(self, seconds: float = 10.0) -> int:
        """Wait for the end and return the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{self.name} (pid {self.pid}) did not end within {seconds:g} s") from late

    def stop(self, seconds: float = 10.0, by: signal.Signals = signal.SIGTERM) -> int:
        """Ask the program to end, insist after the deadline, and return its exit code."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.alive:
            self.process.send_signal(by)
            with contextlib.suppress(LabError):
                return self.wait(seconds)
        return self.kill()

    def kill(self) -> int:
        """End the program at once (SIGKILL), as a crash would."""
        if self.alive:
            self.process.kill()
        return self.wait()

    def last_words(self) -> str:
        """Return the end of its log on one line."""
        return _last_words(self.log.read_bytes()) if self.log.exists() else "(no log)"


@dataclass(frozen=True)
class Run:
    """One use of the lab; as a context manager it undoes all that was done in its name."""

    name: str
    folder: Path
    undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    @classmethod
    def open(cls) -> Self:
        """Remove what dead runs left, then take a new name and a scratch folder."""
        sweep()
        name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
        folder = ROOT / name
        folder.mkdir(parents=True)
        run = cls(name, folder)
        run.undo.callback(shutil.rmtree, folder, ignore_errors=True)
        atexit.register(run.close)
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Undo everything in reverse order; a second call does nothing."""
        atexit.unregister(self.close)
        self.undo.close()

    def path(self, *parts: str) -> Path:
        """Name a file below the scratch folder and make its parent."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        enter: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        ending: signal.Signals = signal.SIGTERM,
    ) -> Program:
        """Start a program that this run will end by a signal; its output goes to a log in the scratch folder."""
        log = self.path("logs", f"{name}.log")
        variables = {**BARE_ENVIRONMENT, **(env or {})}
        with log.open("ab") as output:
            process = subprocess.Popen((*enter, *argv), stdin=stdin, stdout=output, stderr=output, env=variables)
        self._remember(process.pid)
        program = Program(name, process, log)
        self.undo.callback(program.stop, by=ending)
        return program

    def _remember(self, pid: int) -> None:
        with (self.folder / PIDS).open("a") as pids:
            pids.write(f"{pid} {_started_at(pid)}\n")


def sweep() -> tuple[str, ...]:
    """Remove programs, namespaces and folders of runs whose own process is gone; return the names of those runs."""
    folders = {path.name for path in ROOT.glob(f"{PREFIX}*")}
    spaces = {path.name for path in NAMESPACES.glob(f"{PREFIX}*")}
    dead = sorted({name for text in folders | spaces if (name := _run_of(text)) and not _owner_lives(name)})
    for name in dead:
        for pid in _still_running(ROOT / name / PIDS):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for space in sorted(spaces):
            if _run_of(space) == name:
                remove_namespace(space)
        shutil.rmtree(ROOT / name, ignore_errors=True)
    return tuple(dead)


def remove_namespace(name: str) -> None:
    """End what still runs in a namespace of the lab and delete the namespace."""
    listed = try_command((IP, "netns", "pids", name)).stdout.split()
    for pid in map(int, listed):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try_command((IP, "netns", "delete", name))


def _run_of(text: str) -> str | None:
    found = NAME.match(text)
    return found[0] if found else None


def _owner_lives(name: str) -> bool:
    found = NAME.match(name)
    return found is not None and Path(f"/proc/{found[1]}").exists()


def _still_running(pids: Path) -> Iterator[int]:
    lines: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        lines = pids.read_text().splitlines()
    for line in lines:
        pid, _, started = line.partition(" ")
        if started and _started_at(int(pid)) == started:
            yield int(pid)


def _started_at(pid: int) -> str:
    """Return the start time of a process (field 22 of its stat), which tells two users of one pid apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _last_words(output: bytes) -> str:
    return " | ".join(output.decode(errors="replace").strip().splitlines()[-5:]) or "(nothing printed)"


# Our choices
IP = "/usr/sbin/ip"
PREFIX = "sklab"
NAME = re.compile(rf"{PREFIX}(\d+)-\d+")
ROOT = Path("/run/sekisho-lab")
NAMESPACES = Path("/run/netns")
PIDS = "pids"
BARE_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_numbers = itertools.count()
