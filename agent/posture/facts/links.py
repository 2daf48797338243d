"""How the machine reaches the network: the links in use, what is in the air, and what it would join by itself."""

from dataclasses import dataclass
from enum import StrEnum

from agent.posture.facts.observed import Told


class Security(StrEnum):
    """What protects a wireless network, by its AKM suites; the weakest accepted one counts."""

    OPEN = "open"
    OWE = "owe"
    WEP = "wep"
    WPA_TKIP = "wpa-tkip"
    WPA2_PSK = "wpa2-psk"
    WPA2_WPA3_MIXED = "wpa2-wpa3-mixed"
    SAE = "sae"
    ENTERPRISE = "802.1x"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wireless:
    """The Wi-Fi network in use; `ssid` is raw bytes, for an SSID promises no encoding.

    `security` is the weakest that the access point accepts, `negotiated` what is in use by a second source,
    None where there is none. `management` tells whether management frames are protected (PMF). `pinned`
    are the names that the 802.1X server's certificate must carry, under an authority that is pinned too.
    """

    interface: str
    ssid: bytes
    bssid: str
    security: Security
    hidden: bool = False
    negotiated: Security | None = None
    management: Told = Told.UNTOLD
    pinned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Links:
    """How the machine reaches the network now; no wireless entry means that Wi-Fi is not in use.

    `tethered` are phones by cable or Bluetooth, `mobile` modems of our own, `other` what is none of these.
    """

    wireless: tuple[Wireless, ...]
    wired: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    tethered: tuple[str, ...] = ()
    mobile: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessPoint:
    """One access point and the weakest protection that it accepts."""

    ssid: bytes
    bssid: str
    security: Security


@dataclass(frozen=True, slots=True)
class Air:
    """What is in range, and what was joined lately: each access point once for each of its protections."""

    in_range: tuple[AccessPoint, ...]
    joined: tuple[AccessPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedNetwork:
    """A stored network; `by_itself` tells whether it is joined without being asked for."""

    ssid: bytes
    security: Security
    by_itself: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """The stored wireless networks of this machine."""

    networks: tuple[SavedNetwork, ...]
