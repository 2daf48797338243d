"""What several sources say of the same radios, put together. Pure.

The first source names the networks in use; the others add what it cannot tell, for the same access point only.
"""

from collections.abc import Iterable
from dataclasses import replace

from agent.posture.facts import Links, Security, Told, Wireless
from agent.probes.nl80211 import Radios


def with_seconds(links: Links, radios: Radios | None, supplicant: Iterable[Wireless]) -> Links:
    """Add to each network what the kernel and the supplicant say of it; None where the kernel was not asked."""
    known = radios or Radios()
    named = [one for network in links.wireless for one in _resolved(network, known)]
    missed = [one for one in known.joined if one.interface not in {network.interface for network in links.wireless}]
    spoken = list(supplicant)
    return replace(links, wireless=tuple(_filled(one, spoken, known.joined) for one in (*named, *missed)))


def _resolved(network: Wireless, radios: Radios) -> list[Wireless]:
    """Let the kernel say which access point a radio has joined, where the first source tells another or none."""
    joined = [one for one in radios.joined if one.interface == network.interface]
    if network.bssid in {one.bssid for one in joined}:
        return [network]
    if not joined:
        return [] if not network.bssid and network.interface in radios.idle else [network]
    return [replace(one, pinned=network.pinned) if one.ssid == network.ssid else one for one in joined]


def _filled(network: Wireless, spoken: Iterable[Wireless], kernel: Iterable[Wireless]) -> Wireless:
    same = [_same(network, source) for source in (spoken, kernel)]
    negotiated = [one.negotiated for one in same if one is not None and one.negotiated is not None]
    management = [one.management for one in reversed(same) if one is not None and one.management is not Told.UNTOLD]
    security = [one.security for one in same if one is not None and one.security is not Security.UNKNOWN]
    return replace(
        network,
        security=security[0] if security and network.security is Security.UNKNOWN else network.security,
        negotiated=negotiated[0] if negotiated else None,
        management=management[0] if management else Told.UNTOLD,
    )


def _same(network: Wireless, source: Iterable[Wireless]) -> Wireless | None:
    key = network.interface, network.bssid
    return next((one for one in source if (one.interface, one.bssid) == key), None)
