"""Knows how to load a road and to time its first and last answer: iperf3, a row of pings, a row of inner echoes.

Never judges a figure; that is for benchmarks and tests.
"""

import fcntl
import json
import os
import re
import select
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from struct import pack, unpack_from
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.lab.namespaces import PING, Namespace, move_thread
from tests.lab.run import LabError, Program, Run, run_command, wait_until


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


class EchoRow:
    """Echo requests every 2 ms through one interface, for as long as the `with` lasts; never by another way.

    Nothing is sent while the interface is not there, or while the kernel would choose another one.
    """

    def __init__(self, space: Namespace, interface: str, address: str) -> None:
        self._space = space
        self._interface = interface.encode()
        self._address = address
        self._answers: list[float] = []
        self._over = Event()
        self._thread = Thread(target=self._run, name="echo-row", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def first_answer(self, seconds: float) -> float:
        """Wait for the first answer and return when it came (boot clock)."""
        what = f"an answered echo through {self._interface.decode()}"
        wait_until(lambda: bool(self._answers), what, seconds, pause=0.002)
        return self._answers[0]

    def last_answer(self) -> float:
        """Return when the latest answer up to now came (boot clock)."""
        if not self._answers:
            raise LabError(f"no echo was ever answered through {self._interface.decode()}")
        return self._answers[-1]

    def _run(self) -> None:
        move_thread(self._space.name)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as echo:
            number = 0
            while not self._over.is_set():
                number = (number + 1) % 0x10000
                until = time.monotonic() + ECHO_EVERY
                with suppress(OSError):  # the interface is not there yet, or not any more
                    self._send(echo, number)
                while (left := until - time.monotonic()) > 0:
                    if select.select([echo], [], [], left)[0]:
                        self._receive(echo)

    def _send(self, echo: socket.socket, number: int) -> None:
        echo.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._interface)
        own = fcntl.ioctl(echo, SIOCGIFADDR, pack(IFREQ, self._interface))[ADDRESS]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as question:  # asks the routes, sends nothing
            question.connect((self._address, 9))
            chosen = socket.inet_aton(question.getsockname()[0])
        if chosen == own:
            echo.sendto(_echo_request(number), (self._address, 0))

    def _receive(self, echo: socket.socket) -> None:
        packet = echo.recv(2048)
        body = packet[(packet[0] & 15) * 4 :]
        if len(body) >= ECHO_SIZE and unpack_from("!BBHH", body)[::3] == (ECHO_REPLY, ECHO_ID):
            self._answers.append(time.clock_gettime(time.CLOCK_BOOTTIME))


def _echo_request(number: int) -> bytes:
    """Write an echo request without data (RFC 792)."""
    total = (ECHO_REQUEST << 8) + ECHO_ID + number
    folded = (total & 0xFFFF) + (total >> 16)
    checksum = ~((folded & 0xFFFF) + (folded >> 16)) & 0xFFFF
    return pack("!BBHHH", ECHO_REQUEST, 0, checksum, ECHO_ID, number)


# Fixed by RFC 792 and netdevice(7)
SIOCGIFADDR = 0x8915
IFREQ = "16s16x"
ADDRESS = slice(20, 24)
ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO_SIZE = 8

# Our choices
ECHO_EVERY = 0.002
ECHO_ID = os.getpid() & 0xFFFF
IPERF = "/usr/bin/iperf3"
START_SECONDS = 10.0
