"""The tunnel's interface: a descriptor that carries IP packets, gone from the machine when it is closed.

It is opened natively and never made persistent, and knows no address and no route.
"""

import fcntl
import os
import socket
import struct
from dataclasses import dataclass

from agent.network.errors import NetworkRefused, reason


@dataclass(frozen=True, slots=True)
class Tun:
    """An open interface; the owner closes it, and so removes it."""

    fd: int
    name: str
    index: int

    def close(self) -> None:
        """Close our descriptor; the interface goes with the last one."""
        os.close(self.fd)


def open_tun(pattern: str = "sekisho%d", *, vnet_hdr: bool) -> Tun:
    """Make an interface, its number chosen by the kernel.

    With `vnet_hdr` each packet carries a virtio header in front; offloads beyond that are for the
    reader of the descriptor to ask (TUNSETOFFLOAD).
    """
    if not 0 < len(pattern.encode()) < IFNAMSIZ:
        raise NetworkRefused("tun", f"'{pattern}' is no interface name")
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NetworkRefused("tun", f"{DEVICE} cannot be opened: {reason(error)}") from error
    try:
        name = _attach(descriptor, pattern, vnet_hdr)
        return Tun(descriptor, name, socket.if_nametoindex(name))
    except OSError as error:
        os.close(descriptor)
        raise NetworkRefused("tun", f"the system made no interface: {reason(error)}") from error


def _attach(descriptor: int, pattern: str, vnet_hdr: bool) -> str:
    flags = IFF_TUN | IFF_NO_PI | (IFF_VNET_HDR if vnet_hdr else 0)
    answer = fcntl.ioctl(descriptor, TUNSETIFF, struct.pack(IFREQ, pattern.encode(), flags))
    name, _ = struct.unpack(IFREQ, answer)
    return str(bytes(name).rstrip(b"\0").decode())


# Fixed by the kernel (linux/if_tun.h, linux/if.h).
DEVICE = "/dev/net/tun"
TUNSETIFF = 0x4004_54CA
IFF_TUN, IFF_NO_PI, IFF_VNET_HDR = 0x0001, 0x1000, 0x4000
IFNAMSIZ = 16
IFREQ = "16sH22x"
