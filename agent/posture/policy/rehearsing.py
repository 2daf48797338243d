"""A new policy tried on stored reports: whom would it refuse, when, and what do the reports not tell?

What each check answered is the reports'; what follows from it is the new policy's. A list of programs or
networks that the new policy changes is not tried: for that the facts would be needed, and reports hold none.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.events import Outcome, Response
from agent.posture.policy.model import Policy
from agent.posture.policy.rules import DEFAULT_RULES
from agent.posture.verdict import Rule


@dataclass(frozen=True, slots=True)
class Stored:
    """What one device reported at `at` (seconds since 1970), where local time was `ahead` of UTC by so many seconds.

    `allowed` tells whether its policy of then let it through; `lost` that nobody could look.
    """

    device: str
    at: float
    ahead: float
    answers: Mapping[str, Outcome]
    allowed: bool
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What would be done about one report; the tuples hold codes of checks.

    `later` would refuse after their grace, `shadow` would but are only recorded, and `missing` are judged by the
    new policy although the report does not tell of them.
    """

    stored: Stored
    in_office_hours: bool
    refused: tuple[str, ...]
    later: tuple[str, ...]
    shadow: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def refuses(self) -> bool:
        """Whether the device would have been refused at once."""
        return bool(self.refused) or self.stored.lost


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """All reports, tried; a device may have told several."""

    tried: tuple[Tried, ...]

    @property
    def refused(self) -> frozenset[str]:
        """Devices that would have been refused at least once."""
        return self.devices(lambda one: one.refuses)

    @property
    def newly(self) -> frozenset[str]:
        """Those of them that their policy of then let through."""
        return self.devices(lambda one: one.refuses and one.stored.allowed)

    @property
    def outside_hours(self) -> frozenset[str]:
        """Those of them that would have been refused when nobody answers the help desk's phone."""
        return self.devices(lambda one: one.refuses and not one.in_office_hours)

    def devices(self, chosen: Callable[[Tried], bool] = lambda _: True) -> frozenset[str]:
        """Give the devices of the chosen reports."""
        return frozenset(one.stored.device for one in self.tried if chosen(one))

    def by_check(self, part: Callable[[Tried], tuple[str, ...]]) -> Mapping[str, int]:
        """Count the devices for each check of one part, in the order in which checks are judged."""
        found = {(check, one.stored.device) for one in self.tried for check in part(one)}
        counts = Counter(check for check, _ in found)
        return {check: counts[check] for check in DEFAULT_RULES if counts[check]}


def rehearse(policy: Policy, reports: Sequence[Stored]) -> Rehearsal:
    """Try a policy on reports."""
    return Rehearsal(tuple(_try(policy, stored) for stored in reports))


def _try(policy: Policy, stored: Stored) -> Tried:
    rules = policy.rules
    against = {check: rule for check, rule in rules.items() if _refuses(rule, stored.answers.get(check))}
    judged = (check for check, rule in rules.items() if {rule.fail, rule.unknown} != {Response.OFF})
    return Tried(
        stored,
        policy.office_hours.first(stored.at, stored.ahead) <= stored.at,
        refused=tuple(check for check, rule in against.items() if not rule.shadow and not rule.grace),
        later=tuple(check for check, rule in against.items() if not rule.shadow and rule.grace),
        shadow=tuple(check for check, rule in against.items() if rule.shadow),
        missing=tuple(check for check in judged if check not in stored.answers),
    )


def _refuses(rule: Rule, outcome: Outcome | None) -> bool:
    return outcome is not None and rule.response(outcome) is Response.REFUSE
