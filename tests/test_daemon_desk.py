"""What people are told of a countdown: how long is left, once when it starts and once when it is over."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from agent import gate
from agent.control.messages import AskStatus, Reply, Status, Watch
from agent.daemon.desk import Desk
from tests.test_checkpoint import Stage, play

COUNTDOWN = "checks: {apps.unapproved: {cut: countdown, countdown: 40s}}\n"
STRANGER = "/tmp/stranger"


def desk_of(stage: Stage) -> Desk:
    desk = Desk()
    desk.open_for(stage.checkpoint)
    return desk


async def status(stage: Stage) -> Status:
    return told(await anext(desk_of(stage).answer(AskStatus(), 0)))


def told(reply: Reply) -> Status:
    assert isinstance(reply, Status)
    return reply


def test_a_status_tells_how_long_is_left_and_why(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        assert (await status(stage)).cut_in is None
        stage.lookout.change(STRANGER)
        stage.clock.boot += 15
        counting = await status(stage)
        assert (counting.state, counting.cut_in) == ("open", 25.0)
        assert [reason.code for reason in counting.reasons] == ["apps.unapproved"]
        stage.lookout.change()
        assert (await status(stage)).cut_in is None
        assert isinstance(stage.state, gate.Open)

    play(tmp_path, scene, COUNTDOWN)


def test_a_watcher_hears_of_a_countdown_when_it_starts_and_when_it_stops(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        news: AsyncIterator[Reply] = desk_of(stage).answer(Watch(), 0)
        assert told(await anext(news)).cut_in is None
        stage.lookout.change(STRANGER)
        assert told(await anext(news)).cut_in == 40.0
        stage.lookout.change()
        assert told(await anext(news)).cut_in is None

    play(tmp_path, scene, COUNTDOWN)


def test_nothing_stays_open_when_the_countdown_is_over(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.lookout.change(STRANGER)
        stage.clock.boot += 41
        stage.checkpoint.happen(gate.Tick())
        await stage.reach(gate.Refused)
        assert (await asyncio.wait_for(status(stage), 5)).cut_in is None

    play(tmp_path, scene, COUNTDOWN)
