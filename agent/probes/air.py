"""What is in the air by NetworkManager's list, and which networks were joined lately.

It has no radio scan for it: what the machine finds by itself is all that is seen.
"""

import asyncio
from collections.abc import Iterable

from agent.posture.facts import AccessPoint, Security, Wireless
from agent.probes.bus import Bus
from agent.probes.wifi import MANAGER, MOST_DEVICES, NAME, WIFI, read_access_point


class Joined:
    """Remembers each access point that was joined, once for each protection; the longest unused go first.

    One that was left for `LASTING` is forgotten: two hospitals may give the same name to different networks.
    """

    def __init__(self) -> None:
        """Start without a memory."""
        self._used_at: dict[AccessPoint, float] = {}

    def remember(self, networks: Iterable[Wireless], now: float) -> tuple[AccessPoint, ...]:
        """Add the networks in use at `now` (boot clock, which goes on in sleep) and give all that are known."""
        for network in networks:
            point = AccessPoint(network.ssid, network.bssid, network.security)
            if network.security is not Security.UNKNOWN:
                self._used_at.pop(point, None)
                self._used_at[point] = now
        kept = [(point, at) for point, at in self._used_at.items() if now - at <= LASTING]
        self._used_at = dict(kept[-MOST_JOINED:])
        return tuple(self._used_at)


async def read_air(bus: Bus) -> tuple[AccessPoint, ...]:
    """List the access points in range; raise `BusError` for any answer that is not as it should be."""
    manager = await bus.properties(NAME, MANAGER, NAME)
    lists = await asyncio.gather(*(_list_points(bus, path) for path in manager.paths("Devices", MOST_DEVICES)))
    return tuple(await asyncio.gather(*(read_access_point(bus, path) for paths in lists for path in paths)))


async def _list_points(bus: Bus, path: str) -> list[str]:
    device = await bus.properties(NAME, path, f"{NAME}.Device")
    if device.number("DeviceType") != WIFI:
        return []
    radio = await bus.properties(NAME, path, f"{NAME}.Device.Wireless")
    return radio.paths("AccessPoints", MOST_POINTS)


# Our choices, in pieces and in seconds.
MOST_JOINED = 256
LASTING = 1200.0
MOST_POINTS = 512
