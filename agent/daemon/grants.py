"""What the policy grants besides a full tunnel, in the gate's own words: it neither judges nor opens anything."""

from agent.events import Reach
from agent.gate import Plea, Terms
from agent.posture.policy import Policy, Site
from agent.posture.policy.sites import narrowed
from agent.posture.policy.values import UidOf
from agent.problems import Problem, problem


def terms(site: Site) -> Terms:
    """Say what a site grants to whoever is refused or cut."""
    if site.service is None:
        return Terms(comes_back=site.comes_back)
    return Terms(site.service.minutes * MINUTE, site.service.policy_url, site.comes_back)


def plead(policy: Policy, site: Site, reason: str, uid: int, uid_of: UidOf) -> Plea | Problem:
    """Say what an emergency of this user passes over; the problem says why there is none to be had."""
    emergency = policy.emergency
    if emergency is None or not emergency.reached(site):
        return problem("emergency.off")
    if uid != 0 and emergency.users is not None and not emergency.users.include(uid, uid_of):
        return problem("emergency.denied")
    if reason not in emergency.reasons:
        return problem("emergency.reason", reason)
    return Plea(reason, emergency.minutes * MINUTE, frozenset(emergency.overridable))


def reached(policy: Policy, name: str, reach: Reach) -> Site:
    """Give a site with no more behind it than a tunnel of this reach shall carry."""
    site = policy.sites[name]
    match reach:
        case Reach.SERVICE if site.service is not None:
            return narrowed(site, site.service.networks)
        case Reach.EMERGENCY if policy.emergency is not None:
            return narrowed(site, policy.emergency.reached(site))
        case Reach.FULL:
            return site
    raise ValueError(f"the policy grants no {reach} tunnel to {name}")


# Fixed by the clock, in seconds.
MINUTE = 60.0
