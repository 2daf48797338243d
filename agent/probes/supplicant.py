"""What wpa_supplicant says of the networks in use, over D-Bus: a second source beside NetworkManager.

It changes nothing there, and what it cannot tell is left open.
"""

import asyncio

from agent.posture.facts import Security, Wireless
from agent.probes.bus import Bus, BusError
from agent.probes.rsn import read_announced


async def read_supplicant(bus: Bus) -> tuple[Wireless, ...]:
    """Give the networks that are joined; raise `BusError` for any answer that is not as it should be."""
    paths = (await bus.properties(NAME, ROOT, NAME)).paths("Interfaces", MOST_INTERFACES)
    networks = await asyncio.gather(*(_read_interface(bus, path) for path in paths))
    return tuple(network for network in networks if network is not None)


async def _read_interface(bus: Bus, path: str) -> Wireless | None:
    interface = await bus.properties(NAME, path, f"{NAME}.Interface")
    current = interface.path("CurrentBSS")
    if current is None or interface.text("State", LONGEST_WORD) != JOINED:
        return None
    point = await bus.properties(NAME, current, f"{NAME}.BSS")
    bssid = point.octets("BSSID", BSSID_LENGTH)
    if len(bssid) != BSSID_LENGTH:
        raise BusError("BSSID is no hardware address")
    privacy = point.flag("Privacy")
    announced = read_announced(point.octets("IEs", LONGEST_ELEMENTS), privacy=privacy)
    ssid = point.octets("SSID", LONGEST_SSID)
    return Wireless(
        interface.text("Ifname", LONGEST_INTERFACE),
        ssid,
        bssid.hex(":"),
        announced.security,
        hidden=not announced.ssid.strip(b"\0"),
        negotiated=read_mode(interface.text("CurrentAuthMode", LONGEST_WORD), privacy=privacy),
        management=announced.management,
    )


def read_mode(mode: str, *, privacy: bool) -> Security | None:
    """Name the protection in use by the supplicant's own word for it; None for a word that does not tell."""
    if mode == "NONE":
        return Security.WEP if privacy else Security.OPEN
    if mode in OLD_MODES:
        return OLD_MODES[mode]
    return next((security for word, security in WORDS if word in mode), None)


# Fixed by wpa_supplicant's D-Bus interface and by IEEE 802.11.
NAME = "fi.w1.wpa_supplicant1"
ROOT = "/fi/w1/wpa_supplicant1"
RULES = (
    f"type='signal',sender='{NAME}',member='PropertiesChanged'",
    f"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{NAME}'",
)
JOINED = "completed"
OLD_MODES = {
    "WPA-PSK": Security.WPA_TKIP,
    "WPA/IEEE 802.1X/EAP": Security.WPA_TKIP,
    "WPA-NONE": Security.WEP,
    "IEEE 802.1X (no WPA)": Security.WEP,
}
WORDS = (
    ("SAE", Security.SAE),
    ("OWE", Security.OWE),
    ("EAP", Security.ENTERPRISE),
    ("FILS", Security.ENTERPRISE),
    ("PSK", Security.WPA2_PSK),
)
LONGEST_SSID = 32
LONGEST_INTERFACE = 15
BSSID_LENGTH = 6

# Our choices.
MOST_INTERFACES = 64
LONGEST_ELEMENTS = 1 << 14
LONGEST_WORD = 64
