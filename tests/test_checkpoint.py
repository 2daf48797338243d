"""The checkpoint: whatever comes in whatever order, nothing is open that the last verdict does not allow.

`StandInLookout` and `StandInPassage` stand in for what needs a machine: each does what it is told
when it is told, so that every order of events can be played without waiting for time to pass.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from agent import events, gate
from agent.control import messages as control
from agent.control.messages import Disconnect
from agent.daemon.checkpoint import Checkpoint
from agent.daemon.desk import Desk
from agent.daemon.jury import Jury
from agent.daemon.lookout import Lookout, Watcher
from agent.daemon.news import Moved, Stepped
from agent.daemon.passage import Carried, Machine, Passage, Voice
from agent.daemon.records import Records
from agent.daemon.renewal import Accept
from agent.network.apply import Network
from agent.posture.facts import (
    NOT_LOOKED,
    Facts,
    Grade,
    Links,
    Observed,
    Place,
    Places,
    Program,
    Programs,
    Told,
    Wireless,
)
from agent.posture.policy import Site, load
from agent.posture.verdict import Finding
from agent.probes.client import LookLost, Scope
from agent.problems import Trouble, problem
from ike.config import Instant
from ike.effects import Summary
from tests.test_daemon_small import POLICY

SECONDS = 10.0
COUNTDOWN = "checks: {apps.unapproved: {cut: countdown, countdown: 30s}}\n"
BAD = ("/home/hanako/stranger",)


class Clock:
    """A boot clock that moves when it is told."""

    def __init__(self) -> None:
        self.boot = 100.0

    def __call__(self) -> Instant:
        return Instant(self.boot, 1_800_000_000.0)


class StandInLookout(Lookout):
    """Answers a look with the programs in `running` as soon as it may; `change` tells a watcher of others."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(Path("/nonexistent"), ())
        self.clock = clock
        self.running: tuple[str, ...] = ()
        self.missed = ""
        self.inside = Told.NO
        self.wireless: tuple[Wireless, ...] = ()
        self.more: dict[str, object] = {}
        self.may_look = asyncio.Event()
        self.may_look.set()
        self.scopes: list[Scope] = []
        self.watched: list[Scope] = []
        self.watching: Watcher | None = None
        self.gone_at_watch = False
        self.rests = 0

    @property
    def facts(self) -> Facts:
        at = self.clock.boot
        running = tuple(Program(number, 1, 1000, "x", path, None) for number, path in enumerate(self.running, 1))
        return Facts(
            Observed(Programs(running, 0, 0), Grade.ROOT, "stand-in", at),
            Observed(Links(self.wireless), Grade.ROOT, "stand-in", at),
            places=Observed(Places((Place("main", self.inside),)), Grade.ROOT, "stand-in", at),
            **{name: Observed(value, Grade.ROOT, "stand-in", at) for name, value in self.more.items()},
        )

    async def look(self, scope: Scope) -> Facts:
        self.scopes.append(scope)
        await self.may_look.wait()
        if self.missed:
            raise LookLost(self.missed)
        return self.facts

    async def read(self, wanted: frozenset[str]) -> Facts:
        return self.facts

    async def survey(self, scope: Scope) -> Facts:
        self.scopes.append(scope)
        return replace(self.facts, programs=NOT_LOOKED)

    def watch(self, scope: Scope, every: float, watcher: Watcher) -> None:
        self.watched.append(scope)
        self.watching = watcher
        if self.gone_at_watch:
            watcher.lost("it went")

    def rest(self) -> None:
        self.watching = None
        self.rests += 1

    def change(self, *running: str) -> None:
        self.running = running
        assert self.watching is not None
        self.watching.changed(self.facts)

    def lose(self) -> None:
        assert self.watching is not None
        self.watching.lost("it hung up")


class StandInPassage(Passage):
    """Opens as soon as it may, or fails with what it is told; remembers that it was closed."""

    def __init__(self, site: Site, machine: Machine, voice: Voice) -> None:
        super().__init__(site, machine, voice)
        self.site = site
        self.voice = voice
        self.machine = machine
        self.may_open = asyncio.Event()
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.fails_with: Exception | None = None
        self.fails_to_close: Exception | None = None
        self.began = self.cancelled = self.closed = False

    async def open(self) -> Carried:
        self.began = True
        try:
            await self.may_open.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.fails_with is not None:
            raise self.fails_with
        self.carried = carried()
        return self.carried

    async def close(self) -> None:
        await self.may_close.wait()
        self.closed = True
        if self.fails_to_close is not None:
            raise self.fails_to_close

    def traffic(self) -> tuple[int, int]:
        return 1, 2


