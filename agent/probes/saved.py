"""Which wireless networks are stored, and what an 802.1X server must prove, by NetworkManager's settings.

Secrets are never asked for: NetworkManager leaves them out of what is read here.
"""

import asyncio
from collections.abc import Mapping

from agent.posture.facts import Saved, SavedNetwork, Security
from agent.probes.bus import Bus, Properties

Settings = Mapping[str, Properties]


async def read_saved(bus: Bus) -> Saved:
    """List the stored wireless networks; raise `BusError` for any answer that is not as it should be."""
    known = await bus.properties(NAME, SETTINGS, f"{NAME}.Settings")
    paths = known.paths("Connections", MOST_CONNECTIONS)
    stored = await asyncio.gather(*(_read_connection(bus, path) for path in paths))
    return Saved(tuple(network for network in stored if network is not None))


def pinned_names(settings: Settings) -> tuple[str, ...]:
    """Give the names of which an 802.1X server must prove one under a pinned authority; empty without such a pin.

    A text that need only be part of the certificate's subject (`subject-match`) pins nothing, nor does anything
    where the server may choose a method without a certificate.
    """
    security = settings.get("802-1x")
    if security is None or not security.octets("ca-cert", LONGEST_CERTIFICATE, b""):
        return ()
    methods = set(security.list_of_texts("eap", MOST_NAMES, LONGEST_WORD))
    if not methods or methods - BY_CERTIFICATE:
        return ()
    if security.flag("system-ca-certs", absent=False):
        return ()
    for key in ("domain-match", "domain-suffix-match"):
        if names := security.text(key, LONGEST_NAMES, ""):
            return _names(names.split(";"))
    names_of_any_kind = security.list_of_texts("altsubject-matches", MOST_NAMES, LONGEST_NAMES)
    return _names([name.removeprefix("DNS:") for name in names_of_any_kind])


async def _read_connection(bus: Bus, path: str) -> SavedNetwork | None:
    return _network(await bus.sections(NAME, path, f"{NAME}.Settings.Connection", "GetSettings"))


def _network(settings: Settings) -> SavedNetwork | None:
    """Read one stored connection; None where it is no Wi-Fi, or one that this machine offers to others."""
    connection, radio = settings.get("connection"), settings.get("802-11-wireless")
    if connection is None or radio is None or radio.text("mode", LONGEST_WORD, "") == "ap":
        return None
    ssid = radio.octets("ssid", LONGEST_SSID)
    return SavedNetwork(ssid, _security(settings), connection.flag("autoconnect", absent=True))


def _security(settings: Settings) -> Security:
    security = settings.get("802-11-wireless-security")
    if security is None:
        return Security.OPEN
    return BY_KEY_MANAGEMENT.get(security.text("key-mgmt", LONGEST_WORD, ""), Security.UNKNOWN)


def _names(names: list[str]) -> tuple[str, ...]:
    """Put the names into one form; too many pin nothing, for one that is left out could be anybody's."""
    given = [name.strip().lower() for name in names if name.strip()]
    return tuple(given) if len(given) <= MOST_NAMES else ()


# Fixed by NetworkManager.
NAME = "org.freedesktop.NetworkManager"
SETTINGS = "/org/freedesktop/NetworkManager/Settings"
LONGEST_SSID = 32
BY_CERTIFICATE = frozenset({"tls", "ttls", "peap"})
BY_KEY_MANAGEMENT: Mapping[str, Security] = {
    "none": Security.WEP,
    "ieee8021x": Security.WEP,
    "owe": Security.OWE,
    "wpa-psk": Security.WPA2_PSK,
    "sae": Security.SAE,
    "wpa-eap": Security.ENTERPRISE,
    "wpa-eap-suite-b-192": Security.ENTERPRISE,
}

# Our choices.
MOST_CONNECTIONS = 512
MOST_NAMES = 16
LONGEST_NAMES = 1024
LONGEST_CERTIFICATE = 1 << 20
LONGEST_WORD = 64
