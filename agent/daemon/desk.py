"""Answers what people's programs ask over the control socket; it asks the checkpoint and decides nothing itself."""

from collections.abc import AsyncGenerator, Mapping

from agent import events, gate
from agent.control.messages import (
    AddNetwork,
    AskNetworks,
    AskReady,
    AskReport,
    AskStatus,
    Connect,
    Disconnect,
    Done,
    Emergency,
    Refused,
    RemoveNetwork,
    Reply,
    Request,
    Status,
    Step,
    StepName,
    Watch,
    Why,
)
from agent.control.server import reason
from agent.daemon import standing
from agent.daemon.checkpoint import Checkpoint
from agent.daemon.grants import plead
from agent.daemon.news import Heard, Stepped
from agent.daemon.readiness import Outlook, look_ahead, readiness
from agent.daemon.registering import forget, listed, register
from agent.daemon.reporting import report
from agent.events import network_digest
from agent.problems import Problem, problem
from agent.words import Words


class Desk:
    """One desk for all askers; without a checkpoint behind it, it says why and what to do."""

    def __init__(self) -> None:
        self._checkpoint: Checkpoint | None = None
        self._closed_for = problem("starting")
        self._outlook: Outlook | None = None

    def open_for(self, checkpoint: Checkpoint) -> None:
        """Answer from this checkpoint from now on."""
        self._checkpoint = checkpoint

    def close_for(self, why: Problem) -> None:
        """Answer every request to connect with this problem from now on, and ask no checkpoint any more."""
        self._checkpoint = None
        self._closed_for = why

    def keep(self, outlook: Outlook) -> None:
        """Tell with each status from now on what this outlook says will refuse."""
        self._outlook = outlook

    def may_ask(self, uid: int) -> bool:
        """Tell whether a user may ask; before there is a policy anybody may, and learns no more than why not."""
        return self._checkpoint is None or self._checkpoint.jury.may_ask(uid)

    async def answer(self, request: Request, uid: int) -> AsyncGenerator[Reply, None]:
        """Yield the replies to one request."""
        checkpoint = self._checkpoint
        if checkpoint is None:
            yield _without_policy(request, self._closed_for)
            return
        match request:
            case Connect(site):
                replies = self._connect(checkpoint, site, uid)
            case Emergency(reason=why, site=site):
                replies = self._connect(checkpoint, site, uid, why)
            case Disconnect():
                replies = self._disconnect(checkpoint)
            case Watch():
                replies = self._watch(checkpoint)
            case AskStatus() | Why() | AskReport() | AskReady():
                yield await self._tell(checkpoint, request, uid)
                return
            case AskNetworks() | AddNetwork() | RemoveNetwork():
                yield await _networks(checkpoint, request, uid)
                return
        async for reply in replies:
            yield reply

    async def _tell(self, checkpoint: Checkpoint, request: AskStatus | Why | AskReport | AskReady, uid: int) -> Reply:
        match request:
            case AskStatus():
                return self._status(checkpoint)
            case Why():
                return standing.why(checkpoint, self._outlook)
            case AskReport():
                return report(checkpoint.jury, await checkpoint.sight(uid))
            case AskReady():
                outlook = await look_ahead(checkpoint, uid)
                self.keep(outlook)
                return readiness(outlook)

    def _status(self, checkpoint: Checkpoint) -> Status:
        return standing.status(checkpoint, self._outlook)

    async def _connect(
        self, checkpoint: Checkpoint, site: str | None, uid: int, emergency: str | None = None
    ) -> AsyncGenerator[Reply, None]:
        policy = checkpoint.jury.policy
        wanted = next(iter(policy.sites)) if site is None else site
        if wanted not in policy.sites:
            yield _refused(problem("site.unknown", wanted))
            return
        plea = None
        if emergency is not None:
            plea = plead(policy, policy.sites[wanted], emergency, uid, checkpoint.jury.uid_of)
        if isinstance(plea, Problem):
            yield _refused(plea)
            return
        news, began = checkpoint.news.listen(), checkpoint.now()
        try:
            denied = checkpoint.ask(wanted, uid, plea)
            if denied is not None:
                yield _refused(denied)
                return
            async for reply in self._until_settled(checkpoint, news, began):
                yield reply
        finally:
            checkpoint.news.forget(news)

    async def _until_settled(self, checkpoint: Checkpoint, news: Heard, began: float) -> AsyncGenerator[Reply, None]:
        """Tell each step until the gate stands still: in, refused, or idle because somebody withdrew."""
        while True:
            heard = await news.get()
            if isinstance(heard, Stepped):
                yield Step(heard.step, _milliseconds(heard.at - began), STEPS[heard.step])
                continue
            match checkpoint.state:
                case gate.Open() | gate.Emergency() | gate.Inside():
                    yield Done(_milliseconds(checkpoint.now() - began), self._status(checkpoint))
                    return
                case gate.Refused() | gate.Service(asking=None):
                    yield standing.refused(checkpoint.state, checkpoint.jury.policy)
                    return
                case gate.Idle():
                    yield _refused(problem("withdrawn"))
                    return

    async def _disconnect(self, checkpoint: Checkpoint) -> AsyncGenerator[Reply, None]:
        news, began = checkpoint.news.listen(), checkpoint.now()
        try:
            checkpoint.happen(gate.Withdrawn())
            while not isinstance(checkpoint.state, gate.Idle | gate.Refused):
                await news.get()
            stays = standing.reasons(checkpoint.state)
            left = next((one for one in stays if isinstance(one, Problem) and one.code == LEFT), None)
            done = Done(_milliseconds(checkpoint.now() - began), self._status(checkpoint))
            yield done if left is None else _refused(left)
        finally:
            checkpoint.news.forget(news)

    async def _watch(self, checkpoint: Checkpoint) -> AsyncGenerator[Reply, None]:
        news = checkpoint.news.listen()
        try:
            told = self._status(checkpoint)
            yield told
            while True:
                await news.get()
                now = self._status(checkpoint)
                if standing.differ(told, now):
                    told = now
                    yield told
        finally:
            checkpoint.news.forget(news)


