"""A unix socket between our own programs: who is at its other end, and that only one program serves it.

It says nothing of what the other one may do.
"""

import fcntl
import os
import socket
import struct
from pathlib import Path


def read_peer_uid(connection: socket.socket) -> int:
    """Tell the user of the process that connected, or that listened when we connected (SO_PEERCRED)."""
    _, uid, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return int(uid)


def take_lock(path: Path) -> int:
    """Hold a lock file until the descriptor is closed; raise `BlockingIOError` while another program holds it."""
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


# Fixed by the kernel (unix(7)): pid, uid, gid.
CREDENTIALS = struct.Struct("=iII")
