"""How the gate stands, as people are told: the state, its reasons, what is open and how long it lasts.

It changes nothing and asks the gate for nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from agent import gate
from agent.control.messages import Choice, Offer, Reason, Refused, StateName, Status, Tunnel
from agent.control.server import reason
from agent.daemon.checkpoint import Checkpoint
from agent.daemon.grants import MINUTE
from agent.daemon.passage import Carried
from agent.daemon.readiness import Outlook, warnings
from agent.events import Outcome, Response
from agent.posture.policy import Policy
from agent.posture.verdict import Finding
from agent.problems import Problem
from agent.words import Words


def status(checkpoint: Checkpoint, outlook: Outlook | None) -> Status:
    """Tell the state; what the outlook says will refuse stands among the warnings unless it is told anyway."""
    policy, state, carried = checkpoint.jury.policy, checkpoint.state, checkpoint.carried
    now, standing = checkpoint.instant(), tuple(map(_reason, reasons(state)))
    warned = tuple(map(_reason, checkpoint.jury.warnings())) + tuple(map(_reason, _warnings(state)))
    told = {one.code for one in (*standing, *warned)}
    return Status(
        state=STATES[type(state)],
        site=_site(state),
        sites=tuple(policy.sites),
        language=policy.language,
        policy_serial=policy.serial,
        warnings=warned + tuple(one for one in warnings(outlook, policy.serial, now.wall) if one.code not in told),
        reasons=standing,
        tunnel=None if carried is None else _tunnel(checkpoint, carried),
        cut_in=_left(_cut_at(state), now.boot),
        ends_in=_left(_ends_at(state), now.boot),
        comes_back_in=_left(_comes_back_until(state), now.boot),
        emergency=_offer(policy),
    )


def why(checkpoint: Checkpoint, outlook: Outlook | None) -> Status:
    """Tell what stands in the way now; if nothing does, what did the last time."""
    told = status(checkpoint, outlook)
    return told if told.reasons else replace(told, reasons=tuple(map(_reason, checkpoint.last_reasons)))


def reasons(state: gate.State) -> tuple[gate.Reason, ...]:
    """Give what stands in the way."""
    match state:
        case gate.Refused(reasons=standing) | gate.Service(reasons=standing) | gate.Closing(reasons=standing):
            return standing
        case gate.Open(verdict=verdict) | gate.Emergency(verdict=verdict):
            return verdict.refusals
        case _:
            return ()


def refused(state: gate.Refused | gate.Service, policy: Policy) -> Refused:
    """Tell why a request was refused, and whether an emergency would pass over all of it."""
    told = tuple(map(_reason, state.reasons))
    posture = any(isinstance(one, Finding) for one in state.reasons)
    return Refused("posture" if posture else "problem", told, _is_overridable(told, policy, state.wish.site))


def differ(before: Status, after: Status) -> bool:
    """Tell whether anything but the counters and the seconds that are left changed."""
    return _essence(before) != _essence(after)


def _is_overridable(told: tuple[Reason, ...], policy: Policy, name: str) -> bool:
    emergency, site = policy.emergency, policy.sites.get(name)
    if emergency is None or site is None or not emergency.reached(site):
        return False
    return {one.code for one in told} <= set(emergency.overridable)


def _essence(status: Status) -> tuple[object, ...]:
    left = status.cut_in, status.ends_in, status.comes_back_in
    return status.state, status.site, status.reasons, status.warnings, *(seconds is None for seconds in left)


def _warnings(state: gate.State) -> tuple[Finding, ...]:
    judged = gate.Inside | gate.Opening | gate.Open | gate.Emergency
    return state.verdict.warnings if isinstance(state, judged) else ()


def _cut_at(state: gate.State) -> float | None:
    return state.cut_at if isinstance(state, gate.Open | gate.Emergency) else None


def _ends_at(state: gate.State) -> float | None:
    return state.until if isinstance(state, gate.Service | gate.Emergency) else None


def _comes_back_until(state: gate.State) -> float | None:
    return state.wish.back if isinstance(state, gate.Refused | gate.Service | gate.Closing) else None


def _left(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, at - now)


def _offer(policy: Policy) -> Offer | None:
    emergency = policy.emergency
    if emergency is None:
        return None
    return Offer(
        reasons=tuple(Choice(code, Words(said.en, said.ja)) for code, said in emergency.reasons.items()),
        overridable=tuple(emergency.overridable),
        seconds=emergency.minutes * MINUTE,
        networks=tuple(map(str, emergency.networks)),
    )


def _tunnel(checkpoint: Checkpoint, carried: Carried) -> Tunnel:
    bytes_in, bytes_out = checkpoint.traffic()
    return Tunnel(
        interface=carried.interface,
        addresses=tuple(str(address.ip) for address in carried.addresses),
        gateway=carried.gateway,
        local_identity=carried.local_identity,
        remote_identity=carried.remote_identity,
        ike_suite=carried.summary.ike_suite,
        esp_suite=carried.summary.esp_suite,
        networks=tuple(map(str, carried.networks)),
        handshake_ms=carried.summary.handshake_ms,
        seconds=checkpoint.now() - carried.since,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )


def _reason(told: gate.Reason) -> Reason:
    if isinstance(told, Problem):
        return reason(told)
    outcome: Literal["fail", "unknown", "warn"] = "fail" if told.outcome is Outcome.FAIL else "unknown"
    return Reason(told.check, "warn" if told.rule is Response.WARN else outcome, told.seen, told.remedy, told.who.value)


def _site(state: gate.State) -> str | None:
    return None if isinstance(state, gate.Idle) else state.wish.site


STATES: Mapping[type, StateName] = {
    gate.Idle: "idle",
    gate.Looking: "looking",
    gate.Inside: "inside",
    gate.Refused: "refused",
    gate.Service: "service",
    gate.Opening: "opening",
    gate.Open: "open",
    gate.Emergency: "emergency",
    gate.Closing: "closing",
}