def carried() -> Carried:
    summary = Summary(
        ike_suite="aes256gcm16-prfsha384-ecp384",
        esp_suite="aes256gcm16",
        local_identity="laptop.test",
        remote_identity="gw.test",
        remote_certificate="ab" * 32,
        handshake_ms=6.0,
    )
    address = IPv4Interface("10.99.0.7/32")
    networks = (IPv4Network("10.20.0.0/16"),)
    return Carried("sekisho0", "198.51.100.1", (address,), networks, "fqdn:laptop.test", "fqdn:gw.test", summary, 100.0)


class Stage:
    """A checkpoint, everything around it, and what it wrote down."""

    def __init__(self, folder: Path, more: str = "", accept: Accept | None = None) -> None:
        self.clock = Clock()
        self.lookout = StandInLookout(self.clock)
        self.passages: list[StandInPassage] = []
        self._log = folder / "events.jsonl"
        machine = Machine(self.clock, lambda size: b"\0" * size, Network(folder / "undo"), folder / "resolv.conf")
        jury = Jury(load(POLICY + more, "policy.yaml"), b"k" * 32)
        records = Records(self._log, lambda: 1_800_000_000.0)
        self.checkpoint = Checkpoint(jury, machine, records, self.lookout, self._passage, accept)

    def _passage(self, site: Site, machine: Machine, voice: Voice) -> StandInPassage:
        self.passages.append(StandInPassage(site, machine, voice))
        return self.passages[-1]

    @property
    def passage(self) -> StandInPassage:
        return self.passages[-1]

    @property
    def state(self) -> gate.State:
        return self.checkpoint.state

    def is_in(self, kind: type[gate.State]) -> bool:
        return isinstance(self.state, kind)

    def ask(self, uid: int = 1000) -> str | None:
        denied = self.checkpoint.ask("main", uid)
        return None if denied is None else denied.code

    def withdraw(self) -> None:
        self.checkpoint.happen(gate.Withdrawn())

    async def reach(self, kind: type[gate.State]) -> None:
        await until(lambda: isinstance(self.state, kind))

    async def opening(self) -> None:
        before = len(self.passages)
        self.ask()
        await until(lambda: len(self.passages) > before and self.passage.began)

    async def open(self) -> None:
        await self.opening()
        self.passage.may_open.set()
        await self.reach(gate.Open)

    def recorded(self) -> list[str]:
        return [str(json.loads(line)["event"]) for line in self._log.read_text().splitlines()]

    def codes(self) -> list[str]:
        assert isinstance(self.state, gate.Refused)
        return [one.check if isinstance(one, Finding) else one.code for one in self.state.reasons]


Play = Callable[[Stage], Coroutine[None, None, None]]


def play(folder: Path, scene: Play, more: str = "", accept: Accept | None = None) -> None:
    async def run() -> None:
        stage = Stage(folder, more, accept)
        async with asyncio.timeout(SECONDS):
            await scene(stage)
            await stage.checkpoint.closed()
            await turns()
        assert not stage.checkpoint._tasks, "a task was left behind"
        assert all(passage.closed for passage in stage.passages if passage.began), "a passage was left behind"

    asyncio.run(run())


async def until(holds: Callable[[], object]) -> None:
    """Let the event loop turn until something holds; the play's own time-out ends a vain wait."""
    while not holds():
        await asyncio.sleep(0)


