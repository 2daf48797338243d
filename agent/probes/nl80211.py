"""What the kernel's nl80211 says of the radios: the networks that are joined, and what is in range.

It changes nothing and starts no scan; the bytes of a beacon are read by our own bounded reader only.
"""

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from agent.posture.facts import AccessPoint, Security, Told, Wireless
from agent.probes.netlink import attributes, dump
from agent.probes.rsn import Announced, read_announced

Attributes = Mapping[int, bytes]


class RadioError(Exception):
    """The kernel gave no usable answer about the radios; the text says why in one clause."""


@dataclass(frozen=True, slots=True)
class Radios:
    """All radios: the networks that are joined, the interfaces that joined none, and what is in range."""

    joined: tuple[Wireless, ...] = ()
    idle: tuple[str, ...] = ()
    in_range: tuple[AccessPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Beacon:
    """One access point as the kernel keeps it."""

    bssid: str
    announced: Announced
    is_joined: bool


def read_radios() -> Radios:
    """Read them now, in some milliseconds; raise `RadioError` where the kernel knows no radios."""
    try:
        family = _find_family()
        interfaces = list(_interfaces(family.number))
        seen = [(each.name, *_read_station(family.number, each.index)) for each in interfaces if each.kind in JOINING]
    except (OSError, struct.error) as error:
        raise _unanswered(error) from error
    return Radios(
        joined=tuple(
            _wireless(name, beacon, guarded)
            for name, beacons, guarded in seen
            for beacon in beacons
            if beacon.is_joined
        ),
        idle=(
            *(each.name for each in interfaces if each.kind in SERVING),
            *(name for name, beacons, _ in seen if not any(beacon.is_joined for beacon in beacons)),
        ),
        in_range=tuple(
            AccessPoint(beacon.announced.ssid, beacon.bssid, beacon.announced.security)
            for _, beacons, _ in seen
            for beacon in beacons
        ),
    )


@contextmanager
def changes(heard: Callable[[], None]) -> Iterator[None]:
    """Call `heard` in the running loop after each change of a radio or its link; raise `RadioError` without radios."""
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        try:
            groups = _find_family().groups
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            listener = stack.enter_context(socket.socket(socket.AF_NETLINK, kind, NETLINK_GENERIC))
            listener.bind((0, 0))  # without a number of its own it would hear nothing
            for name in GROUPS & groups.keys():
                listener.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups[name])
        except (OSError, struct.error) as error:
            raise _unanswered(error) from error
        loop.add_reader(listener, _drain, listener, heard)
        stack.callback(loop.remove_reader, listener)
        yield


@dataclass(frozen=True, slots=True)
class _Interface:
    """One use of a radio, and of which kind (enum nl80211_iftype)."""

    index: int
    name: str
    kind: int


@dataclass(frozen=True, slots=True)
class _Family:
    """The kernel's own number for nl80211, and those of its groups of events."""

    number: int
    groups: Mapping[str, int]


def _find_family() -> _Family:
    for body in dump(NETLINK_GENERIC, CONTROLLER, GENERIC.pack(GET_FAMILY, 1)):
        family = _attributes(body[GENERIC.size :])
        if _name(family.get(FAMILY_NAME, b"")) == "nl80211":
            groups = [_attributes(group) for group in _attributes(family.get(FAMILY_GROUPS, b"")).values()]
            numbers = {_name(group.get(GROUP_NAME, b"")): _number(group.get(GROUP_ID)) for group in groups}
            return _Family(_number(family.get(FAMILY_ID)), numbers)
    raise OSError(errno.ENODEV, "it has no radios")


def _interfaces(family: int) -> Iterator[_Interface]:
    for body in dump(NETLINK_GENERIC, family, GENERIC.pack(GET_INTERFACE, 0)):
        told = _attributes(body[GENERIC.size :])
        if INTERFACE_NAME in told:  # some serve the driver only
            index, kind = _number(told.get(INTERFACE_INDEX)), _number(told.get(INTERFACE_TYPE))
            yield _Interface(index, _name(told[INTERFACE_NAME]), kind)


def _read_station(family: int, index: int) -> tuple[list[Beacon], Told]:
    """Give what one radio sees, and whether its link protects management frames."""
    which = ATTRIBUTE.pack(ATTRIBUTE.size, INTERFACE_INDEX, index)
    beacons, peers = (
        [_attributes(body[GENERIC.size :]) for body in dump(NETLINK_GENERIC, family, GENERIC.pack(question, 0) + which)]
        for question in (GET_SCAN, GET_STATION)
    )
    guarded = [read_guard(peer.get(STATION_INFO, b"")) for peer in peers]
    kept = [read_beacon(beacon.get(BSS, b"")) for beacon in beacons]
    return [beacon for beacon in kept if beacon is not None], guarded[0] if len(guarded) == 1 else Told.UNTOLD


