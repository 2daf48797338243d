"""From a policy to its checks, and from facts to a verdict.

It looks at nothing itself: whose programs to look at and which to hash is only told to the one who does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.posture.checks.apps import Forbidden, ListedFile, Mark, Unapproved
from agent.posture.checks.autojoin import AutoJoin
from agent.posture.checks.firewall import TurnsAway
from agent.posture.checks.twin import Twin
from agent.posture.checks.wifi import Registered
from agent.posture.facts import Facts
from agent.posture.moment import Moment
from agent.posture.policy.device import device_checks
from agent.posture.policy.model import HelpDesk, Policy
from agent.posture.policy.network import hostile, turnaround
from agent.posture.policy.rules import DEFAULT_RULES, CheckId
from agent.posture.policy.schedule import spared
from agent.posture.policy.values import UidOf
from agent.posture.policy.wifi import trust
from agent.posture.verdict import Check, Fact, Response, Verdict, weigh
from agent.words import Words


@dataclass(frozen=True, slots=True)
class Context:
    """What a judgement takes into account besides the policy and the facts.

    `network_key` keys the pseudonyms of wireless networks in the evidence: random, this device's own.
    `failing_since` tells since when (seconds since 1970) a check has found what refuses; a check that it
    does not name finds it now for the first time. `own` are the wireless networks that people registered here.
    """

    moment: Moment
    network_key: bytes = field(repr=False)
    failing_since: Mapping[str, float] = field(default_factory=dict)
    own: tuple[Registered, ...] = ()


def judge(policy: Policy, facts: Facts, context: Context) -> Verdict:
    """Judge what was seen."""
    now, hours, since = context.moment, policy.office_hours, context.failing_since
    ruled = [(check, policy.rule(name)) for name, check in _checks(policy, context)]
    rules = {check.check: rule for check, rule in ruled}
    findings = weigh(ruled, facts, now.boot).findings
    spare = (spared(one, rules[one.check], since.get(one.check, now.wall), hours, now) for one in findings)
    return Verdict(tuple(spare), now.boot)


def rests_on(policy: Policy, facts: Facts, context: Context) -> Mapping[str, Fact]:
    """Give the fact that each check judges, by the check's code."""
    return {check.check: check.needs(facts) for _, check in _checks(policy, context)}


def judged_uids(policy: Policy, asking: int | None, uid_of: UidOf) -> frozenset[int]:
    """Tell whose programs are to be looked at: the policy's users that exist, else the one who asks, if anybody."""
    return policy.apps.users.uids(uid_of) or frozenset(() if asking is None else (asking,))


def hashes_all(policy: Policy) -> bool:
    """Tell whether programs that a package owns must be hashed too, because some rule goes by content."""
    by_content = bool(policy.apps.approved.sha256 or policy.apps.approved.files)
    return (by_content and policy.apps.approved.packages is not None) or any(
        forbidden.sha256 for forbidden in policy.apps.forbidden
    )


def oldest_lists(policy: Policy) -> float | None:
    """Tell how old, in seconds, the lists may be that tell where packages come from; None where no rule asks."""
    approved = policy.apps.approved
    return approved.lists if approved.asks_for_origins else None


def looks_at_programs(policy: Policy) -> bool:
    """Tell whether any check in force needs the programs at all."""
    rules = (policy.rule("apps.unapproved"), policy.rule("apps.forbidden"))
    return any({rule.fail, rule.unknown} != {Response.OFF} for rule in rules)


def _checks(policy: Policy, context: Context) -> tuple[tuple[CheckId, Check], ...]:
    help_desk, key = _called(policy.help_desk), context.network_key
    checks: tuple[tuple[CheckId, Check], ...] = (
        ("apps.unapproved", _unapproved(policy, help_desk)),
        ("apps.forbidden", _forbidden(policy, help_desk)),
        ("wifi.trust", trust(policy.wifi, help_desk, key, context.own, context.moment)),
        ("wifi.autojoin", AutoJoin(help_desk, key)),
        ("wifi.twin", Twin(help_desk, key)),
        ("network.hostile", hostile(policy.network, policy.sites.values(), help_desk)),
        ("network.turnaround", turnaround(policy.network, help_desk)),
        ("device.firewall", TurnsAway(help_desk)),
        *device_checks(policy.device, policy.apps.antimalware, help_desk, context.moment),
    )
    return tuple(sorted(checks, key=lambda named: ORDER.index(named[0])))


def _called(help_desk: HelpDesk) -> Words:
    return Words(f"{help_desk.en} ({help_desk.phone})", f"{help_desk.ja}({help_desk.phone})")


def _unapproved(policy: Policy, help_desk: Words) -> Unapproved:
    approved = policy.apps.approved
    return Unapproved(
        help_desk=help_desk,
        packages=approved.packages,
        known_origin=approved.asks_for_origins,
        sources=frozenset(approved.sources),
        files=tuple(ListedFile(file.path, frozenset(file.sha256)) for file in approved.files),
        sha256=frozenset(approved.sha256),
        paths=approved.paths,
    )


def _forbidden(policy: Policy, help_desk: Words) -> Forbidden:
    marks = (Mark(one.title, one.name, one.package, one.path, one.sha256) for one in policy.apps.forbidden)
    return Forbidden(help_desk, tuple(marks))


ORDER = tuple(DEFAULT_RULES)