async def turns(count: int = 20) -> None:
    """Let the event loop turn so often that whatever wants to happen has happened."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_machine_that_passes_is_connected_and_its_close_restores_it(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        assert stage.checkpoint.carried == carried()
        stage.withdraw()
        await stage.reach(gate.Idle)
        assert [stage.checkpoint.carried, stage.lookout.watching] == [None, None]
        assert stage.recorded() == ["looked", "opened", "closed"]

    play(tmp_path, scene)


def test_a_machine_that_fails_opens_nothing_and_is_watched_no_longer(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        stage.ask()
        await stage.reach(gate.Refused)
        await turns()
        assert stage.codes() == ["apps.unapproved"]
        assert stage.passages == []
        assert stage.lookout.watching is None

    play(tmp_path, scene)


def test_what_starts_between_the_answer_and_the_watch_is_judged(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.may_look.clear()
        stage.ask()
        await until(lambda: stage.lookout.scopes)
        clean = stage.lookout.watch

        def watch(scope: Scope, every: float, watcher: Watcher) -> None:
            stage.lookout.running = BAD  # seen by now, but told to nobody, for nobody watched
            clean(scope, every, watcher)

        stage.lookout.watch = watch  # type: ignore[method-assign]  # the stand-in learns of a stranger at that moment
        stage.lookout.may_look.set()
        await stage.reach(gate.Refused)
        assert stage.codes() == ["apps.unapproved"]
        assert stage.passages == []

    play(tmp_path, scene)


def test_a_stranger_that_starts_while_opening_aborts_it(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.opening()
        stage.lookout.change(*BAD)
        await stage.reach(gate.Refused)
        assert stage.passage.cancelled
        assert stage.recorded() == ["looked", "refused", "looked"]

    play(tmp_path, scene)


def test_a_tunnel_that_gets_ready_at_the_moment_of_the_cut_is_closed(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.opening()
        stage.passage.may_open.set()
        stage.lookout.change(*BAD)
        await stage.reach(gate.Refused)
        assert stage.passage.closed
        assert "opened" not in stage.recorded()

    play(tmp_path, scene)


def test_a_stranger_that_starts_while_open_cuts(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.lookout.change(*BAD)
        assert stage.is_in(gate.Closing)
        await stage.reach(gate.Refused)
        assert stage.passage.closed
        assert stage.recorded() == ["looked", "opened", "refused", "looked", "closed"]

    play(tmp_path, scene)


def test_a_helper_that_goes_while_opening_or_open_closes(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        for reach in (stage.opening, stage.open):
            await reach()
            stage.lookout.lose()
            await stage.reach(gate.Refused)
            assert stage.codes() == ["look.lost"]
            assert stage.passage.closed

    play(tmp_path, scene)


def test_a_helper_that_is_gone_when_the_watch_begins_opens_nothing(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.gone_at_watch = True
        stage.ask()
        await stage.reach(gate.Refused)
        await turns()
        assert stage.codes() == ["look.lost"]
        assert stage.passages == []
        assert stage.lookout.watching is None

    play(tmp_path, scene)


def test_a_helper_that_cannot_look_refuses(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.missed = "it does not answer"
        stage.ask()
        await stage.reach(gate.Refused)
        assert stage.codes() == ["look.lost"]

    play(tmp_path, scene)


def test_an_error_of_our_own_while_looking_or_judging_refuses(tmp_path: Path, monkeypatch):
    async def scene(stage: Stage) -> None:
        monkeypatch.setattr(Jury, "judge", lambda *_: 1 / 0)
        stage.ask()
        await stage.reach(gate.Refused)
        await turns()
        assert stage.codes() == ["internal"]
        assert stage.lookout.watching is None

    play(tmp_path, scene)


def test_an_error_of_our_own_while_opening_closes(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.opening()
        stage.passage.fails_with = ZeroDivisionError()
        stage.passage.may_open.set()
        await stage.reach(gate.Refused)
        assert stage.codes() == ["internal"]
        assert stage.passage.closed

    play(tmp_path, scene)


def test_an_error_of_our_own_while_closing_still_ends_in_a_state_from_which_one_can_connect(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.passage.fails_to_close = ZeroDivisionError()
        stage.withdraw()
        await stage.reach(gate.Refused)
        assert stage.codes() == ["network.left"]
        await turns()
        await stage.open()

    play(tmp_path, scene)


def test_what_could_not_be_put_back_is_told_to_whoever_disconnects(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        desk = Desk()
        desk.open_for(stage.checkpoint)
        await stage.open()
        stage.passage.fails_to_close = Trouble("network.left", "rules: no")
        (told,) = [reply async for reply in desk.answer(Disconnect(), 0)]
        assert isinstance(told, control.Refused)
        assert [reason.code for reason in told.reasons] == ["network.left"]
        assert stage.recorded()[-2:] == ["closed", "problem"]
        (told,) = [reply async for reply in desk.answer(Disconnect(), 0)]
        assert isinstance(told, control.Done)

    play(tmp_path, scene)


def test_trouble_on_the_way_is_the_reason_and_its_detail_is_in_the_log(tmp_path: Path, caplog):
    async def scene(stage: Stage) -> None:
        await stage.opening()
        stage.passage.fails_with = Trouble("key.unreadable", "device.key: Permission denied")
        stage.passage.may_open.set()
        await stage.reach(gate.Refused)
        assert stage.codes() == ["key.unreadable"]
        assert stage.recorded() == ["looked", "problem"]

    play(tmp_path, scene)
    assert "key.unreadable: device.key: Permission denied" in caplog.text


def test_a_tunnel_that_breaks_is_closed_and_its_traffic_counted(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        assert stage.checkpoint.traffic() == (1, 2)
        stage.passage.voice.broken(problem("peer.lost"))
        await stage.reach(gate.Refused)
        assert stage.codes() == ["peer.lost"]
        assert stage.recorded()[-1] == "closed"

    play(tmp_path, scene)


def test_who_withdraws_while_opening_gets_what_is_half_open_closed(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.opening()
        stage.withdraw()
        await stage.reach(gate.Idle)
        assert stage.passage.cancelled
        assert stage.passage.closed

    play(tmp_path, scene)


def test_who_withdraws_before_opening_began_leaves_nothing(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.ask()
        await stage.reach(gate.Opening)
        stage.withdraw()
        await stage.reach(gate.Idle)
        await turns()
        assert isinstance(stage.state, gate.Idle)

    play(tmp_path, scene)


def test_a_look_that_was_withdrawn_neither_opens_nor_watches(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        news = stage.checkpoint.news.listen()
        stage.lookout.may_look.clear()
        stage.ask()
        await until(lambda: stage.lookout.scopes)
        stage.withdraw()
        stage.lookout.may_look.set()
        await turns()
        assert isinstance(stage.state, gate.Idle)
        assert stage.lookout.watched == []
        assert stage.lookout.rests == 1
        assert [news.get_nowait() for _ in range(news.qsize())] == [Moved(), Moved()]
        stage.checkpoint.news.forget(news)

    play(tmp_path, scene)


def test_the_second_askers_own_programs_are_watched_when_the_first_gave_up(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.may_look.clear()
        stage.ask(1000)
        await until(lambda: len(stage.lookout.scopes) == 1)
        stage.withdraw()
        stage.clock.boot += 1
        stage.ask(2000)
        await until(lambda: len(stage.lookout.scopes) == 2)
        stage.lookout.may_look.set()
        await stage.reach(gate.Opening)
        assert [scope.uids for scope in stage.lookout.watched] == [{2000}]

    play(tmp_path, scene)


def test_only_one_site_at_a_time_is_asked_for(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        assert stage.ask(1000) is None
        assert stage.ask(2000) == "busy"
        await stage.open()
        assert stage.ask(2000) == "busy"
        stage.passage.may_close.clear()
        stage.withdraw()
        assert stage.ask(2000) == "busy"
        stage.passage.may_close.set()
        await stage.reach(gate.Idle)
        assert len(stage.passages) == 1

    play(tmp_path, scene)


def test_every_step_is_told_with_its_instant(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        news = stage.checkpoint.news.listen()
        await stage.opening()
        stage.clock.boot += 2
        stage.passage.voice.stepped("gateway")
        heard = [news.get_nowait() for _ in range(news.qsize())]
        assert [one for one in heard if isinstance(one, Stepped)] == [Stepped("look", 100.0), Stepped("gateway", 102.0)]
        stage.checkpoint.news.forget(news)

    play(tmp_path, scene)


def test_a_listener_that_never_listens_costs_no_memory_without_bound(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        news = stage.checkpoint.news.listen()
        await stage.opening()
        for _ in range(5000):
            stage.passage.voice.stepped("gateway")
        assert news.full()
        stage.checkpoint.news.forget(news)

    play(tmp_path, scene)


@pytest.mark.parametrize("moment", ["idle", "looking", "opening", "open", "closing", "refused"])
def test_the_end_of_the_service_leaves_nothing_open(tmp_path: Path, moment: str):
    async def scene(stage: Stage) -> None:
        if moment == "looking":
            stage.lookout.may_look.clear()
            stage.ask()
            await until(lambda: stage.lookout.scopes)
        elif moment == "opening":
            await stage.opening()
        elif moment == "refused":
            stage.lookout.running = BAD
            stage.ask()
            await stage.reach(gate.Refused)
        elif moment != "idle":
            await stage.open()
        if moment == "closing":
            stage.withdraw()
        ending = asyncio.create_task(stage.checkpoint.closed())
        await turns()
        stage.lookout.may_look.set()
        await ending
        await turns()
        assert isinstance(stage.state, gate.Idle)
        assert stage.lookout.watching is None

    play(tmp_path, scene)


def test_a_countdown_that_is_overdue_after_sleep_cuts_at_once(tmp_path: Path):
    """The event loop's clock stands still while the machine sleeps; the boot clock does not."""

    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.lookout.change(*BAD)
        assert stage.is_in(gate.Open)
        timer = stage.checkpoint._timer
        assert timer is not None
        assert timer.when() - asyncio.get_running_loop().time() <= 1.0
        stage.clock.boot += 3600
        stage.checkpoint.happen(gate.Tick())
        await stage.reach(gate.Refused)
        assert stage.codes() == ["apps.unapproved"]

    play(tmp_path, scene, COUNTDOWN)


def test_an_early_tick_sets_the_timer_again(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.lookout.change(*BAD)
        first = stage.checkpoint._timer
        stage.checkpoint.happen(gate.Tick())
        assert stage.is_in(gate.Open)
        assert stage.checkpoint._timer is not first
        stage.lookout.change()
        assert gate.deadline(stage.state) is None

    play(tmp_path, scene, COUNTDOWN)


def test_new_keys_are_recorded(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.passage.voice.rekeyed(events.RekeyKind.CHILD)
        assert stage.recorded()[-1] == "rekeyed"

    play(tmp_path, scene)
