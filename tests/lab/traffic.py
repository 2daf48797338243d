"""Knows how to load a road and to time its first answer: iperf3 between two namespaces, a fast row of pings.

Never judges a figure; that is for benchmarks and tests.
"""

import json
import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.lab.namespaces import PING
from tests.lab.run import Program, Run, run_command, wait_until


@dataclass(frozen=True)
class Throughput:
    """What a TCP transfer reached at the receiver."""

    megabits: float  # per second
    retransmits: int


@dataclass(frozen=True)
class Receiver:
    """An iperf3 server that waits in a namespace."""

    program: Program = field(repr=False)
    address: str

    @classmethod
    def start(cls, run: Run, enter: Sequence[str], address: str) -> Self:
        """Start to listen at an address of the namespace."""
        argv = (IPERF, "--server", "--bind", address, "--forceflush")
        program = run.start(f"iperf3-{address}", argv, enter=enter)
        program.wait_ready(lambda: b"Server listening" in program.log.read_bytes(), START_SECONDS)
        return cls(program, address)

    def measure(self, enter: Sequence[str], seconds: int = 5, *more: str) -> Throughput:
        """Send TCP from a namespace for some seconds; `--reverse` among the further words receives instead."""
        argv = (IPERF, "--json", "--client", self.address, "--time", str(seconds), *more)
        end = json.loads(run_command(argv, enter=enter, seconds=seconds + 20))["end"]
        return Throughput(end["sum_received"]["bits_per_second"] / 1e6, end["sum_sent"]["retransmits"])


@dataclass(frozen=True)
class PingRow:
    """A ping every 10 ms, started before the road is open, to see when the first one is answered."""

    program: Program = field(repr=False)

    @classmethod
    def start(cls, run: Run, enter: Sequence[str], address: str) -> Self:
        """Start the row."""
        argv = (PING, "-n", "-D", "-O", "-i", "0.01", "-W", "1", address)
        return cls(run.start(f"ping-{time.monotonic_ns()}", argv, enter=enter))

    def first_answer(self, seconds: float) -> float:
        """Wait for the first answer, end the row, and return the answer's time (seconds since 1970)."""
        wait_until(lambda: self._answers() != [], "an answered ping", seconds)
        self.program.stop(by=signal.SIGINT)
        return min(self._answers())

    def _answers(self) -> list[float]:
        text = self.program.log.read_text()
        return [float(at) for at in re.findall(r"^\[(\d+\.\d+)\] \d+ bytes from", text, re.MULTILINE)]


# Our choices
IPERF = "/usr/bin/iperf3"
START_SECONDS = 10.0
