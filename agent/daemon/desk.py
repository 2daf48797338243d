"""Answers what people's programs ask over the control socket; it asks the checkpoint and decides nothing itself."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Literal

from agent import gate
from agent.control.messages import (
    AskReport,
    AskStatus,
    Choice,
    Connect,
    Disconnect,
    Done,
    Emergency,
    Reason,
    Refused,
    Reply,
    Request,
    StateName,
    Status,
    Step,
    StepName,
    Tunnel,
    Watch,
    Why,
)
from agent.control.server import reason
from agent.daemon.checkpoint import Checkpoint, News, Stepped
from agent.daemon.grants import plead
from agent.daemon.passage import Carried
from agent.daemon.reporting import report
from agent.events import Outcome, Response
from agent.posture.policy import Policy
from agent.posture.verdict import Finding
from agent.problems import Problem, problem
from agent.words import Words


class Desk:
    """One desk for all askers; without a checkpoint behind it, it says why and what to do."""

    def __init__(self) -> None:
        self._checkpoint: Checkpoint | None = None
        self._closed_for = problem("starting")

    def open_for(self, checkpoint: Checkpoint) -> None:
        """Answer from this checkpoint from now on."""
        self._checkpoint = checkpoint

    def close_for(self, why: Problem) -> None:
        """Answer every request to connect with this problem from now on, and ask no checkpoint any more."""
        self._checkpoint = None
        self._closed_for = why

    def may_ask(self, uid: int) -> bool:
        """Tell whether a user may ask; before there is a policy anybody may, and learns no more than why not."""
        return self._checkpoint is None or self._checkpoint.jury.may_ask(uid)

    async def answer(self, request: Request, uid: int) -> AsyncGenerator[Reply, None]:
        """Yield the replies to one request."""
        if self._checkpoint is None:
            yield _without_policy(request, self._closed_for)
            return
        match request:
            case Connect(site):
                replies = _connect(self._checkpoint, site, uid)
            case Emergency(reason=why, site=site):
                replies = _connect(self._checkpoint, site, uid, why)
            case Disconnect():
                replies = _disconnect(self._checkpoint)
            case AskStatus():
                yield _status(self._checkpoint)
                return
            case Why():
                yield _why(self._checkpoint)
                return
            case AskReport():
                yield report(self._checkpoint.jury, await self._checkpoint.sight(uid))
                return
            case Watch():
                replies = _watch(self._checkpoint)
        async for reply in replies:
            yield reply


async def _connect(
    checkpoint: Checkpoint, site: str | None, uid: int, emergency: str | None = None
) -> AsyncGenerator[Reply, None]:
    policy = checkpoint.jury.policy
    wanted = next(iter(policy.sites)) if site is None else site
    if wanted not in policy.sites:
        yield _refused((problem("site.unknown", wanted),))
        return
    plea = None
    if emergency is not None:
        plea = plead(policy, policy.sites[wanted], emergency, uid, checkpoint.jury.uid_of)
    if isinstance(plea, Problem):
        yield _refused((plea,))
        return
    news, began = checkpoint.listen(), checkpoint.now()
    try:
        denied = checkpoint.ask(wanted, uid, plea)
        if denied is not None:
            yield _refused((denied,))
            return
        async for reply in _until_settled(checkpoint, news, began):
            yield reply
    finally:
        checkpoint.forget(news)


async def _until_settled(
    checkpoint: Checkpoint, news: asyncio.Queue[News], began: float
) -> AsyncGenerator[Reply, None]:
    """Tell each step until the gate stands still: in, refused, or idle because somebody withdrew."""
    while True:
        heard = await news.get()
        if isinstance(heard, Stepped):
            yield Step(heard.step, _milliseconds(heard.at - began), STEPS[heard.step])
            continue
        match checkpoint.state:
            case gate.Open() | gate.Emergency() | gate.Inside():
                yield Done(_milliseconds(checkpoint.now() - began), _status(checkpoint))
                return
            case gate.Refused(reasons=reasons) | gate.Service(reasons=reasons, asking=None):
                yield _refused(reasons)
                return
            case gate.Idle():
                yield _refused((problem("withdrawn"),))
                return


async def _disconnect(checkpoint: Checkpoint) -> AsyncGenerator[Reply, None]:
    news, began = checkpoint.listen(), checkpoint.now()
    try:
        checkpoint.happen(gate.Withdrawn())
        while not isinstance(checkpoint.state, gate.Idle | gate.Refused):
            await news.get()
        left = tuple(one for one in _standing(checkpoint.state) if isinstance(one, Problem) and one.code == LEFT)
        yield _refused(left) if left else Done(_milliseconds(checkpoint.now() - began), _status(checkpoint))
    finally:
        checkpoint.forget(news)


async def _watch(checkpoint: Checkpoint) -> AsyncGenerator[Reply, None]:
    news = checkpoint.listen()
    try:
        told = _status(checkpoint)
        yield told
        while True:
            await news.get()
            now = _status(checkpoint)
            if _differ(told, now):
                told = now
                yield told
    finally:
        checkpoint.forget(news)


def _differ(before: Status, after: Status) -> bool:
    """Tell whether anything but the traffic's counters changed."""
    return _essence(before) != _essence(after)


