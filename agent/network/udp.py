"""The one UDP socket to the gateway: marked, so that it goes past the tunnel's own rules.

It sends and reads nothing.
"""

import socket

from agent.network.errors import NetworkRefused, reason
from agent.network.plan import MARK


def open_udp(mark: int = MARK) -> socket.socket:
    """Open an unconnected IPv4 socket on a source port of the kernel's random choice, with large buffers."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        made.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)
        made.bind(("", 0))
    except OSError as error:
        made.close()
        raise NetworkRefused("udp", f"the system gave no marked socket: {reason(error)}") from error
    return made


# Fixed by the kernel (asm-generic/socket.h).
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33

# Our choices, in bytes.
BUFFER = 8 << 20
