"""Slow facts of the laptop: waited for only where none is at hand that still counts, and looked at in their time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from agent.daemon import rounds
from agent.daemon.rounds import Rounds
from agent.posture.facts import Grade, Observed, Unseen
from agent.posture.facts.device import Boot, Clock, Storage
from agent.posture.facts.observed import Told
from agent.probes.codec import FactName, Looked, Ready, Scope, Seen, decode_scope, encode
from tests.test_daemon_lookout import until

SCOPE = Scope(frozenset({1000}))
AGES: dict[FactName, float] = {"boot": 100.0, "clock": 100.0, "storage": 100.0}
SECONDS = 10.0


class Hand:
    """A boot clock that moves when it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr(rounds, "boot_clock", lambda: self.at)


class Helper:
    """A stand-in for the helper: looks as soon as it may, and remembers what it was asked."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.asked: list[FactName] = []
        self.may_look = asyncio.Event()
        self.may_look.set()
        self.says: Seen | None = None
        self.connections = 0
        self.met: list[asyncio.Task[None] | None] = []

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.met.append(asyncio.current_task())
        writer.write(encode(Ready(None)))
        while line := await reader.readline():
            (name,) = decode_scope(line).facts
            self.asked.append(name)
            await self.may_look.wait()
            writer.write(encode(Looked({name: self.says or seen(name, self.hand.at)})))
        writer.close()

    async def leave(self) -> None:
        self.may_look.set()
        await asyncio.gather(*(task for task in self.met if task is not None))


def seen(name: FactName, at: float) -> Observed[object]:
    values = {"boot": Boot(Told.YES, "", False), "clock": Clock(Told.YES, 0.1), "storage": Storage(())}
    return Observed(values[name], Grade.ROOT, "stand-in", at)


Scene = Callable[[Rounds, Helper], Coroutine[None, None, None]]


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    return Hand(monkeypatch)


def play(folder: Path, hand: Hand, scene: Scene) -> None:
    async def run() -> None:
        helper = Helper(hand)
        server = await asyncio.start_unix_server(helper.meet, folder / "look")
        made = Rounds(folder / "look", lambda: None)
        made.mind(AGES)
        try:
            async with asyncio.timeout(SECONDS):
                await scene(made, helper)
        finally:
            await made.close()
            await helper.leave()
            server.close()

    asyncio.run(run())


def test_what_nobody_has_seen_is_waited_for(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        helper.may_look.clear()
        visit = asyncio.create_task(made.visit(SCOPE))
        await until(lambda: helper.asked)
        assert not visit.done()
        helper.may_look.set()
        await visit
        assert made.seen(SCOPE) == {name: seen(name, 1000.0) for name in AGES}
        assert helper.asked == ["boot", "clock", "storage"]
        assert helper.connections == 1

    play(tmp_path, hand, scene)


def test_what_still_counts_is_asked_again_but_waited_for_no_more_than_a_blink(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        await made.visit(SCOPE)
        hand.at += 50.0
        helper.may_look.clear()
        await made.visit(SCOPE)
        assert made.seen(SCOPE)["boot"].at == 1000.0
        helper.may_look.set()
        await until(lambda: made.seen(SCOPE)["storage"].at == 1050.0)

    play(tmp_path, hand, scene)


def test_what_was_seen_a_moment_ago_is_not_asked_again(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        await made.visit(SCOPE)
        hand.at += 1.0
        await made.visit(SCOPE)
        assert helper.connections == 1

    play(tmp_path, hand, scene)


def test_what_is_too_old_to_count_is_waited_for_again(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        await made.visit(SCOPE)
        hand.at += 101.0
        helper.may_look.clear()
        visit = asyncio.create_task(made.visit(SCOPE))
        await until(lambda: len(helper.asked) > len(AGES))
        await asyncio.sleep(rounds.BLINK * 2)
        assert not visit.done()
        helper.may_look.set()
        await visit
        assert made.seen(SCOPE)["clock"].at == hand.at

    play(tmp_path, hand, scene)


def test_one_users_facts_do_not_stand_for_anothers(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        await made.visit(SCOPE)
        other = replace(SCOPE, uids=frozenset({2000}))
        assert set(made.seen(other)) == {"boot", "clock"}
        await made.visit(other)
        assert set(made.seen(other)) == set(AGES)
        assert helper.asked[len(AGES) :] == ["storage"]

    play(tmp_path, hand, scene)


def test_ahead_of_the_first_request_is_seen_what_does_not_depend_on_who_will_ask(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        made.begin(Scope(frozenset()))
        await until(lambda: len(made.seen(SCOPE)) == 2)
        assert helper.asked == ["boot", "clock"]

    play(tmp_path, hand, scene)


def test_while_watched_each_fact_is_looked_at_again_at_half_of_its_time(
    tmp_path: Path, hand: Hand, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rounds, "NAP", 0.001)

    async def scene(made: Rounds, helper: Helper) -> None:
        await made.visit(SCOPE)
        watching = asyncio.create_task(made.watch(SCOPE))
        hand.at += 49.0
        await asyncio.sleep(0.02)
        assert len(helper.asked) == len(AGES)
        hand.at += 2.0
        await until(lambda: len(helper.asked) == 2 * len(AGES))
        watching.cancel()

    play(tmp_path, hand, scene)


def test_a_helper_that_is_not_there_makes_unseen_what_is_lacking_and_leaves_what_counts(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        await made.visit(SCOPE)
        (tmp_path / "look").unlink()
        hand.at += 50.0
        await made.visit(SCOPE)
        assert made.seen(SCOPE) == {name: seen(name, 1000.0) for name in AGES}
        hand.at += 51.0
        await made.visit(SCOPE)
        fact = made.seen(SCOPE)["boot"]
        assert isinstance(fact, Unseen)
        assert "cannot be reached" in fact.why

    play(tmp_path, hand, scene)


def test_a_look_that_failed_is_tried_again_at_the_next_request(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        helper.says = Unseen("no such folder", 1000.0)
        await made.visit(SCOPE)
        helper.says = None
        await made.visit(SCOPE)
        assert all(isinstance(fact, Observed) for fact in made.seen(SCOPE).values())

    play(tmp_path, hand, scene)


def test_a_look_that_does_not_come_back_holds_nobody_up_for_ever(
    tmp_path: Path, hand: Hand, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rounds, "LONGEST_WAIT", 0.05)

    async def scene(made: Rounds, helper: Helper) -> None:
        helper.may_look.clear()
        await made.visit(SCOPE)
        assert made.seen(SCOPE) == {}

    play(tmp_path, hand, scene)


def test_nothing_is_asked_that_no_check_needs(tmp_path: Path, hand: Hand):
    async def scene(made: Rounds, helper: Helper) -> None:
        made.mind({})
        await made.visit(SCOPE)
        assert (made.seen(SCOPE), helper.connections) == ({}, 0)

    play(tmp_path, hand, scene)