def read_beacon(body: bytes) -> Beacon | None:
    """Read one access point of the kernel's list; None for what has no proper address."""
    bss = _attributes(body)
    if len(bss.get(BSS_BSSID, b"")) != BSSID_LENGTH:
        return None
    privacy = bool(_number(bss.get(BSS_CAPABILITY)) & PRIVACY)
    announced = read_announced(bss.get(BSS_ELEMENTS, b""), privacy=privacy)
    return Beacon(bss[BSS_BSSID].hex(":"), announced, _number(bss.get(BSS_STATUS), NOT_JOINED) in JOINED)


def read_guard(body: bytes) -> Told:
    """Tell whether a link protects its management frames; UNTOLD where the driver does not say."""
    flags = _attributes(body).get(STATION_FLAGS, b"")
    if len(flags) != FLAGS.size:
        return Told.UNTOLD
    known, given = FLAGS.unpack(flags)
    if not known & PROTECTED:
        return Told.UNTOLD
    return Told.YES if given & PROTECTED else Told.NO


def _wireless(name: str, beacon: Beacon, guarded: Told) -> Wireless:
    announced = beacon.announced
    management = announced.management if guarded is Told.UNTOLD else guarded
    return Wireless(
        name,
        announced.ssid,
        beacon.bssid,
        announced.security,
        hidden=not announced.ssid.strip(b"\0"),
        negotiated=_negotiated(announced.security, guarded),
        management=management,
    )


def _negotiated(offered: Security, guarded: Told) -> Security | None:
    """Conclude what is in use: of WPA2 and WPA3 offered together, only WPA2 works without protected frames."""
    if offered is not Security.WPA2_WPA3_MIXED:
        return offered if offered is not Security.UNKNOWN else None
    return Security.WPA2_PSK if guarded is Told.NO else None


def _drain(listener: socket.socket, heard: Callable[[], None]) -> None:
    """Take what is there, for only that something changed matters; events that got lost are a change, too."""
    for _ in range(MOST_DRAINED):
        try:
            listener.recv(LARGEST_EVENT)
        except BlockingIOError:
            break
        except OSError:
            continue
    heard()


def _attributes(body: bytes) -> dict[int, bytes]:
    return {kind & TYPE_MASK: value for kind, value in attributes(body)}


def _number(value: bytes | None, absent: int = 0) -> int:
    return absent if value is None else int.from_bytes(value[:8], sys.byteorder)


def _name(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "backslashreplace")


def _unanswered(error: Exception) -> RadioError:
    why = error.strerror if isinstance(error, OSError) else None
    return RadioError(f"the kernel tells nothing of Wi-Fi: {why or type(error).__name__}")


# Fixed by the kernel (linux/netlink.h, linux/genetlink.h, linux/nl80211.h) and by IEEE 802.11.
NETLINK_GENERIC, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 16, 270, 1
GENERIC, ATTRIBUTE, FLAGS = struct.Struct("=BBxx"), struct.Struct("=HHI"), struct.Struct("=II")
TYPE_MASK = 0x3FFF
CONTROLLER, GET_FAMILY = 0x10, 3
FAMILY_ID, FAMILY_NAME, FAMILY_GROUPS = 1, 2, 7
GROUP_NAME, GROUP_ID = 1, 2
GET_INTERFACE, GET_STATION, GET_SCAN = 5, 17, 32
INTERFACE_INDEX, INTERFACE_NAME, INTERFACE_TYPE = 3, 4, 5
STATION_INFO, STATION_FLAGS, PROTECTED = 21, 17, 1 << 4
BSS, BSS_BSSID, BSS_CAPABILITY, BSS_ELEMENTS, BSS_STATUS = 47, 1, 5, 6, 9
JOINING = frozenset({1, 2, 8})  # ad hoc, station, client of Wi-Fi Direct
SERVING = frozenset({3, 4, 6, 9, 10})  # access points, monitors, owners of Wi-Fi Direct: they join nobody
JOINED, NOT_JOINED = frozenset({1, 2}), -1
PRIVACY = 0x10
BSSID_LENGTH = 6

# Our choices.
GROUPS = frozenset({"mlme", "config"})
LARGEST_EVENT = 1 << 16
MOST_DRAINED = 256
