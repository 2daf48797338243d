"""Which interfaces reach the network, as the kernel's sysfs tells it; what protects Wi-Fi it does not know.

It changes nothing; a phone on a cable is known by its driver, so a network adapter of such a driver counts as one.
"""

import errno
import os
from pathlib import Path

from agent.posture.facts import Links, Security, Wireless

LinkNames = dict[str, list[str]]


def read_interfaces(sysfs: Path) -> Links:
    """List the interfaces that are up; raise `OSError` when sysfs cannot be read, or has more than a laptop has."""
    found: LinkNames = {"wifi": [], "wired": [], "tethered": [], "mobile": [], "other": []}
    folders = sorted((sysfs / "class/net").iterdir())
    if len(folders) > MOST_INTERFACES:
        raise OSError(errno.E2BIG, f"there are more than {MOST_INTERFACES}")
    for folder in folders:
        kind = _kind(folder)
        if kind is not None and _word(folder / "operstate") in IN_USE:
            found[kind].append(folder.name)
    wireless = tuple(Wireless(name, b"", "", Security.UNKNOWN) for name in found.pop("wifi"))
    return Links(wireless, **{kind: tuple(names) for kind, names in found.items()})


def is_tether(driver: str) -> bool:
    """Tell whether a driver of Ethernet devices is one for phones."""
    return driver in TETHERS


def _kind(folder: Path) -> str | None:
    """Sort an interface; None for the loopback and for what else is no interface."""
    if _word(folder / "type") in ("", LOOPBACK):
        return None
    if (folder / "phy80211").exists() or (folder / "wireless").exists():
        return "wifi"
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
MOST_INTERFACES = 1024
LONGEST_FILE = 4096
