"""Whether the machine stands on a site's own network, by the policy's proofs; it asks nobody."""

from agent.posture.facts import Facts, Security, Told, Unseen
from agent.posture.policy.sites import Site


def is_inside(name: str, site: Site, facts: Facts, now: float) -> bool:
    """Tell whether a proof of place is there and fresh; `now` is seconds of the boot clock.

    What could not be seen proves nothing: then the tunnel is opened, which is never wrong.
    """
    return site.inside is not None and (_saw_beacon(name, facts, now) or _joined(site.inside.managed_wifi, facts, now))


def _saw_beacon(name: str, facts: Facts, now: float) -> bool:
    places = facts.places
    if isinstance(places, Unseen) or abs(now - places.at) > OLDEST:
        return False
    return any(place.site == name and place.inside is Told.YES for place in places.value.places)


def _joined(servers: tuple[str, ...], facts: Facts, now: float) -> bool:
    """Tell whether a Wi-Fi is in use whose 802.1X server was pinned to one of these names."""
    links = facts.links
    if isinstance(links, Unseen) or abs(now - links.at) > OLDEST:
        return False
    proven = (one for one in links.value.wireless if one.security is Security.ENTERPRISE)
    return any(
        wireless.negotiated in (None, Security.ENTERPRISE) and not set(servers).isdisjoint(wireless.pinned)
        for wireless in proven
    )


# Our choices, in seconds: more than twice the time after which a beacon is asked again.
OLDEST = 150.0
