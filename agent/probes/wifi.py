"""How this machine reaches the network now, and by which Wi-Fi, as NetworkManager tells it over D-Bus.

It changes nothing in NetworkManager and believes no answer of another type or size than expected:
that, silence, and NetworkManager's absence are `Unseen` with the reason.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from agent.posture.facts import AccessPoint, Links, Security, Wireless
from agent.probes.access_points import read_security
from agent.probes.bus import Bus, BusError, Line, Properties
from agent.probes.interfaces import is_tether
from agent.probes.saved import pinned_names

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Device:
    """One network device as far as it matters here; at most one of them is filled in."""

    wireless: Wireless | None = None
    wired: str | None = None
    tethered: str | None = None
    mobile: str | None = None
    other: str | None = None


async def ask(line: Line, read: Callable[[Bus], Awaitable[Value]]) -> Value:
    """Have something read from the bus, twice at most and in bounded time; raise `BusError` when it cannot be."""
    why = BusError("nobody was asked")
    for _ in range(READ_TRIES):  # an object may go between two questions when the network changes
        try:
            async with asyncio.timeout(LONGEST_READ):
                return await read(await line.bus())
        except TimeoutError:
            raise BusError("it gave no answer in time") from None
        except BusError as error:
            why = error
    raise why


async def read_links(bus: Bus) -> Links:
    """Read which links are in use; raise `BusError` for any answer that is not as it should be."""
    manager = await bus.properties(NAME, MANAGER, NAME)
    paths = manager.paths("Devices", MOST_DEVICES)
    devices = await asyncio.gather(*(_read_device(bus, path) for path in paths))
    return Links(
        wireless=tuple(device.wireless for device in devices if device.wireless is not None),
        wired=tuple(device.wired for device in devices if device.wired is not None),
        other=tuple(device.other for device in devices if device.other is not None),
        tethered=tuple(device.tethered for device in devices if device.tethered is not None),
        mobile=tuple(device.mobile for device in devices if device.mobile is not None),
    )


def is_change(member: str, body: list[object]) -> bool:
    """Tell whether a signal of NetworkManager's means that the links may have changed."""
    return member in CHANGES or (member == "PropertiesChanged" and _matters(body))


def _matters(body: list[object]) -> bool:
    return any(isinstance(part, dict) and not PROPERTIES_READ.isdisjoint(part) for part in body)


async def _read_device(bus: Bus, path: str) -> _Device:
    device = await bus.properties(NAME, path, f"{NAME}.Device")
    name, kind, state = device.text("Interface", LONGEST_INTERFACE), device.number("DeviceType"), device.number("State")
    if kind == WIFI:
        return _Device(wireless=await _read_wireless(bus, path, device, name, state))
    if not _is_in_use(device, state) or kind == LOOPBACK:
        return _Device()
    if kind == MODEM:
        return _Device(mobile=name)
    if kind == BLUETOOTH or (kind == ETHERNET and is_tether(device.text("Driver", LONGEST_DRIVER, ""))):
        return _Device(tethered=name)
    return _Device(wired=name) if kind == ETHERNET else _Device(other=name)


def _is_in_use(device: Properties, state: int) -> bool:
    """Tell whether a device reaches the network; one that others manage does so where it is plugged in."""
    return state == ACTIVATED or (state == UNMANAGED and bool(device.number("InterfaceFlags", PLUGGED) & PLUGGED))


async def _read_wireless(bus: Bus, path: str, device: Properties, name: str, state: int) -> Wireless | None:
    radio = await bus.properties(NAME, path, f"{NAME}.Device.Wireless")
    point = radio.path("ActiveAccessPoint") or await _read_joined(bus, device)
    if point is not None:
        seen = await read_access_point(bus, point)
        network = Wireless(name, seen.ssid, seen.bssid, seen.security, hidden=not seen.ssid.strip(b"\0"))
        return network if network.security is not Security.ENTERPRISE else await _pinned(bus, path, network)
    if state in (ACTIVATED, UNMANAGED):  # in use, or used by someone whom NetworkManager does not know
        return Wireless(name, b"", "", Security.UNKNOWN)
    return None


async def _read_joined(bus: Bus, device: Properties) -> str | None:
    active = device.path("ActiveConnection")
    if active is None:
        return None
    return (await bus.properties(NAME, active, f"{NAME}.Connection.Active")).path("SpecificObject")


async def read_access_point(bus: Bus, path: str) -> AccessPoint:
    """Read one access point; raise `BusError` for any answer that is not as it should be."""
    point = await bus.properties(NAME, path, f"{NAME}.AccessPoint")
    ssid, bssid = point.octets("Ssid", LONGEST_SSID), point.text("HwAddress", LONGEST_BSSID).lower()
    if not BSSID.fullmatch(bssid):
        raise BusError("HwAddress is no hardware address")
    return AccessPoint(ssid, bssid, read_security(*(point.number(name) for name in ("Flags", "WpaFlags", "RsnFlags"))))


async def _pinned(bus: Bus, path: str, network: Wireless) -> Wireless:
    """Add the names that the server must prove, by the settings in effect; without an answer it must prove none."""
    try:
        settings = await bus.sections(NAME, path, f"{NAME}.Device", "GetAppliedConnection", "u", 0)
        return replace(network, pinned=pinned_names(settings))
    except BusError:
        return network


# Fixed by NetworkManager's D-Bus interface, by IEEE 802.11 and by the kernel.
NAME = "org.freedesktop.NetworkManager"
MANAGER = "/org/freedesktop/NetworkManager"
ETHERNET, WIFI, BLUETOOTH, MODEM, LOOPBACK = 1, 2, 5, 8, 32
UNMANAGED, ACTIVATED = 10, 100
PLUGGED = 0x2
RULES = (
    f"type='signal',sender='{NAME}'",
    f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'",
)
CHANGES = frozenset(
    {
        "StateChanged",
        "DeviceAdded",
        "DeviceRemoved",
        "NameOwnerChanged",
        "NewConnection",
        "ConnectionRemoved",
        "Updated",
    }
)
PROPERTIES_READ = frozenset(
    {
        "Devices",
        "State",
        "InterfaceFlags",
        "ActiveConnection",
        "ActiveConnections",
        "ActiveAccessPoint",
        "SpecificObject",
    }
    | {"AccessPoints", "Ssid", "HwAddress", "Flags", "WpaFlags", "RsnFlags", "CurrentBSS", "CurrentAuthMode"}
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
LONGEST_DRIVER = 64
