"""Applies the policy in force to what was seen, for one user; the rules are the policy's."""

import pwd
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent.posture.facts import Facts
from agent.posture.moment import Moment
from agent.posture.policy import Context, Policy, hashes_all, judge, judged_uids, rests_on
from agent.posture.policy.rules import DEFAULT_RULES
from agent.posture.verdict import Fact, Verdict
from agent.probes.client import Scope
from agent.probes.codec import LONGEST_REQUEST, MOST_LISTED, encode_scope
from ike.config import Instant


@dataclass(frozen=True, slots=True)
class Jury:
    """The policy, and the key that turns network names into pseudonyms."""

    policy: Policy
    network_key: bytes = field(repr=False)

    def may_ask(self, uid: int) -> bool:
        """Tell whether a user may control Sekisho; root always may."""
        return uid == 0 or self.policy.control.users.include(uid, uid_of)

    def scope(self, uid: int) -> Scope:
        """Say whose programs to look at, and which to hash."""
        apps = self.policy.apps
        patterns = [file.path for file in apps.approved.files]
        patterns += [forbidden.path for forbidden in apps.forbidden if forbidden.path is not None]
        scope = Scope(
            uids=judged_uids(self.policy, uid, uid_of),
            hash="all" if hashes_all(self.policy) else "unowned",
            listed=tuple(pattern.text for pattern in patterns),
        )
        return scope if _fits(scope) else replace(scope, hash="all", listed=())

    def judge(self, facts: Facts, now: Instant) -> Verdict:
        """Judge what was seen."""
        return judge(self.policy, facts, self._context(now))

    def rests_on(self, facts: Facts, now: Instant) -> Mapping[str, Fact]:
        """Give the fact that each check judges, by the check's code."""
        return rests_on(self.policy, facts, self._context(now))

    def _context(self, now: Instant) -> Context:
        ahead = time.localtime(now.wall).tm_gmtoff
        return Context(Moment(now.boot, now.wall, ahead), self.network_key)

    @property
    def look_every(self) -> float:
        """How often to look again, in seconds: before any fact gets too old to count."""
        return min(LONGEST, *(self.policy.rule(check).max_age / 2 for check in DEFAULT_RULES))


def _fits(scope: Scope) -> bool:
    """Tell whether so many places can be said to the helper; otherwise every program is hashed."""
    return len(scope.listed) <= MOST_LISTED and len(encode_scope(scope)) <= LONGEST_REQUEST


def uid_of(name: str) -> int | None:
    """Find a user of this machine; None for a name nobody has."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


# Our choices, in seconds.
LONGEST = 60.0
