"""Which interfaces besides Wi-Fi reach the network, as the kernel's sysfs tells it.

It changes nothing; a phone on a cable is known by its driver, so a network adapter of such a driver counts as one.
"""

import os
from pathlib import Path

from agent.posture.facts import Links

LinkNames = dict[str, list[str]]


def read_interfaces(sysfs: Path) -> Links:
    """List the interfaces that are up, without those of Wi-Fi; raise `OSError` when sysfs cannot be read."""
    found: LinkNames = {"wired": [], "tethered": [], "mobile": [], "other": []}
    for folder in sorted((sysfs / "class/net").iterdir())[:MOST_INTERFACES]:
        kind = _kind(folder)
        if kind is not None and _word(folder / "operstate") in IN_USE:
            found[kind].append(folder.name)
    return Links((), **{kind: tuple(names) for kind, names in found.items()})


def is_tether(driver: str) -> bool:
    """Tell whether a driver of Ethernet devices is one for phones."""
    return driver in TETHERS


def _kind(folder: Path) -> str | None:
    """Sort an interface; None for Wi-Fi and the loopback."""
    if (folder / "phy80211").exists() or _word(folder / "type") == LOOPBACK:
        return None
    match _device_type(folder):
        case "wwan":
            return "mobile"
        case "bluetooth":
            return "tethered"
    if not (folder / "device").exists() or _word(folder / "type") != ETHERNET:
        return "other"
    return "tethered" if is_tether(_driver(folder)) else "wired"


def _driver(folder: Path) -> str:
    try:
        return (folder / "device/driver").readlink().name
    except OSError:
        return ""


def _device_type(folder: Path) -> str:
    lines = _word(folder / "uevent").splitlines()
    return next((line.removeprefix(DEVICE_TYPE) for line in lines if line.startswith(DEVICE_TYPE)), "")


def _word(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return os.fsdecode(opened.read(LONGEST_FILE)).strip()
    except OSError:
        return ""


# Fixed by the kernel.
ETHERNET, LOOPBACK = "1", "772"
DEVICE_TYPE = "DEVTYPE="
IN_USE = frozenset({"up", "unknown"})  # what carries no carrier of its own says "unknown"
TETHERS = frozenset({"rndis_host", "cdc_ether", "cdc_ncm", "cdc_eem", "cdc_subset", "ipheth"})

# Our choices.
MOST_INTERFACES = 256
LONGEST_FILE = 4096
