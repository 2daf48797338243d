"""The look helper as a real program, for the tests and benchmarks that talk to it."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import wait_for

LOOK = (sys.executable, "-m", "agent.probes.look")


@dataclass(frozen=True)
class Helper:
    """A helper that serves."""

    socket: Path
    process: subprocess.Popen[str]


@contextmanager
def serving(folder: Path, *options: str, enter: Sequence[str] = ()) -> Iterator[Helper]:
    """Start a helper, wait for its socket, and end it by its pid."""
    socket = folder / "look.sock"
    argv = [*enter, *LOOK, "--socket", str(socket), *options]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: socket.exists() or process.poll() is not None, "the helper's socket")
        yield Helper(socket, process)
    finally:
        process.terminate()
        process.communicate(timeout=10)
