"""Answers what people's programs ask over the control socket; it asks the checkpoint and decides nothing itself."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Literal

from agent import gate
from agent.control.messages import (
    AskReport,
    AskStatus,
    Connect,
    Disconnect,
    Done,
    Reason,
    Refused,
    Reply,
    Request,
    Status,
    Step,
    StepName,
    Tunnel,
    Watch,
    Why,
)
from agent.control.server import reason
from agent.daemon.checkpoint import Checkpoint, News, Stepped
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


async def _connect(checkpoint: Checkpoint, site: str | None, uid: int) -> AsyncGenerator[Reply, None]:
    sites = tuple(checkpoint.jury.policy.sites)
    wanted = sites[0] if site is None else site
    if wanted not in sites:
        yield _refused((problem("site.unknown", wanted),))
        return
    news, began = checkpoint.listen(), checkpoint.now()
    try:
        denied = checkpoint.ask(wanted, uid)
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
    """Tell each step until the gate stands still: open, refused, or idle because somebody withdrew."""
    while True:
        heard = await news.get()
        if isinstance(heard, Stepped):
            yield Step(heard.step, _milliseconds(heard.at - began), STEPS[heard.step])
            continue
        match checkpoint.state:
            case gate.Open():
                yield Done(_milliseconds(checkpoint.now() - began), _status(checkpoint))
                return
            case gate.Refused(reasons=reasons):
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
    return status.state, status.site, status.reasons, status.warnings, status.cut_in is None


def _status(checkpoint: Checkpoint) -> Status:
    policy, state, carried = checkpoint.jury.policy, checkpoint.state, checkpoint.carried
    warnings = state.verdict.warnings if isinstance(state, gate.Opening | gate.Open) else ()
    return Status(
        state=STATES[type(state)],
        site=_site(state),
        sites=tuple(policy.sites),
        language=policy.language,
        policy_serial=policy.serial,
        warnings=tuple(map(_reason, warnings)),
        reasons=tuple(map(_reason, _standing(state))),
        tunnel=None if carried is None else _tunnel(checkpoint, policy, carried),
        cut_in=_cut_in(state, checkpoint.now()),
    )


def _cut_in(state: gate.State, now: float) -> float | None:
    if not isinstance(state, gate.Open) or state.cut_at is None:
        return None
    return max(0.0, state.cut_at - now)


def _why(checkpoint: Checkpoint) -> Status:
    """Tell what stands in the way now; if nothing does, what did the last time."""
    status = _status(checkpoint)
    return status if status.reasons else replace(status, reasons=tuple(map(_reason, checkpoint.last_reasons)))


def _standing(state: gate.State) -> tuple[gate.Reason, ...]:
    match state:
        case gate.Refused(reasons=reasons) | gate.Closing(reasons=reasons):
            return reasons
        case gate.Open(verdict=verdict):
            return verdict.refusals
        case _:
            return ()


def _tunnel(checkpoint: Checkpoint, policy: Policy, carried: Carried) -> Tunnel:
    bytes_in, bytes_out = checkpoint.traffic()
    site = _site(checkpoint.state)
    return Tunnel(
        interface=carried.interface,
        addresses=tuple(str(address.ip) for address in carried.addresses),
        gateway=carried.gateway,
        local_identity=carried.local_identity,
        remote_identity=carried.remote_identity,
        ike_suite=carried.summary.ike_suite,
        esp_suite=carried.summary.esp_suite,
        networks=() if site is None else tuple(map(str, policy.sites[site].networks)),
        handshake_ms=carried.summary.handshake_ms,
        seconds=checkpoint.now() - carried.since,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )


def _without_policy(request: Request, closed_for: Problem) -> Reply:
    """Refuse what needs a policy; a status can be told without one."""
    why = reason(closed_for)
    if isinstance(request, Connect | AskReport):
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
    match state:
        case gate.Idle():
            return None
        case gate.Looking(look=look):
            return look.site
        case _:
            return state.site


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


STATES: Mapping[type, Literal["idle", "looking", "refused", "opening", "open", "closing"]] = {
    gate.Idle: "idle",
    gate.Looking: "looking",
    gate.Refused: "refused",
    gate.Opening: "opening",
    gate.Open: "open",
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
