"""What NetworkManager's three flag words say about the protection of an access point. Pure.

They tell what the access point offers, not what was negotiated: the weakest that it accepts counts,
and protected management frames (PMF) cannot be seen here.
"""

from enum import IntFlag

from agent.posture.facts import Security


class Flag(IntFlag):
    """Bits of WpaFlags and RsnFlags (NM80211ApSecurityFlags)."""

    PAIR_WEP40 = 0x1
    PAIR_WEP104 = 0x2
    PAIR_TKIP = 0x4
    PAIR_CCMP = 0x8
    GROUP_WEP40 = 0x10
    GROUP_WEP104 = 0x20
    GROUP_TKIP = 0x40
    GROUP_CCMP = 0x80
    PSK = 0x100
    EAP = 0x200
    SAE = 0x400
    OWE = 0x800
    OWE_TRANSITION = 0x1000
    EAP_SUITE_B_192 = 0x2000


def read_security(flags: int, wpa: int, rsn: int) -> Security:
    """Name the weakest protection that an access point accepts, from its Flags, WpaFlags and RsnFlags."""
    if wpa == rsn == 0:
        return Security.WEP if flags & PRIVACY else Security.OPEN
    if (wpa | rsn) & Flag.OWE_TRANSITION:
        return Security.OPEN
    if (wpa | rsn) & ANY_WEP:
        return Security.WEP
    if wpa or rsn & ANY_TKIP:
        return Security.WPA_TKIP
    return next((security for bits, security in BY_AKM if rsn & bits == bits), Security.UNKNOWN)


# Fixed by NetworkManager.
PRIVACY = 0x1
ANY_WEP = Flag.PAIR_WEP40 | Flag.PAIR_WEP104 | Flag.GROUP_WEP40 | Flag.GROUP_WEP104
ANY_TKIP = Flag.PAIR_TKIP | Flag.GROUP_TKIP

# Our choice: weakest first, so the first that fits is the one that counts.
BY_AKM = (
    (Flag.OWE, Security.OWE),
    (Flag.PSK | Flag.SAE, Security.WPA2_WPA3_MIXED),
    (Flag.PSK, Security.WPA2_PSK),
    (Flag.SAE, Security.SAE),
    (Flag.EAP, Security.ENTERPRISE),
    (Flag.EAP_SUITE_B_192, Security.ENTERPRISE),
)