def _essence(status: Status) -> tuple[object, ...]:
    left = status.cut_in, status.ends_in, status.comes_back_in
    return status.state, status.site, status.reasons, status.warnings, *(seconds is None for seconds in left)


def _status(checkpoint: Checkpoint) -> Status:
    policy, state, carried = checkpoint.jury.policy, checkpoint.state, checkpoint.carried
    judged = gate.Inside | gate.Opening | gate.Open | gate.Emergency
    warnings: tuple[gate.Reason, ...] = checkpoint.jury.warnings()
    if isinstance(state, judged):
        warnings += state.verdict.warnings
    return Status(
        state=STATES[type(state)],
        site=_site(state),
        sites=tuple(policy.sites),
        language=policy.language,
        policy_serial=policy.serial,
        warnings=tuple(map(_reason, warnings)),
        reasons=tuple(map(_reason, _standing(state))),
        tunnel=None if carried is None else _tunnel(checkpoint, carried),
        cut_in=_left(_cut_at(state), checkpoint.now()),
        ends_in=_left(_ends_at(state), checkpoint.now()),
        comes_back_in=_left(_comes_back_until(state), checkpoint.now()),
        emergencies=_emergencies(policy),
    )


def _cut_at(state: gate.State) -> float | None:
    return state.cut_at if isinstance(state, gate.Open | gate.Emergency) else None


def _ends_at(state: gate.State) -> float | None:
    return state.until if isinstance(state, gate.Service | gate.Emergency) else None


def _comes_back_until(state: gate.State) -> float | None:
    return state.wish.back if isinstance(state, gate.Refused | gate.Service | gate.Closing) else None


def _left(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, at - now)


def _emergencies(policy: Policy) -> tuple[Choice, ...]:
    if policy.emergency is None:
        return ()
    return tuple(Choice(code, Words(said.en, said.ja)) for code, said in policy.emergency.reasons.items())


def _why(checkpoint: Checkpoint) -> Status:
    """Tell what stands in the way now; if nothing does, what did the last time."""
    status = _status(checkpoint)
    return status if status.reasons else replace(status, reasons=tuple(map(_reason, checkpoint.last_reasons)))


def _standing(state: gate.State) -> tuple[gate.Reason, ...]:
    match state:
        case gate.Refused(reasons=reasons) | gate.Service(reasons=reasons) | gate.Closing(reasons=reasons):
            return reasons
        case gate.Open(verdict=verdict) | gate.Emergency(verdict=verdict):
            return verdict.refusals
        case _:
            return ()


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


def _without_policy(request: Request, closed_for: Problem) -> Reply:
    """Refuse what needs a policy; a status can be told without one."""
    why = reason(closed_for)
    if isinstance(request, Connect | Emergency | AskReport):
        return Refused("problem", (why,))
    nothing = Status("idle", None, (), "ja", None, (), (why,), None)
    return Done(0.0, nothing) if isinstance(request, Disconnect) else nothing


def _refused(reasons: tuple[gate.Reason, ...]) -> Refused:
    by: Literal["posture", "problem"] = "posture" if any(isinstance(one, Finding) for one in reasons) else "problem"
    return Refused(by, tuple(map(_reason, reasons)))


def _reason(told: gate.Reason) -> Reason:
    if isinstance(told, Problem):
        return reason(told)
    outcome: Literal["fail", "unknown", "warn"] = "fail" if told.outcome is Outcome.FAIL else "unknown"
    return Reason(told.check, "warn" if told.rule is Response.WARN else outcome, told.seen, told.remedy, told.who.value)


def _site(state: gate.State) -> str | None:
    return None if isinstance(state, gate.Idle) else state.wish.site


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


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
LEFT = "network.left"
STEPS: Mapping[StepName, Words] = {
    "look": Words("This computer was checked", "このパソコンを検査しました"),
    "key": Words("The device certificate is ready", "端末証明書を確認しました"),
    "tunnel": Words("The tunnel interface is up", "トンネルインターフェースを作成しました"),
    "gateway": Words("The gateway proved who it is", "ゲートウェイの身元を確認しました"),
    "network": Words("Routes and names are set", "経路と名前解決を設定しました"),
}
