"""The daemon's eyes: what overtakes a look is kept, what is newer wins, and nobody stops watching in silence.

The helper is a stand-in that speaks the real messages on a real socket; the links come from a stand-in too.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from agent.boot_clock import boot_clock
from agent.daemon.lookout import CROWD, Lookout, Watcher, updated
from agent.posture.facts import (
    Clock,
    Facts,
    Grade,
    Links,
    Observed,
    Program,
    Programs,
    Security,
    Told,
    Unseen,
    Wireless,
)
from agent.probes.client import LookedAgain, LookLost, Missed, Scope, Started
from agent.probes.codec import Looked, Ready, Said, Seen, decode_scope, encode

SCOPE = Scope(frozenset({1000}))
SECONDS = 10.0


def program(pid: int) -> Program:
    return Program(pid, 1, 1000, "true", f"/usr/bin/true{pid}", None)


def looked(*pids: int, at: float) -> Looked:
    return Looked({"programs": Observed(Programs(tuple(map(program, pids)), 0, 0), Grade.ROOT, "proc", at)})


def again(*pids: int, at: float) -> LookedAgain:
    programs = looked(*pids, at=at).facts["programs"]
    return LookedAgain(cast(Observed[Programs], programs))


def links(at: float, security: Security = Security.WPA2_PSK) -> Observed[Links]:
    point = Wireless("wlan0", b"Clinic", "02:00:00:00:00:01", security)
    return Observed(Links((point,)), Grade.ROOT, "NetworkManager", at)


class Helper:
    """A stand-in for `sekisho-look`: what it says after each look is scripted; `say` speaks unasked."""

    def __init__(self, *answers: tuple[Said, ...], blind: str | None = None) -> None:
        self.scopes: list[Scope] = []
        self.met = 0
        self.clock: Observed[Clock] | None = None
        self._answers = list(answers)
        self._blind = blind
        self._writer: asyncio.StreamWriter | None = None

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        self._writer = writer
        writer.write(encode(Ready(self._blind)))
        while line := await reader.readline():
            scope = decode_scope(line)
            if self.clock is not None and scope.facts == {"clock"}:
                writer.write(encode(Looked({"clock": self.clock})))
                continue
            self._writer = writer
            self.scopes.append(scope)
            if self._answers:
                self.say(*self._answers.pop(0))
        writer.close()

    def say(self, *said: Said) -> None:
        assert self._writer is not None
        self._writer.write(b"".join(map(encode, said)))

    def hang_up(self) -> None:
        assert self._writer is not None
        self._writer.close()


class StandInLinks:
    """A stand-in for a source of links: `read` waits until it may, `watch` gives what it is told."""

    facts = frozenset({"links"})

    def __init__(self, *seen: Observed[Links] | Unseen) -> None:
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.news: asyncio.Queue[Observed[Links] | Unseen | Exception | None] = asyncio.Queue()
        self._seen = list(seen) or [links(1.0)]

    async def read(self) -> Mapping[str, Seen]:
        seen = self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]
        await self.may_read.wait()
        return {"links": seen}

    async def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        while (news := await self.news.get()) is not None:
            if isinstance(news, Exception):
                raise news
            yield {"links": news}

    async def close(self) -> None:
        """Nothing to leave."""


class Listener:
    """Keeps what a watcher is told."""

    def __init__(self) -> None:
        self.facts: asyncio.Queue[Facts] = asyncio.Queue()
        self.losses: asyncio.Queue[str] = asyncio.Queue()
        self.watcher = Watcher(self.facts.put_nowait, self.losses.put_nowait)


Scene = Callable[[Lookout, Helper, StandInLinks], Coroutine[None, None, None]]


def play(folder: Path, helper: Helper, scene: Scene, *seen: Observed[Links] | Unseen) -> None:
    async def run() -> None:
        server = await asyncio.start_unix_server(helper.meet, folder / "look")
        network = StandInLinks(*seen)
        lookout = Lookout(folder / "look", (network,))
        try:
            async with asyncio.timeout(SECONDS):
                await scene(lookout, helper, network)
        finally:
            await lookout.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(run())


def pids(facts: Facts) -> list[int]:
    assert isinstance(facts.programs, Observed)
    return [one.pid for one in facts.programs.value.running]


def test_a_program_that_starts_while_the_links_are_still_read_is_not_lost(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        network.may_read.clear()
        looking = asyncio.create_task(lookout.look(SCOPE))
        await until(lambda: lookout._heard_meanwhile)
        network.may_read.set()
        assert pids(await looking) == [1, 2]
        assert pids(lookout.facts) == [1, 2]

    play(tmp_path, Helper((looked(1, at=10.0), Started(program(2), 11.0))), scene)


def test_news_that_is_older_than_the_look_it_overtook_counts_for_nothing(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        assert pids(await lookout.look(SCOPE)) == [1]

    play(tmp_path, Helper((again(7, at=8.0), Started(program(3), 9.0), looked(1, at=10.0))), scene)


def test_where_no_check_needs_programs_none_are_looked_at_and_all_else_is(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        facts = await lookout.look(replace(SCOPE, facts=frozenset()))
        assert isinstance(facts.programs, Unseen)
        assert facts.links == links(1.0)

    play(tmp_path, Helper((Looked({}),)), scene)


def test_an_old_answer_about_the_links_does_not_hide_a_newer_one(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        network.may_read.clear()
        again = asyncio.create_task(lookout.look(SCOPE))
        network.news.put_nowait(links(5.0, Security.OPEN))
        assert (await told.facts.get()).links == links(5.0, Security.OPEN)
        network.may_read.set()
        assert (await again).links == links(5.0, Security.OPEN)

    answers = ((looked(1, at=1.0),), (looked(1, at=6.0),))
    play(tmp_path, Helper(*answers), scene, links(1.0), links(2.0))


def test_each_start_is_told_to_whoever_watches_and_a_burst_is_told_at_once(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        helper.say(*(Started(program(pid), 11.0) for pid in range(2, 50)), Missed(1, 0, 11.0))
        while len(pids(await told.facts.get())) < 49:
            pass
        assert told.facts.qsize() == 0

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_a_helper_that_goes_between_the_look_and_the_watch_is_a_loss(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        helper.hang_up()
        await until(lambda: lookout._client is None)
        lookout.watch(SCOPE, 60.0, told.watcher)
        assert told.losses.get_nowait() == "it went while it was looked at"

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_a_helper_that_goes_while_a_site_is_open_is_told_once_and_its_successor_is_met_at_the_next_look(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        helper.hang_up()
        assert await told.losses.get() == "the look helper hung up"
        lookout.rest()
        assert pids(await lookout.look(SCOPE)) == [2]
        assert helper.met == 2

    play(tmp_path, Helper((looked(1, at=10.0),), (looked(2, at=12.0),)), scene)


def test_a_look_that_cannot_be_repeated_is_a_loss(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 0.001, told.watcher)
        await until(lambda: len(helper.scopes) == 2)
        helper.hang_up()
        assert await told.losses.get() == "the look helper hung up"

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_a_look_that_never_ends_is_a_loss_for_what_starts_meanwhile_would_be_judged_never(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("agent.daemon.lookout.LONGEST_LOOK", 0.1)

    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        network.may_read.clear()
        lookout.watch(SCOPE, 0.001, told.watcher)
        assert await told.losses.get() == "a look took too long"

    play(tmp_path, Helper(*((looked(1, at=1.0),) for _ in range(2))), scene)


def test_an_error_of_our_own_while_watching_is_a_loss_and_never_silence(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        network.news.put_nowait(ZeroDivisionError())
        assert await told.losses.get() == "ZeroDivisionError"

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_a_listener_that_fails_is_told_of_a_loss(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        def fail(facts: Facts) -> None:
            raise ZeroDivisionError

        losses: asyncio.Queue[str] = asyncio.Queue()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, Watcher(fail, losses.put_nowait))
        helper.say(Started(program(2), 11.0))
        assert await losses.get() == "ZeroDivisionError"

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_two_looks_at_once_share_one_helper_and_each_gets_its_own_answer(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        _, first, second = await asyncio.gather(
            lookout.warm_up(SCOPE), lookout.look(SCOPE), lookout.look(Scope(frozenset()))
        )
        assert (pids(first), pids(second)) == ([1], [])
        assert [scope.uids for scope in helper.scopes] == [{1000}, set()]
        assert helper.met == 1

    play(tmp_path, Helper((looked(1, at=10.0),), (looked(at=11.0),)), scene)


def test_a_look_that_was_given_up_does_not_answer_the_next_one(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        given_up = asyncio.create_task(lookout.look(SCOPE))
        await until(lambda: len(helper.scopes) == 1)
        given_up.cancel()
        looking = asyncio.create_task(lookout.look(Scope(frozenset())))
        await until(lambda: len(helper.scopes) == 2)
        helper.say(looked(1, at=10.0), looked(at=11.0))
        assert pids(await looking) == []

    play(tmp_path, Helper(), scene)


def test_who_rests_is_told_nothing_more(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        lookout.rest()
        helper.say(Started(program(2), 11.0))
        await until(lambda: len(pids(lookout.facts)) == 2)
        assert told.facts.empty()
        assert told.losses.empty()

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_who_rests_lets_the_helper_rest_once_and_a_look_wakes_it(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        lookout.rest()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, Listener().watcher)
        lookout.rest()
        lookout.rest()
        assert pids(await lookout.look(SCOPE)) == [2]
        assert helper.scopes == [SCOPE, Scope(frozenset()), SCOPE]

    play(tmp_path, Helper((looked(1, at=10.0),), (looked(at=11.0),), (looked(2, at=12.0),)), scene)


def test_a_rest_does_not_put_the_helper_to_sleep_under_a_look(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        looking = asyncio.create_task(lookout.look(SCOPE))
        await until(lambda: helper.scopes)
        lookout.rest()
        helper.say(looked(1, at=10.0))
        await looking
        await lookout.look(SCOPE)
        assert helper.scopes == [SCOPE, SCOPE]

    play(tmp_path, Helper((), (looked(1, at=11.0),)), scene)


def test_who_rests_in_the_middle_of_a_repeated_look_lets_the_helper_rest_too(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 0.001, Listener().watcher)
        await until(lambda: len(helper.scopes) == 2)
        lookout.rest()
        await until(lambda: len(helper.scopes) == 3)
        assert helper.scopes[2] == Scope(frozenset())

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_a_helper_that_cannot_see_programs_start_is_no_helper(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        with pytest.raises(LookLost, match="no root namespace"):
            await lookout.look(SCOPE)

    play(tmp_path, Helper(blind="no root namespace"), scene)


def test_the_later_of_two_looks_counts():
    nothing = Unseen("gone", 3.0)
    assert updated(Facts(links=links(2.0)), {"links": nothing}) == Facts(links=nothing)
    assert updated(Facts(links=nothing), {"links": links(2.0)}) == Facts(links=nothing)


def test_a_source_that_ends_is_a_loss_and_never_silence(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        network.news.put_nowait(None)
        assert await told.losses.get() == "nobody watches links any more"

    play(tmp_path, Helper((looked(1, at=10.0),)), scene)


def test_what_is_seen_of_the_laptop_itself_comes_by_another_connection_and_is_among_the_facts(tmp_path: Path):
    clock = Observed(Clock(Told.YES, 0.1), Grade.ROOT, "stand-in", boot_clock())

    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        lookout.mind({"clock": 60.0})
        helper.clock = clock
        facts = await lookout.look(SCOPE)
        assert (facts.clock, pids(facts), helper.met) == (clock, [1], 2)
        assert (await lookout.glance(SCOPE)).facts.clock == clock

    play(tmp_path, Helper((looked(1, at=10.0),), (looked(1, at=11.0),)), scene)


def test_after_a_long_sleep_a_start_is_not_judged_before_a_new_look(tmp_path: Path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("agent.daemon.lookout.boot_clock", lambda: now[0])

    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 10.0, told.watcher)
        now[0] += 3600.0
        helper.say(Started(program(2), now[0]))
        facts = await told.facts.get()
        assert pids(facts) == [1, 2]
        assert facts.programs.at == now[0] + 1.0

    play(tmp_path, Helper((looked(1, at=1000.0),), (looked(1, 2, at=4601.0),)), scene)


def test_the_next_look_is_due_when_the_machine_has_slept_meanwhile(tmp_path: Path, monkeypatch):
    """The event loop's clock stood still while the lid was closed; only the boot clock went on."""
    instants = iter([0.0, 0.0, 3600.0])
    monkeypatch.setattr("agent.daemon.lookout.boot_clock", lambda: next(instants))
    monkeypatch.setattr("agent.daemon.lookout.LONGEST_NAP", 0.001)
    asyncio.run(Lookout(tmp_path / "look", ())._due(60.0))
    assert list(instants) == []


def test_a_crowd_of_starts_is_looked_at_anew_so_that_those_that_ended_are_forgotten(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper, network: StandInLinks) -> None:
        told = Listener()
        await lookout.look(SCOPE)
        lookout.watch(SCOPE, 60.0, told.watcher)
        helper.say(*(Started(program(pid), 11.0) for pid in range(2, 2 + CROWD)))
        await until(lambda: len(helper.scopes) == 2)
        await until(lambda: pids(lookout.facts) == [1])

    play(tmp_path, Helper((looked(1, at=10.0),), (looked(1, at=12.0),)), scene)


async def until(holds: Callable[[], object]) -> None:
    """Let the event loop turn until something holds; the scene's own time-out ends a vain wait."""
    while not holds():
        await asyncio.sleep(0)
