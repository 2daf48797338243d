"""How this machine reaches the network now, and by which Wi-Fi, as NetworkManager tells it over D-Bus.

It changes nothing in NetworkManager and believes no answer of another type or size than expected:
that, silence, and NetworkManager's absence are `Unseen` with the reason.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from agent.boot_clock import boot_clock
from agent.posture.facts import Grade, Links, Observed, Security, Unseen, Wireless
from agent.probes.access_points import read_security
from agent.probes.bus import Bus, BusError, Properties


@dataclass(frozen=True, slots=True)
class _Device:
    """One network device as far as it matters here; at most one of the three is filled in."""

    wireless: Wireless | None = None
    wired: str | None = None
    other: str | None = None


class NetworkManager:
    """Asks NetworkManager on the bus at `address`, or on the system bus; connects when first needed."""

    def __init__(self, address: str | None = None, boot: Callable[[], float] = boot_clock) -> None:
        """Remember where to ask."""
        self._address = address
        self._boot = boot
        self._bus: Bus | None = None
        self._connecting = asyncio.Lock()
        self._changed = asyncio.Event()

    async def read(self) -> Observed[Links] | Unseen:
        """Look at the links now; never raises."""
        why = ""
        for _ in range(READ_TRIES):  # an object may go between two questions when the network changes
            try:
                async with asyncio.timeout(LONGEST_READ):
                    return Observed(await self._read(), Grade.ROOT, METHOD, self._boot())
            except TimeoutError:
                why = "it gave no answer in time"
                break
            except BusError as error:
                why = str(error)
        return Unseen(f"NetworkManager could not be asked: {why}", self._boot())

    async def watch(self) -> AsyncGenerator[Observed[Links] | Unseen, None]:
        """Give the links now, then again after each change, also when NetworkManager or the bus goes or comes back."""
        while True:
            self._changed.clear()
            seen = await self.read()
            yield seen
            await (self._changed.wait() if isinstance(seen, Observed) else self._wait_for_return())

    async def close(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            await self._bus.close()

    async def _wait_for_return(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TRY_AGAIN)
            self._changed.clear()
            if isinstance(await self.read(), Observed):
                return

    async def _connect(self) -> Bus:
        async with self._connecting:
            if self._bus is None or not self._bus.is_connected:
                bus = await Bus.connect(self._address, RULES, self._hear)
                bus.closed.add_done_callback(lambda _: self._changed.set())
                self._bus = bus
            return self._bus

    async def _read(self) -> Links:
        bus = await self._connect()
        manager = await bus.properties(NAME, MANAGER, NAME)
        paths = manager.paths("Devices", MOST_DEVICES)
        devices = await asyncio.gather(*(_read_device(bus, path) for path in paths))
        return Links(
            wireless=tuple(device.wireless for device in devices if device.wireless is not None),
            wired=tuple(device.wired for device in devices if device.wired is not None),
            other=tuple(device.other for device in devices if device.other is not None),
        )

    def _hear(self, member: str, body: list[object]) -> None:
        if member in CHANGES or (member == "PropertiesChanged" and _matters(body)):
            self._changed.set()


def _matters(body: list[object]) -> bool:
    return any(isinstance(part, dict) and not PROPERTIES_READ.isdisjoint(part) for part in body)


async def _read_device(bus: Bus, path: str) -> _Device:
    device = await bus.properties(NAME, path, f"{NAME}.Device")
    name, kind, state = device.text("Interface", LONGEST_INTERFACE), device.number("DeviceType"), device.number("State")
    if kind == WIFI:
        return _Device(wireless=await _read_wireless(bus, path, device, name, state))
    if state != ACTIVATED or kind == LOOPBACK:
        return _Device()
    return _Device(wired=name) if kind == ETHERNET else _Device(other=name)


async def _read_wireless(bus: Bus, path: str, device: Properties, name: str, state: int) -> Wireless | None:
    radio = await bus.properties(NAME, path, f"{NAME}.Device.Wireless")
    point = radio.path("ActiveAccessPoint") or await _read_joined(bus, device)
    if point is not None:
        return await _read_point(bus, point, name)
    if state in (ACTIVATED, UNMANAGED):  # in use, or used by someone whom NetworkManager does not know
        return Wireless(name, b"", "", Security.UNKNOWN)
    return None


async def _read_joined(bus: Bus, device: Properties) -> str | None:
    active = device.path("ActiveConnection")
    if active is None:
        return None
    return (await bus.properties(NAME, active, f"{NAME}.Connection.Active")).path("SpecificObject")


async def _read_point(bus: Bus, path: str, interface: str) -> Wireless:
    point = await bus.properties(NAME, path, f"{NAME}.AccessPoint")
    ssid, bssid = point.octets("Ssid", LONGEST_SSID), point.text("HwAddress", LONGEST_BSSID).lower()
    if not BSSID.fullmatch(bssid):
        raise BusError("HwAddress is no hardware address")
    security = read_security(point.number("Flags"), point.number("WpaFlags"), point.number("RsnFlags"))
    return Wireless(interface, ssid, bssid, security, hidden=not ssid.strip(b"\0"))


# Fixed by NetworkManager's D-Bus interface, by IEEE 802.11 and by the kernel.
NAME = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
ETHERNET, WIFI, LOOPBACK = 1, 2, 32
UNMANAGED, ACTIVATED = 10, 100
RULES = (
    f"type='signal',sender='{NAME}'",
    f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'",
)
CHANGES = frozenset({"StateChanged", "DeviceAdded", "DeviceRemoved", "NameOwnerChanged"})
PROPERTIES_READ = frozenset(
    {"Devices", "State", "ActiveConnection", "ActiveConnections", "ActiveAccessPoint", "SpecificObject"}
    | {"Ssid", "HwAddress", "Flags", "WpaFlags", "RsnFlags"}
)
LONGEST_SSID = 32
LONGEST_INTERFACE = 15
LONGEST_BSSID = 17
BSSID = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")

# Our choices.
METHOD = "NetworkManager over D-Bus"
LONGEST_READ = 2.0
READ_TRIES = 2
TRY_AGAIN = 1.0
MOST_DEVICES = 64
