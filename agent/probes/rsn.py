"""What the information elements of a beacon say about a wireless network's protection (IEEE 802.11). Pure.

The bytes come from the air and anybody may have sent them: what is no proper element ends the walk, and a
security element that cannot be read makes the protection unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent.posture.facts import Security, Told
from agent.probes.access_points import PRIVACY, Flag, read_security


@dataclass(frozen=True, slots=True)
class Announced:
    """What an access point announces; `management` is UNTOLD where it leaves protected frames to the other side."""

    ssid: bytes
    security: Security
    management: Told


def read_announced(elements: bytes, *, privacy: bool) -> Announced:
    """Read a beacon's or probe response's elements; `privacy` is the bit that stands before them."""
    seen = dict(_walk(elements))
    ssid = seen.get(SSID, b"")[:LONGEST_SSID]
    rsn = seen.get(RSN)
    flags, wpa = PRIVACY if privacy else 0, Flag.PAIR_TKIP if WPA in seen else 0
    if rsn is None:
        return Announced(ssid, read_security(flags, wpa, 0), Told.NO)
    try:
        suites, capabilities = _read_rsn(_Fields(rsn))
    except ValueError:
        return Announced(ssid, Security.UNKNOWN, Told.UNTOLD)
    return Announced(ssid, read_security(flags, wpa, suites), _management(capabilities))


def _walk(elements: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give each element by its number (vendor's ones with their type); the first of a kind comes last and counts."""
    found, at = [], 0
    while at + 2 <= len(elements):
        number, length = elements[at : at + 1], elements[at + 1]
        body = elements[at + 2 : at + 2 + length]
        at += 2 + length
        if len(body) < length:
            break
        found.append((number + body[:4], body[4:]) if number == VENDOR else (number, body))
    return reversed(found)


class _Fields:
    """Takes little-endian fields from an element that may end after any of them."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def number(self, default: int) -> int:
        return int.from_bytes(self._take(2), "little") if self._body else default

    def suite(self, default: bytes) -> bytes:
        return self._take(4) if self._body else default

    def suites(self, default: bytes) -> list[bytes]:
        if not self._body:
            return [default]
        return [self._take(4) for _ in range(self.number(0))]

    def _take(self, size: int) -> bytes:
        if len(self._body) < size:
            raise ValueError("the element ends inside a field")
        taken, self._body = self._body[:size], self._body[size:]
        return taken


def _read_rsn(fields: _Fields) -> tuple[int, int]:
    """Give the suites as flags, and the capabilities: version, group, pairwise, key management, capabilities."""
    if fields.number(0) != VERSION:
        raise ValueError("another version")
    flags = GROUP.get(fields.suite(CCMP), 0)
    for suite in fields.suites(CCMP):
        flags |= PAIRWISE.get(suite, 0)
    for suite in fields.suites(IEEE_8021X):
        flags |= KEY_MANAGEMENT.get(suite, 0)
    return flags | KNOWN, fields.number(0)


def _management(capabilities: int) -> Told:
    if capabilities & REQUIRED:
        return Told.YES
    return Told.UNTOLD if capabilities & CAPABLE else Told.NO


def _suite(kind: int) -> bytes:
    return b"\x00\x0f\xac" + bytes([kind])


def _suites(flags: Mapping[int, Flag]) -> Mapping[bytes, Flag]:
    return {_suite(kind): flag for kind, flag in flags.items()}


# Fixed by IEEE 802.11-2020 §9.4.2 and by WPA.
SSID, RSN, VENDOR = b"\x00", b"\x30", b"\xdd"
WPA = VENDOR + b"\x00\x50\xf2\x01"
VERSION = 1
REQUIRED, CAPABLE = 0x40, 0x80
LONGEST_SSID = 32
CCMP, IEEE_8021X = _suite(4), _suite(1)
GROUP = _suites({1: Flag.GROUP_WEP40, 2: Flag.GROUP_TKIP, 5: Flag.GROUP_WEP104})
PAIRWISE = _suites({1: Flag.PAIR_WEP40, 2: Flag.PAIR_TKIP, 5: Flag.PAIR_WEP104})
KEY_MANAGEMENT = _suites(
    dict.fromkeys((1, 3, 5, 11, 13, 14, 15, 16, 17, 22, 23), Flag.EAP)
    | dict.fromkeys((2, 4, 6, 19, 20), Flag.PSK)
    | dict.fromkeys((8, 9, 24, 25), Flag.SAE)
    | {12: Flag.EAP_SUITE_B_192, 18: Flag.OWE}
)
KNOWN = Flag.PAIR_CCMP  # a security element was there, whatever it named
