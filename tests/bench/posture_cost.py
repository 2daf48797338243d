"""What Sekisho costs while it watches: processor time of all its parts together, in percent of one core.

While a site is open it hears of every program that starts on this machine; whoever else starts some is counted here.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from tests.bench.posture_lab import Road
from tests.lab.laptop import DOCTOR_ENVIRONMENT, INTERPRETER
from tests.lab.run import LabError


def idle(road: Road, seconds: float) -> Iterator[float]:
    """Start nothing for so many seconds."""
    yield _percent(road, lambda: time.sleep(seconds))


def storm(road: Road, enter: Sequence[str], seconds: float) -> Iterator[float]:
    """Start 10,000 short programs a minute for so many seconds, by whoever `enter` makes of the caller."""
    yield _percent(road, lambda: _blow(enter, seconds))


def forks() -> int:
    """Count the processes that the whole machine has made since its start."""
    return next(int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if "processes" in line)


def _percent(road: Road, pass_time: Callable[[], None]) -> float:
    before, began = _spent(road), time.monotonic()
    pass_time()
    return (_spent(road) - before) / (time.monotonic() - began) * 100


def _spent(road: Road) -> float:
    """Sum up the processor seconds of the daemon, the look helper, and whatever both have started."""
    programs = (road.endpoint.daemons[-1], road.endpoint.lookers[-1])
    return sum(sum(psutil.Process(program.pid).cpu_times()[:4]) for program in programs)


def _blow(enter: Sequence[str], seconds: float) -> None:
    argv = (*enter, str(INTERPRETER), "-ISc", STORM, str(seconds), str(EVERY))
    done = subprocess.run(argv, capture_output=True, env=DOCTOR_ENVIRONMENT, timeout=seconds * 2 + 10, check=True)
    if int(done.stdout) < FEWEST * seconds / EVERY:
        raise LabError(f"only {int(done.stdout)} programs could be started in {seconds:g} s")


# Our choices: seconds between two starts, and the share of them without which there was no storm.
EVERY = 60 / 10_000
FEWEST = 0.95
STORM = """
import os, sys, time
seconds, every = map(float, sys.argv[1:])
started, began = 0, time.monotonic()
while (now := time.monotonic()) < began + seconds:
    time.sleep(max(0.0, began + started * every - now))
    os.waitpid(os.posix_spawn("/usr/bin/true", ["true"], {}), 0)
    started += 1
print(started)
"""
