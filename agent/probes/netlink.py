"""Lists that the kernel gives over netlink, one question at a time; it changes nothing and keeps no socket.

An answer that is cut, malformed or of a list that changed meanwhile is an error, never a shorter list.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress


def dump(protocol: int, kind: int, question: bytes) -> Iterator[bytes]:
    """Give the body of each entry of a list; raise OSError where the kernel refuses or goes on for too long.

    A list that changes while it is told is asked for again, some times at most.
    """
    for _ in range(MOST_TRIES - 1):
        with suppress(InterruptedError):
            return iter(list(_dump(protocol, kind, question)))
    return iter(list(_dump(protocol, kind, question)))


def _dump(protocol: int, kind: int, question: bytes) -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as asked:
        asked.settimeout(LONGEST_WAIT)
        asked.send(HEADER.pack(HEADER.size + len(question), kind, REQUEST | DUMP, 1, 0) + question)
        for _ in range(MOST_DATAGRAMS):
            for told, body in split(asked.recv(LARGEST_DATAGRAM)):
                if told in (DONE, ERROR):
                    _check(body)
                    return
                yield body
        raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))


def split(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each message's kind and body; raise OSError where a length does not fit, or the list has changed."""
    while datagram:
        length, kind, flags = START.unpack_from(datagram) if len(datagram) >= HEADER.size else (0, 0, 0)
        if not HEADER.size <= length <= len(datagram):
            raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
        if flags & INTERRUPTED:
            raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
        yield kind, datagram[HEADER.size : length]
        datagram = datagram[length + -length % ALIGNMENT :]


def attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each attribute's kind and value; what does not fit ends the list."""
    while len(body) >= LENGTH_AND_TYPE.size:
        length, kind = LENGTH_AND_TYPE.unpack_from(body)
        if not LENGTH_AND_TYPE.size <= length <= len(body):
            return
        yield kind, body[LENGTH_AND_TYPE.size : length]
        body = body[length + -length % ALIGNMENT :]


def _check(body: bytes) -> None:
    (number,) = NUMBER.unpack_from(body) if len(body) >= NUMBER.size else (0,)
    if number < 0:
        raise OSError(-number, os.strerror(-number))


# Fixed by the kernel (linux/netlink.h).
HEADER = struct.Struct("=IHHII")
START = struct.Struct("=IHH")
LENGTH_AND_TYPE = struct.Struct("=HH")
NUMBER = struct.Struct("=i")
REQUEST, DUMP, INTERRUPTED = 0x1, 0x300, 0x10
ERROR, DONE = 2, 3
ALIGNMENT = 4

# Our choices.
LONGEST_WAIT = 2.0
LARGEST_DATAGRAM = 1 << 16
MOST_DATAGRAMS = 4096
MOST_TRIES = 3
