"""Drives the gate: events in, effects carried out, everybody told; the rules themselves are the gate's.

One site is open at a time. Whatever goes wrong here closes it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace

from agent import events, gate
from agent.control.messages import StepName
from agent.daemon.grants import reached, terms
from agent.daemon.jury import Jury, named_users
from agent.daemon.lookout import Glance, Lookout, Watcher
from agent.daemon.news import Listeners, Moved, Stepped
from agent.daemon.passage import Carried, Machine, Passage, Voice
from agent.daemon.records import Records
from agent.daemon.renewal import Accept, Renewal
from agent.posture.facts import Facts, Links, Observed, Unseen
from agent.posture.policy import Policy, Site
from agent.posture.policy.place import is_inside
from agent.posture.verdict import Verdict
from agent.probes.client import LookLost
from agent.problems import Problem, Trouble, problem
from ike.config import Instant

log = logging.getLogger(__name__)


Order = gate.Look | gate.OpenSite | gate.CloseSite | gate.FetchPolicy | gate.Tell | gate.Record


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen and how it is judged, at `at`; `lost` is why no helper looked."""

    facts: Facts
    verdict: Verdict
    at: Instant
    lost: str | None


class Checkpoint:
    """The one gate of this machine and everything it sets in motion."""

    def __init__(
        self,
        jury: Jury,
        machine: Machine,
        records: Records,
        lookout: Lookout,
        passages: Callable[[Site, Machine, Voice], Passage] = Passage,
        accept: Accept | None = None,
    ) -> None:
        self.state: gate.State = gate.Idle()
        self.last_reasons: tuple[gate.Reason, ...] = ()
        self.jury = jury
        self.news = Listeners()
        self._machine = machine
        self._records = records
        self._lookout = lookout
        self._passages = passages
        self._renewal = None if accept is None else Renewal(accept)
        self._passage: Passage | None = None
        self._opening: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def carried(self) -> Carried | None:
        """What is open, None while nothing is."""
        is_open = isinstance(self.state, gate.Open | gate.Service | gate.Emergency)
        return self._passage.carried if self._passage is not None and is_open else None

    def traffic(self) -> tuple[int, int]:
        """Count the bytes that the open tunnel carried in and out."""
        return self._passage.traffic() if self._passage is not None else (0, 0)

    def now(self) -> float:
        """Read the boot clock."""
        return self._machine.clock().boot

    def instant(self) -> Instant:
        """Read both clocks."""
        return self._machine.clock()

    def record(self, event: events.Event) -> None:
        """Append to the evidence what is no matter of the gate."""
        self._records.append(event)

    def ask(self, site: str, uid: int, plea: gate.Plea | None = None) -> Problem | None:
        """Ask for a site, in an emergency with a plea; the problem says why that cannot be done now."""
        wish = gate.Wish(site, uid, terms(self.jury.policy.sites[site]))
        return self._step(gate.Asked(wish, plea))

    def happen(self, event: gate.Event) -> None:
        """Let the gate take a step."""
        self._step(event)

    def adopt(self, policy: Policy) -> None:
        """Judge by this policy from now on; a site that it does not name any more is closed."""
        self.jury = replace(self.jury, policy=policy)
        self._lookout.mind(self.jury.ages)
        for name in named_users(policy):
            self.jury.uid_of(name)  # asked ahead, for a name that nobody asked about yet is nobody's
        site = self._site()
        if site is not None and site not in policy.sites:
            self.happen(gate.Withdrawn(events.CloseReason.POLICY))
        elif site is not None:
            self.happen(gate.PolicyChanged(terms(policy.sites[site])))
            self.judge_again()

    def judge_again(self) -> None:
        """Judge what was last seen once more, for what it is judged by has changed."""
        self._seen(self._lookout.facts)

    @property
    def sought(self) -> str | None:
        """The site whose beacon may be asked now, for it decides something whether the machine stands there."""
        return self._site() if gate.where_matters(self.state) else None

    async def links(self) -> Observed[Links] | Unseen:
        """Look at the links only."""
        return (await self._lookout.read(frozenset({"links"}))).links

    async def sight(self, uid: int | None) -> Sighting:
        """Tell what is watched anyway, or look once: for a user, or for nobody and then at no programs.

        The gate hears nothing of it.
        """
        if gate.is_watched(self.state):
            glance = Glance(self._lookout.facts)
        elif uid is None:
            glance = Glance(await self._lookout.survey(self.jury.scope()))
        else:
            glance = await self._lookout.glance(self.jury.scope(uid))
        clock = self._machine.clock()
        return Sighting(glance.facts, self.jury.preview(glance.facts, clock), clock, glance.lost)

    def _seen(self, facts: Facts) -> None:
        """Judge what changed while it matters."""
        if gate.is_watched(self.state):
            self.happen(gate.Changed(*self._judged(facts)))

    def _judged(self, facts: Facts) -> tuple[Verdict, bool]:
        """Judge facts, and tell whether the machine stands on the network of the site that is wished for."""
        clock, name = self._machine.clock(), self._site()
        site = None if name is None else self.jury.policy.sites.get(name)
        inside = name is not None and site is not None and is_inside(name, site, facts, clock.boot)
        return self.jury.judge(facts, clock), inside

    def _site(self) -> str | None:
        return None if isinstance(self.state, gate.Idle) else self.state.wish.site

    def _lost(self, why: str) -> None:
        """Fail closed: the helper that looks is gone."""
        self.happen(gate.LookLost(why))

    async def closed(self) -> None:
        """Close whatever is open and wait until the machine is as before."""
        heard = self.news.listen()
        self.happen(gate.Withdrawn(events.CloseReason.STOPPED))
        while isinstance(self.state, gate.Closing):
            await heard.get()
        self.news.forget(heard)
        self._lookout.rest()

    def _step(self, event: gate.Event) -> Problem | None:
        before = self.state
        self.state, effects = gate.step(self.state, event, self.now())
        denied = None
        for effect in effects:
            if isinstance(effect, gate.Deny):
                denied = effect.problem
            else:
                self._carry_out(effect)
        self._settle(before)
        return denied

    def _settle(self, before: gate.State) -> None:
        if gate.is_watched(before) and not gate.is_watched(self.state):
            self._lookout.rest()
        if isinstance(self.state, gate.Refused | gate.Service | gate.Closing) and self.state.reasons:
            self.last_reasons = self.state.reasons
        if type(before) is not type(self.state):
            log.info("%s -> %s", type(before).__name__, type(self.state).__name__)
        if before != self.state:
            self.news.tell(Moved())
        self._set_timer()

    def _carry_out(self, effect: Order) -> None:
        match effect:
            case gate.Look():
                self._begin(self._look(effect))
            case gate.OpenSite():
                self._opening = self._begin(self._open(effect))
            case gate.CloseSite():
                self._begin(self._close())
            case gate.FetchPolicy(url):
                self._stop_fetching()
                self._fetching = self._begin(self._fetch(url))
            case gate.Tell(reasons):
                _log(reasons)
                self.news.tell(Moved())
            case gate.Record(event):
                self._records.append(event)

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("an error of our own", exc_info=error)
            self.happen(gate.Failed(problem("internal", type(error).__name__)))

    async def _look(self, look: gate.Look) -> None:
        scope = self.jury.scope(look.uid)
        self._lookout.mind(self.jury.ages)
        try:
            await self._lookout.look(scope)
        except LookLost as lost:
            self._lost(str(lost))
            return
        if self._is_overtaken(look):
            if not gate.is_watched(self.state) and self._asking() is None:  # nobody looks any more
                self._lookout.rest()
            return
        self._lookout.watch(scope, self.jury.look_every, Watcher(self._seen, self._lost))
        self._stepped("look")
        try:
            self.happen(gate.Looked(look, *self._judged(self._lookout.facts)))
        finally:
            if not gate.is_watched(self.state):
                self._lookout.rest()

    def _is_overtaken(self, look: gate.Look) -> bool:
        """Tell whether another look may be under way by now, whose watch is not this one's to replace."""
        asking = self._asking()
        return asking is None or asking.look != look

    def _asking(self) -> gate.Looking | None:
        match self.state:
            case gate.Looking():
                return self.state
            case gate.Service(asking=asking):
                return asking
            case _:
                return None

    async def _open(self, wanted: gate.OpenSite) -> None:
        self._passage = self._passages(
            reached(self.jury.policy, wanted.site, wanted.reach),
            self._machine,
            Voice(
                stepped=self._stepped,
                rekeyed=lambda kind: self._records.append(events.Rekeyed(wanted.site, kind)),
                broken=lambda trouble: self.happen(gate.Failed(trouble)),
            ),
        )
        try:
            carried = await self._passage.open()
        except Trouble as trouble:
            self.happen(gate.Failed(trouble.problem))
        else:
            self.happen(gate.Opened(carried.record(wanted.site, wanted.uid, wanted.reach)))

    async def _fetch(self, url: str) -> None:
        """Fetch a newer policy; one that is not to be had, or not good, changes nothing."""
        if self._renewal is None or self.carried is None:
            return
        policy = await self._renewal.newer(url, self.carried.interface)
        if policy is not None and policy != self.jury.policy:
            self.adopt(policy)

    def _stop_fetching(self) -> None:
        if self._fetching is not None and not self._fetching.done():
            self._fetching.cancel()

    async def _close(self) -> None:
        self._stop_fetching()
        if self._renewal is not None:
            self._renewal.forget()
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait({self._opening})
        passage, self._passage = self._passage, None
        left: Problem | None = problem("network.left")  # until it is known better
        try:
            if passage is not None:
                await passage.close()
            left = None
        except Trouble as trouble:
            left = trouble.problem
        finally:
            carried = (0, 0) if passage is None else passage.traffic()
            self.happen(gate.Closed(*carried, left))

    def _stepped(self, step: StepName) -> None:
        self.news.tell(Stepped(step, self.now()))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = gate.deadline(self.state)
        if deadline is not None:
            wait = min(max(0.0, deadline - self.now()), LONGEST_NAP)
            self._timer = asyncio.get_running_loop().call_later(wait, self.happen, gate.Tick())


def _log(reasons: tuple[gate.Reason, ...]) -> None:
    """Say to whoever reads the log what went wrong; what others said only where it is verbose."""
    for met in reasons:
        if isinstance(met, Problem):
            is_here = met.side in ("laptop", "policy")
            log.warning("%s: %s", met.code, met.detail if is_here and met.detail else met.cause.en)
            log.debug("%s: %s", met.code, met.detail)


# Our choices. The event loop's clock stands still while the machine sleeps: after a nap the boot clock is read again.
LONGEST_NAP = 1.0