async def _networks(checkpoint: Checkpoint, request: AskNetworks | AddNetwork | RemoveNetwork, uid: int) -> Reply:
    """Tell, add to or take from what people registered; whatever is open is judged by it at once."""
    wifi, kept = checkpoint.jury.policy.wifi, checkpoint.jury.registrations
    match request:
        case AskNetworks():
            return listed(wifi, kept)
        case AddNetwork(title):
            links = await checkpoint.links()
            added = register(wifi, kept, links, title, uid, checkpoint.instant().wall)
            if isinstance(added, Problem):
                return _refused(added)
            pseudonym = network_digest(checkpoint.jury.network_key, added.ssid)
            checkpoint.record(events.NetworkRegistered(uid, pseudonym, added.at_least.value))
            reply = listed(wifi, kept, added=added)
        case RemoveNetwork(which):
            removed = forget(kept, which)
            if isinstance(removed, Problem):
                return _refused(removed)
            checkpoint.record(events.NetworkForgotten(uid, network_digest(checkpoint.jury.network_key, removed.ssid)))
            reply = listed(wifi, kept, removed=removed)
    checkpoint.judge_again()
    return reply


def _without_policy(request: Request, closed_for: Problem) -> Reply:
    """Refuse what needs a policy; a status can be told without one."""
    nothing = Status("idle", None, (), "ja", None, (), (reason(closed_for),), None)
    match request:
        case AskStatus() | Why() | Watch():
            return nothing
        case Disconnect():
            return Done(0.0, nothing)
        case _:
            return _refused(closed_for)


def _refused(why: Problem) -> Refused:
    return Refused("problem", (reason(why),))


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)


LEFT = "network.left"
STEPS: Mapping[StepName, Words] = {
    "look": Words("This computer was checked", "このパソコンを検査しました"),
    "key": Words("The device certificate is ready", "端末証明書を確認しました"),
    "tunnel": Words("The tunnel interface is up", "トンネルインターフェースを作成しました"),
    "gateway": Words("The gateway proved who it is", "ゲートウェイの身元を確認しました"),
    "network": Words("Routes and names are set", "経路と名前解決を設定しました"),
}
