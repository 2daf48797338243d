"""Whether the machine stands on a hospital's own network, as a beacon there proved."""

from dataclasses import dataclass

from agent.posture.facts.observed import Told


@dataclass(frozen=True, slots=True)
class Place:
    """What a site's beacon said: YES when the very certificate that the policy names answered.

    `by` names the interface through which it did; UNTOLD where nobody could be asked.
    """

    site: str
    inside: Told
    by: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """The places whose beacons were asked, one for each site that has one."""

    places: tuple[Place, ...]
