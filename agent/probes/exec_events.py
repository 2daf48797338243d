"""The kernel's word that a process started a program or changed its user (netlink process connector).

It parses only what those two events hold and keeps nothing; it needs the root network namespace and
CAP_NET_ADMIN, sends nothing but its subscription, and says so when the kernel had to drop events.
"""

import errno
import os
import socket
import struct
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import Self


class EventsError(Exception):
    """The kernel will not report events; the text says why in one clause."""


class What(IntEnum):
    """The kinds of process event that are asked for, and the answer to asking (linux/cn_proc.h)."""

    NONE = 0x0
    EXEC = 0x2
    UID = 0x4


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """One event: which process, as the root PID namespace numbers it, at which nanosecond since boot."""

    what: What
    pid: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Events in order, and whether some were lost before them."""

    events: tuple[ProcessEvent, ...]
    lost: bool


class ExecEvents:
    """A subscription; wait for `fileno` to be readable, then `read`. It can rest and resume."""

    def __init__(self, connector: socket.socket) -> None:
        """Take over a socket that is subscribed."""
        self._connector = connector

    @classmethod
    def open(cls) -> Self:
        """Subscribe; raise `EventsError` when the kernel refuses or does not answer."""
        try:
            connector = socket.socket(AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, NETLINK_CONNECTOR)
        except OSError as error:
            raise EventsError(f"the kernel has no process connector ({error.strerror})") from error
        try:
            _subscribe(connector)
        except BaseException:
            connector.close()
            raise
        return cls(connector)

    def fileno(self) -> int:
        """Give the descriptor to wait on."""
        return self._connector.fileno()

    def read(self) -> Batch:
        """Take the events that are there, at most `LARGEST_BATCH` datagrams, without waiting."""
        events: list[ProcessEvent] = []
        lost = False
        for _ in range(LARGEST_BATCH):
            try:
                datagram, sender = self._connector.recvfrom(LONGEST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            if sender[0] == KERNEL:
                events += parse(datagram)
        return Batch(tuple(event for event in events if event.what is not What.NONE), lost)

    def rest(self) -> None:
        """Have the kernel report nothing until `resume`, and drop what it has reported."""
        self._connector.send(_request(LISTEN.pack(MULTICAST_IGNORE)))
        self._drop()

    def resume(self) -> None:
        """Have the kernel report again: everything that happens after the return."""
        self._drop()  # before kernel 6.6, what others subscribe to comes here too
        for wish in (LISTEN.pack(MULTICAST_LISTEN), NARROWED):
            self._connector.send(_request(wish))

    def _drop(self) -> None:
        for _ in range(MOST_DROPPED):
            try:
                self._connector.recv(LONGEST_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise

    def close(self) -> None:
        """End the subscription."""
        self._connector.close()


def parse(datagram: bytes) -> list[ProcessEvent]:
    """Read every netlink message of a datagram; whatever is no process event of ours is passed over."""
    events, offset = [], 0
    while len(datagram) - offset >= NETLINK_HEADER.size:
        length, *_ = NETLINK_HEADER.unpack_from(datagram, offset)
        if length < NETLINK_HEADER.size:
            break
        event = _parse_message(datagram[offset + NETLINK_HEADER.size : offset + length])
        if event is not None:
            events.append(event)
        offset += (length + 3) & ~3
    return events


def _parse_message(body: bytes) -> ProcessEvent | None:
    if len(body) < CONNECTOR_HEADER.size + EVENT.size:
        return None
    channel, value, _, _, length, _ = CONNECTOR_HEADER.unpack_from(body)
    if (channel, value) != PROCESS_CHANNEL or length < EVENT.size:
        return None
    what, _, at_ns, _, group = EVENT.unpack_from(body, CONNECTOR_HEADER.size)
    return ProcessEvent(What(what), group, at_ns) if what in KINDS else None


def _subscribe(connector: socket.socket) -> None:
    """Subscribe to everything, wait for the kernel's answer, then narrow it down.

    The narrow form (kernel 6.6) is never answered, and an older kernel passes it over: it then goes
    on reporting every kind, and `parse` drops the others.
    """
    try:
        connector.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        connector.bind((0, PROCESS_CHANNEL[0]))
        connector.send(_request(LISTEN.pack(MULTICAST_LISTEN)))
        _await_answer(connector)
        connector.send(_request(NARROWED))
        connector.setblocking(False)
    except TimeoutError as error:
        raise EventsError("the kernel does not answer in this PID namespace") from error
    except ConnectionRefusedError as error:
        raise EventsError("the kernel answers only in the root network namespace") from error
    except OSError as error:
        raise EventsError(f"the kernel refuses process events ({error.strerror})") from error


def _await_answer(connector: socket.socket) -> None:
    until = time.monotonic() + ANSWER_SECONDS
    while (left := until - time.monotonic()) > 0:
        connector.settimeout(left)
        datagram, sender = connector.recvfrom(LONGEST_DATAGRAM)
        if sender[0] != KERNEL or not any(event.what is What.NONE for event in parse(datagram)):
            continue
        (refused,) = ERROR.unpack_from(datagram, NETLINK_HEADER.size + CONNECTOR_HEADER.size + ERROR_OFFSET)
        if refused:
            raise OSError(refused, os.strerror(refused))
        return
    raise TimeoutError


def _request(body: bytes) -> bytes:
    message = CONNECTOR_HEADER.pack(*PROCESS_CHANNEL, 0, 0, len(body), 0) + body
    return NETLINK_HEADER.pack(NETLINK_HEADER.size + len(message), NLMSG_DONE, 0, 0, 0) + message


# Fixed by the kernel (linux/netlink.h, linux/connector.h, linux/cn_proc.h, asm/socket.h).
AF_NETLINK = 16
NETLINK_CONNECTOR = 11
NLMSG_DONE = 3
SO_RCVBUFFORCE = 33
KERNEL = 0
PROCESS_CHANNEL = (1, 1)
MULTICAST_LISTEN = 1
MULTICAST_IGNORE = 2
NETLINK_HEADER = struct.Struct("=IHHII")
CONNECTOR_HEADER = struct.Struct("=IIIIHH")
EVENT = struct.Struct("=IIQII")
LISTEN = struct.Struct("=I")
LISTEN_TO = struct.Struct("=II")
ERROR = struct.Struct("=I")
ERROR_OFFSET = 16
KINDS = frozenset(What)
NARROWED = LISTEN_TO.pack(MULTICAST_LISTEN, What.EXEC | What.UID)

# Our choices.
RECEIVE_BUFFER = 4 << 20
LONGEST_DATAGRAM = 4_096
LARGEST_BATCH = 64
MOST_DROPPED = 100_000
ANSWER_SECONDS = 1.0
