"""Whether the machine stands on a site's own network, by the policy's proofs; it asks nobody."""

from agent.posture.checks.networks import in_effect
from agent.posture.checks.wifi import Managed
from agent.posture.facts import Facts, Security, Told, Unseen
from agent.posture.policy.sites import Site


def is_inside(name: str, site: Site, facts: Facts, now: float) -> bool:
    """Tell whether a proof of place is there and fresh; `now` is seconds of the boot clock.

    What could not be seen proves nothing: then the tunnel is opened, which is never wrong.
    """
    if site.inside is None:
        return False
    return _saw_beacon(name, facts, now) or _joined(Managed(site.inside.managed_wifi), facts, now)


def _saw_beacon(name: str, facts: Facts, now: float) -> bool:
    places = facts.places
    if isinstance(places, Unseen) or abs(now - places.at) > OLDEST:
        return False
    return any(place.site == name and place.inside is Told.YES for place in places.value.places)


def _joined(managed: Managed, facts: Facts, now: float) -> bool:
    """Tell whether a Wi-Fi is in use that only the hospital's own 802.1X servers can offer."""
    links = facts.links
    if isinstance(links, Unseen) or abs(now - links.at) > OLDEST:
        return False
    return any(in_effect(one) is Security.ENTERPRISE and managed.proven_by(one) for one in links.value.wireless)


# Our choices, in seconds: more than twice the time after which a beacon is asked again.
OLDEST = 150.0
