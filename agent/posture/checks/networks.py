"""How wireless networks are sorted by what protects them, and how a sentence names one.

It knows no policy, and a name never makes a network better than its protection.
"""

from collections.abc import Mapping

from agent.posture.facts import Security, Wireless
from agent.words import Words, quote


def in_effect(network: Wireless) -> Security:
    """Give the protection that counts: what was negotiated where that is weaker than what is offered."""
    if network.negotiated is None or Security.UNKNOWN in (network.security, network.negotiated):
        return network.security
    return min(network.security, network.negotiated, key=WEAKEST_FIRST.index)


def is_weaker(one: Security, other: Security) -> bool:
    """Tell whether one protection is weaker than another; what is unknown is never weaker."""
    if Security.UNKNOWN in (one, other):
        return False
    return WEAKEST_FIRST.index(one) < WEAKEST_FIRST.index(other)


def is_lesser_kind(one: Security, other: Security) -> bool:
    """Tell whether a network is of a lesser kind: anybody may join, all who know a password, each by himself.

    Networks with a password are one kind, whatever their age: the bands of one router often differ.
    """
    if Security.UNKNOWN in (one, other):
        return False
    return KINDS[one] < KINDS[other]


def named(ssid: bytes) -> Words:
    """Name a network at the start of a sentence."""
    if not ssid.strip(b"\0"):
        return Words("The Wi-Fi without a name", "名前のないWi-Fi")
    name = readable(ssid)
    return Words(f"The Wi-Fi '{name}'", f"Wi-Fi「{name}」")


def readable(ssid: bytes) -> str:
    """Write a network's name so that it is harmless to print."""
    return quote(ssid.decode("utf-8", "backslashreplace"))


# Our choices.
WEAKEST_FIRST = (
    Security.OPEN,
    Security.OWE,
    Security.WEP,
    Security.WPA_TKIP,
    Security.WPA2_PSK,
    Security.WPA2_WPA3_MIXED,
    Security.SAE,
    Security.ENTERPRISE,
)
ANYBODY, WITH_PASSWORD, EACH_BY_HIMSELF = range(3)
KINDS: Mapping[Security, int] = {
    Security.OPEN: ANYBODY,
    Security.OWE: ANYBODY,
    Security.WEP: ANYBODY,
    Security.WPA_TKIP: WITH_PASSWORD,
    Security.WPA2_PSK: WITH_PASSWORD,
    Security.WPA2_WPA3_MIXED: WITH_PASSWORD,
    Security.SAE: WITH_PASSWORD,
    Security.ENTERPRISE: EACH_BY_HIMSELF,
}
WITHOUT_PASSWORD = frozenset({Security.OPEN, Security.OWE})
BROKEN = frozenset({Security.WEP, Security.WPA_TKIP})
