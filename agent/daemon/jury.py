"""Applies the policy in force to what was seen, for one user; the rules are the policy's."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Never, cast

from agent.daemon.failures import Failures
from agent.daemon.registrations import Registrations
from agent.daemon.roll import ask_name_service
from agent.posture.checks.wifi import Registered
from agent.posture.facts import Facts, Unseen
from agent.posture.moment import Moment
from agent.posture.policy import (
    Context,
    Policy,
    hashes_all,
    judge,
    judged_uids,
    looks_at_programs,
    oldest_lists,
    rests_on,
)
from agent.posture.policy.foreseeing import Foreseen, foresee
from agent.posture.policy.rules import CheckId
from agent.posture.policy.schedule import failing_since
from agent.posture.policy.values import UidOf
from agent.posture.verdict import Fact, Response, Verdict
from agent.probes.client import Scope
from agent.probes.codec import FACTS, LONGEST_REQUEST, MOST_LISTED, Asked, FactName, encode_scope
from agent.problems import Problem
from ike.config import Instant


@dataclass(frozen=True, slots=True)
class Jury:
    """The policy, the key that turns network names into pseudonyms, and who tells the number of a named user.

    `failures` remembers since when each check fails, `registrations` which networks are people's own; `warnings`
    tells what people must know of the policy itself.
    """

    policy: Policy
    network_key: bytes = field(repr=False)
    uid_of: UidOf = ask_name_service
    failures: Failures = field(default_factory=Failures)
    warnings: Callable[[], tuple[Problem, ...]] = tuple
    registrations: Registrations = field(default_factory=Registrations)

    def may_ask(self, uid: int) -> bool:
        """Tell whether a user may control Sekisho; root always may."""
        return uid == 0 or self.policy.control.users.include(uid, self.uid_of)

    def scope(self, uid: int | None = None) -> Scope:
        """Say whose programs to look at, and which to hash, when this user asks, or while nobody does.

        Where no check needs them, none are looked at.
        """
        apps = self.policy.apps
        patterns = [file.path for file in apps.approved.files]
        patterns += [forbidden.path for forbidden in apps.forbidden if forbidden.path is not None]
        scope = Scope(
            uids=judged_uids(self.policy, uid, self.uid_of),
            hash="all" if hashes_all(self.policy) else "unowned",
            origins=oldest_lists(self.policy),
            listed=tuple(pattern.text for pattern in patterns),
            facts=frozenset({"programs"}) if looks_at_programs(self.policy) else frozenset(),
            scanners=tuple(Asked(one.title, one.unit, one.database) for one in apps.antimalware.scanners),
        )
        return scope if _fits(scope) else replace(scope, hash="all", listed=())

    def judge(self, facts: Facts, now: Instant) -> Verdict:
        """Judge what was seen, and remember what fails: a grace begins, or ends with a pass."""
        verdict = self.preview(facts, now)
        self.failures.keep(failing_since(self.policy.rules, verdict.findings, self.failures.since, now.wall))
        return verdict

    def preview(self, facts: Facts, now: Instant) -> Verdict:
        """Judge what was seen, for a report only: nothing begins and nothing ends by it."""
        self.failures.follow(now)
        return judge(self.policy, facts, self._context(now))

    def foresee(self, facts: Facts, now: Instant, horizon: float) -> tuple[Foreseen, ...]:
        """Tell what refuses now and what will within `horizon` seconds; nothing begins and nothing ends by it."""
        self.failures.follow(now)
        return foresee(self.policy, facts, self._context(now), horizon)

    def rests_on(self, facts: Facts, now: Instant) -> Mapping[str, Fact]:
        """Give the fact that each check judges, by the check's code."""
        return rests_on(self.policy, facts, self._context(now))

    def _context(self, now: Instant) -> Context:
        ahead = time.localtime(now.wall).tm_gmtoff
        moment = Moment(now.boot, now.wall, ahead)
        own = tuple(Registered(one.ssid, one.title, one.at_least, one.since) for one in self.registrations.all)
        return Context(moment, self.network_key, self.failures.since, own)

    @property
    def look_every(self) -> float:
        """How often to look again, in seconds, at what may change unheard: before any of it is too old to count."""
        return min([LONGEST, *(age / 2 for name, age in self._oldest().items() if name not in OWN_TIME)])

    @property
    def ages(self) -> Mapping[FactName, float]:
        """How old each fact of the laptop itself may be, in seconds; only those that a check in force needs."""
        oldest = self._oldest()
        return {name: oldest[name] for name in OWN_TIME if name in oldest}

    def _oldest(self) -> dict[str, float]:
        """Find which fact each check in force needs, by showing it facts that tell nothing but their names."""
        told = rests_on(self.policy, NAMED, self._context(Instant(0.0, 0.0)))
        oldest: dict[str, float] = {}
        for code, fact in told.items():
            rule = self.policy.rule(cast(CheckId, code))
            if isinstance(fact, Unseen) and {rule.fail, rule.unknown} != {Response.OFF}:
                oldest[fact.why] = min(rule.max_age, oldest.get(fact.why, rule.max_age))
        return oldest


def named_users(policy: Policy) -> frozenset[str]:
    """List the names of users in a policy, whose numbers somebody must tell."""
    urgent = () if policy.emergency is None or policy.emergency.users is None else policy.emergency.users.names
    named = (*policy.control.users.names, *policy.apps.users.names, *urgent)
    return frozenset(name for name in named if isinstance(name, str))


def _fits(scope: Scope) -> bool:
    """Tell whether so many places can be said to the helper; otherwise every program is hashed."""
    return len(scope.listed) <= MOST_LISTED and len(encode_scope(scope)) <= LONGEST_REQUEST


OWN_TIME: tuple[FactName, ...] = tuple(name for name in FACTS if name != "programs")
NAMED = Facts(**cast(Mapping[str, Never], {each.name: Unseen(each.name, 0.0) for each in fields(Facts)}))

# Our choices, in seconds.
LONGEST = 60.0
