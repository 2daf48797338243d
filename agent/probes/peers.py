"""Who is at the other end of a unix socket, by the kernel's word.

It says nothing of what that one may do.
"""

import socket
import struct


def read_peer_uid(connection: socket.socket) -> int:
    """Tell the user of the process that connected, or that listened when we connected (SO_PEERCRED)."""
    _, uid, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    return int(uid)


CREDENTIALS = struct.Struct("=iII")
