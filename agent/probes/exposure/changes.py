"""Tells that links, addresses, routes, forwarding or the firewall's rules changed; what changed is looked at anew.

It reads no event, so none can mislead it.
"""

import asyncio
import socket
from types import TracebackType
from typing import Self


class Changes:
    """The kernel's events for as long as the `with` lasts; `rules` tells whether the firewall's may have changed."""

    def __init__(self) -> None:
        """Begin with everything to be looked at."""
        self.rules = True
        self._changed = asyncio.Event()
        self._heard: list[socket.socket] = []
        self._deaf = False

    def __enter__(self) -> Self:
        """Subscribe; where the kernel refuses, every wait ends in a change."""
        for protocol, groups in GROUPS.items():
            try:
                self._subscribe(protocol, sum(1 << group - 1 for group in groups))
            except OSError:
                self._deaf = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        for heard in self._heard:
            asyncio.get_running_loop().remove_reader(heard)
            heard.close()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, and a moment longer for those that follow it; tell whether one came in time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            self.rules |= self._deaf
            return self._deaf
        await asyncio.sleep(SETTLE)
        self._changed.clear()
        return True

    def _subscribe(self, protocol: int, groups: int) -> None:
        heard = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        self._heard.append(heard)
        heard.bind((0, groups))
        asyncio.get_running_loop().add_reader(heard, self._hear, heard)

    def _hear(self, heard: socket.socket) -> None:
        self.rules |= heard.proto == NETLINK_NETFILTER
        self._changed.set()
        try:
            for _ in range(MOST_AT_ONCE):
                heard.recv(1)  # the rest of a datagram is dropped
        except BlockingIOError:
            pass
        except OSError:  # the kernel dropped some for want of room; which, nobody knows
            self.rules = True


# Fixed by the kernel (linux/rtnetlink.h, linux/netfilter/nfnetlink.h).
NETLINK_NETFILTER = 12
LINK, V4_ADDRESS, V4_ROUTE, V6_ADDRESS, V6_ROUTE, V4_SWITCHES, V6_SWITCHES = 1, 5, 7, 9, 11, 24, 25
RULES = 7
GROUPS = {
    socket.NETLINK_ROUTE: (LINK, V4_ADDRESS, V4_ROUTE, V6_ADDRESS, V6_ROUTE, V4_SWITCHES, V6_SWITCHES),
    NETLINK_NETFILTER: (RULES,),
}

# Our choices, in seconds and in events.
SETTLE = 0.2
MOST_AT_ONCE = 1000
