"""What NetworkManager knows of the network besides the links: its DHCP leases, and whether a login page is in the way.

It changes nothing in NetworkManager; one that is absent, silent or lying knows nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.posture.facts import Told
from agent.probes.bus import Bus, BusError, Line, Properties
from agent.probes.neighbourhood.leases import Lease, LeaseError, Ways, counted_routes, lease, written_routes


@dataclass(frozen=True, slots=True)
class Heard:
    """What NetworkManager told."""

    leases: tuple[Lease, ...] = ()
    portal: Told = Told.UNTOLD


class Manager:
    """Asks NetworkManager on the bus at `address`, or on the system bus; tells when it may know something new."""

    def __init__(self, address: str | None, changed: Callable[[], None]) -> None:
        """Remember where to ask; connects when first needed."""
        self._changed = changed
        self._line = Line(address, RULES, self._hear, changed)

    async def read(self) -> Heard:
        """Ask now; never raises."""
        try:
            async with asyncio.timeout(LONGEST_READ):
                return await _read(await self._line.bus())
        except (BusError, TimeoutError):
            return Heard()

    async def close(self) -> None:
        """Leave the bus."""
        await self._line.close()

    def _hear(self, member: str, body: list[object]) -> None:
        if member == "NameOwnerChanged" or any(isinstance(part, dict) and PROPERTIES_READ & set(part) for part in body):
            self._changed()


async def _read(bus: Bus) -> Heard:
    manager = await bus.properties(NAME, MANAGER, NAME)
    portal = _read_portal(manager)
    devices = manager.paths("Devices", MOST_DEVICES)
    leases = await asyncio.gather(*(_read_lease(bus, path) for path in devices))
    return Heard(tuple(one for one in leases if one is not None), portal)


async def _read_lease(bus: Bus, path: str) -> Lease | None:
    """Read one device's lease; None where it has none, or one that is not written as a lease."""
    try:
        device = await bus.properties(NAME, path, f"{NAME}.Device")
        config = device.path("Dhcp4Config")
        if config is None:
            return None
        answer = await bus.properties(NAME, config, f"{NAME}.DHCP4Config")
        options = answer.texts("Options", MOST_OPTIONS, LONGEST_OPTION)
        return _as_lease(device.text("Interface", LONGEST_INTERFACE), options)
    except (BusError, LeaseError):
        return None


def _as_lease(interface: str, options: Mapping[str, str]) -> Lease:
    routes = [way for key in ROUTES for way in _ways(options.get(key, ""))]
    named = options.get("routers", ""), options.get("domain_name_servers", "")
    server = options.get("dhcp_server_identifier"), *named
    return lease(interface, options.get("ip_address", ""), server, tuple(routes))


def _ways(text: str) -> Ways:
    """Read routes as NetworkManager's own client writes them, or as dhclient under it does."""
    return written_routes(text) if "/" in text else counted_routes(text)


def _read_portal(manager: Properties) -> Told:
    """Tell whether a login page is in the way; without a check of its own, NetworkManager says 'full' to everything."""
    connectivity = manager.number("Connectivity")
    if connectivity == PORTAL:
        return Told.YES
    checks = manager.flag("ConnectivityCheckEnabled") and manager.flag("ConnectivityCheckAvailable")
    return Told.NO if connectivity == FULL and checks else Told.UNTOLD


# Fixed by NetworkManager's D-Bus interface.
NAME = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
PORTAL, FULL = 2, 4
ROUTES = ("rfc3442_classless_static_routes", "ms_classless_static_routes")
RULES = (
    f"type='signal',sender='{NAME}',interface='org.freedesktop.DBus.Properties'",
    f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'",
)
PROPERTIES_READ = frozenset({"Connectivity", "Devices", "Dhcp4Config", "Options"})
LONGEST_INTERFACE = 15

# Our choices, in seconds and in pieces.
LONGEST_READ = 1.0
MOST_DEVICES = 64
MOST_OPTIONS = 256
LONGEST_OPTION = 64 << 10
