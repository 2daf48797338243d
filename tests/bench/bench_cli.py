"""How long a person waits for `sekisho status`: the command against a stand-in, beside a bare interpreter.

Wall and processor time of whole processes, medians of one run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.standin import OPEN, StandIn, environment, says


def main() -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds: int = parser.parse_args().rounds
    command = str(Path(sys.executable).with_name("sekisho"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "control"
        with StandIn(path, *[says(OPEN)] * rounds):
            _tell("bare interpreter", rounds, (sys.executable, "-c", "pass"))
            _tell("sekisho status", rounds, (command, "--socket", str(path), "status"))


def _tell(name: str, rounds: int, words: tuple[str, ...]) -> None:
    walls, processors = zip(*(_measure(words) for _ in range(rounds)), strict=True)
    wall, processor = (statistics.median(values) * 1000 for values in (walls, processors))
    print(f"{name}: {wall:.0f} ms wall, {processor:.0f} ms processor")


def _measure(words: tuple[str, ...]) -> tuple[float, float]:
    before, began = os.times(), time.perf_counter()
    subprocess.run(words, env=environment(), stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used


if __name__ == "__main__":
    main()
