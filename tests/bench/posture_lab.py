"""The laptop of the endpoint checker's figures: opened by the control socket, and seen from the hotel's side.

It times nothing by what Sekisho says of itself: a tunnel is closed when nothing leaves the laptop any more.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socket import (
    AF_INET,
    AF_PACKET,
    CMSG_SPACE,
    SO_BINDTODEVICE,
    SOCK_DGRAM,
    SOL_SOCKET,
    htons,
    socket,
)
from struct import Struct
from threading import Event, Thread
from typing import Self

from agent.control.client import Conversation
from agent.control.messages import Connect, Done, Refused, Status, Watch
from tests.lab.endpoint import Endpoint
from tests.lab.laptop import DOCTOR_ENVIRONMENT, INTERPRETER, Laptop
from tests.lab.namespaces import LAPTOP, PACS, Namespace
from tests.lab.run import LabError, Program, wait_until
from tests.lab.scene import Scene


@dataclass(frozen=True)
class Road:
    """Sekisho installed on the laptop, and the first wire behind it."""

    scene: Scene
    endpoint: Endpoint
    wire: "Wire"

    @classmethod
    def build(cls, scene: Scene) -> Self:
        """Start Sekisho with the hospital's policy."""
        endpoint = scene.endpoint("posture")
        endpoint.start()
        return cls(scene, endpoint, Wire.tap(scene.town.router))

    @contextmanager
    def opened(self) -> Iterator["Tunnel"]:
        """Open the site and send through it without a pause while the block lasts."""
        self.connect()
        with Conversation(self._control, Watch()) as watch, Row(self.scene.town.laptop) as row:
            self.wire.wait_for_esp()
            yield Tunnel(watch, row, self.wire)

    def connect(self) -> None:
        """Open the site."""
        with Conversation(self._control, Connect()) as asked:
            while not isinstance(answer := asked.next_reply(WAIT), Done):
                if answer is None or isinstance(answer, Refused):
                    raise LabError(f"the site does not open: {answer}")

    @property
    def _control(self) -> str:
        return str(self.endpoint.laptop.file(self.endpoint.control))


@dataclass(frozen=True)
class Tunnel:
    """An open tunnel with a row of packets in it."""

    watch: Conversation
    row: "Row"
    wire: "Wire"

    def closed(self, code: str) -> float:
        """Wait until a check cuts it; tell when the first packet was sent that did not leave (seconds since 1970)."""
        while not isinstance(told := self.watch.next_reply(WAIT), Status) or told.state != "refused":
            if told is None:
                raise LabError(f"{code} does not cut the tunnel")
        if [reason.code for reason in told.reasons] != [code]:
            raise LabError(f"the tunnel was cut for another reason than {code}: {told.reasons}")
        last = self.wire.last_esp()
        wait_until(lambda: self.row.sent[-1] > last, "a packet that does not leave", WAIT)
        return next(sent for sent in self.row.sent if sent > last)


class Row:
    """A datagram to the PACS each millisecond, by the tunnel and no other way; `sent` tells when each was tried."""

    def __init__(self, laptop: Namespace) -> None:
        self.sent: list[float] = []
        self._socket = laptop.inside(lambda: socket(AF_INET, SOCK_DGRAM))
        self._socket.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, INTERFACE)
        self._over = Event()
        self._thread = Thread(target=self._run, name="row", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._over.is_set():
            self.sent.append(time.time())
            with suppress(OSError):  # the interface is not there any more
                self._socket.sendto(b"row", (PACS, DISCARD))
            time.sleep(EVERY)


@dataclass(frozen=True)
class Wire:
    """All that the laptop sends, as it arrives at the hotel's router, with the kernel's own times."""

    listener: socket = field(repr=False)

    @classmethod
    def tap(cls, router: Namespace) -> Self:
        """Listen from now on."""
        return cls(router.inside(_open_tap))

    def wait_for_esp(self) -> None:
        """Forget what came before, and wait until the laptop sends ESP."""
        for _ in self._take():
            pass
        wait_until(lambda: any(self._take()), "a packet of the row on the wire", WAIT, pause=0.001)

    def last_esp(self) -> float:
        """Tell when the last ESP packet up to now came (seconds since 1970)."""
        return max(self._take())

    def _take(self) -> Iterator[float]:
        """Take the times of the ESP packets that have come (RFC 3948 §2)."""
        with suppress(BlockingIOError):
            while True:
                packet, told, _, _ = self.listener.recvmsg(SNAP, CMSG_SPACE(TIMESPEC.size))
                if packet[12:16] == SOURCE and packet[9] == UDP and packet[22:24] == PORT and any(packet[28:32]):
                    seconds, nanos = TIMESPEC.unpack(told[0][2])
                    yield seconds + nanos / 1e9


@dataclass(frozen=True)
class Starter:
    """A program of the doctor's that starts others, and says when, to the last moment before the kernel's exec."""

    program: Program

    @classmethod
    def start(cls, laptop: Laptop) -> Self:
        """Start it; it waits for words."""
        argv = (str(INTERPRETER), "-ISc", STARTER)
        return cls(
            laptop.run.start(
                "starter", argv, enter=laptop.enter_as_doctor, env=DOCTOR_ENVIRONMENT, stdin=subprocess.PIPE
            )
        )

    @contextmanager
    def running(self, path: str) -> Iterator[float]:
        """Have a program run while the block lasts; tell when it was started (seconds since 1970)."""
        yield float(self._ask(path))
        self._ask("end")

    def _ask(self, word: str) -> str:
        """Say a word, and await the line that answers it."""
        assert self.program.process.stdin is not None
        before = len(self._told())
        self.program.process.stdin.write(f"{word}\n".encode())
        self.program.process.stdin.flush()
        wait_until(lambda: len(self._told()) > before, f"an answer to {word!r}", WAIT, pause=0.001)
        return self._told()[-1]

    def _told(self) -> list[str]:
        return self.program.log.read_text().splitlines()


def _open_tap() -> socket:
    tap = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP))
    tap.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    tap.setsockopt(SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.bind(("lan", ETH_P_IP))
    tap.setblocking(False)
    return tap


# Fixed by Linux and RFC 3948
ETH_P_IP = 0x0800
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
TIMESPEC = Struct("@ll")
UDP = 17
PORT = (4500).to_bytes(2, "big")
DISCARD = 9

# Our choices, in seconds and bytes
INTERFACE = b"sekisho0"
SOURCE = bytes(map(int, LAPTOP.split(".")))
EVERY = 0.001
WAIT = 20.0
SNAP = 64
RECEIVE_BUFFER = 64 << 20
STARTER = r"""
import os, sys, time
for word in sys.stdin:
    path = word.rstrip()
    child = os.fork()
    if child == 0:
        os.write(1, f"{time.time():.6f}\n".encode())
        os.execv(path, [path, "3600"])
    sys.stdin.readline()
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.write(1, b"ended\n")
"""
