"""Knows that what will refuse is told in time, on request and once a day, and that telling it changes nothing."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import gate
from agent.control.messages import AskReady, AskStatus, Readiness, Reply, Status
from agent.daemon import readiness as room
from agent.daemon.desk import Desk
from agent.daemon.readiness import Outlook, daily, is_due, look_ahead
from agent.daemon.registrations import Registration
from agent.posture.checks.wifi import Strength
from agent.posture.facts import Papers, Saved, SavedNetwork, Security, Told, Updates, Wireless
from agent.posture.facts.device import Paper
from agent.posture.policy.schedule import OfficeHours
from ike.config import Instant
from tests.test_checkpoint import BAD, Stage, play, turns, until
from tests.test_daemon_report import Glancing

HOUR, DAY = 3600.0, 86_400.0
NOW = 1_800_000_000.0  # the stage's clock: Friday, 15 January 2027, 8:00 in Greenwich
STRICT = "checks: {device.identity: {fail: refuse}}\n"
NIGHT_SHIFT = "office_hours: {from: '00:00', to: '23:59', days: [mon, tue, wed, thu, fri, sat, sun]}\n"


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let local time be Greenwich's."""
    with monkeypatch.context() as here:
        here.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def ends_in(stage: Stage, seconds: float) -> None:
    """Let the device certificate end so many seconds from now."""
    stage.lookout.more["papers"] = Papers((Paper("main", 0.0, NOW + seconds, Told.YES),))


async def ask(stage: Stage, desk: Desk | None = None) -> Readiness:
    Glancing(stage)
    desk = desk or Desk()
    desk.open_for(stage.checkpoint)
    (reply,) = [reply async for reply in desk.answer(AskReady(), 1000)]
    assert isinstance(reply, Readiness)
    return reply


async def warned(desk: Desk) -> list[tuple[str, str]]:
    """Give code and sentence of what a status warns of."""
    (reply,) = [reply async for reply in desk.answer(AskStatus(), 1000)]
    assert isinstance(reply, Status)
    return [(one.code, one.seen.en) for one in reply.warnings]


def test_a_laptop_with_nothing_to_come_is_ready(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        told = await ask(stage)
        assert told == Readiness("2027-01-15T08:00:00+00:00", 1, True, (), None)
        assert stage.state == gate.Idle()

    play(tmp_path, scene)
    assert not (tmp_path / "events.jsonl").read_text()


@pytest.mark.parametrize(("ends", "when", "ready"), [(10 * HOUR, "soon", False), (9 * DAY, "later", True)])
def test_a_certificate_that_ends_is_told_with_its_date_and_warned_of_within_a_day(
    tmp_path: Path, ends: float, when: str, ready: bool
):
    async def scene(stage: Stage) -> None:
        ends_in(stage, ends)
        desk = Desk()
        told = await ask(stage, desk)
        assert [(one.code, one.when, one.who) for one in told.coming] == [("device.identity", when, "it")]
        assert told.coming[0].at is not None
        assert "ended on" in told.coming[0].seen.en
        assert told.ready is ready
        codes = [code for code, _ in await warned(desk)]
        assert codes == ([] if ready else ["device.identity"])
        if not ready:
            ((_, sentence),) = await warned(desk)
            assert "this will refuse the connection" in sentence

    play(tmp_path, scene, STRICT)


def test_what_refuses_now_is_told_but_is_no_warning_for_it_may_be_gone_the_next_moment(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        desk = Desk()
        told = await ask(stage, desk)
        assert [(one.code, one.when, one.at) for one in told.coming] == [("apps.unapproved", "now", None)]
        assert not told.ready
        assert await warned(desk) == []

    play(tmp_path, scene)


def test_nobody_who_could_look_is_told_as_the_problem(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        glancing = Glancing(stage)
        glancing.lost = "it hung up"
        desk = Desk()
        desk.open_for(stage.checkpoint)
        (told,) = [reply async for reply in desk.answer(AskReady(), 1000)]
        assert isinstance(told, Readiness)
        assert told.problem is not None
        assert (told.ready, told.problem.code) == (False, "look.lost")

    play(tmp_path, scene)


def test_a_wanted_restart_is_a_notice(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.more["updates"] = Updates("Debian 12", NOW + 900 * DAY, (), 0.0, reboot_wanted=True)
        told = await ask(stage)
        assert [(one.code, one.when, one.at) for one in told.coming] == [("device.updates", "notice", None)]
        assert "restart" in told.coming[0].seen.en
        assert told.ready

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("policy", "named"), [("wifi: {protected: refuse}\n", True), ("", False)], ids=["refuses", "allows"]
)
def test_stored_networks_that_nobody_registered_are_a_notice_where_the_policy_refuses_them(
    tmp_path: Path, policy: str, named: bool
):
    async def scene(stage: Stage) -> None:
        stored = [SavedNetwork(name, Security.WPA2_PSK, True) for name in (b"aunt", b"home", b"\xff\x1b")]
        stored.append(SavedNetwork(b"hospital", Security.ENTERPRISE, True))
        stored.append(SavedNetwork(b"never", Security.SAE, False))
        stored.append(SavedNetwork(b"here", Security.SAE, True))
        stage.lookout.more["saved"] = Saved(tuple(stored))
        stage.lookout.wireless = (Wireless("wlan0", b"here", "02:00:00:00:00:01", Security.SAE),)
        stage.checkpoint.jury.registrations.add(Registration(b"home", "Home", Strength.WPA2, 1000, 1.0))
        told = await ask(stage)
        notices = [one for one in told.coming if one.when == "notice"]
        assert bool(notices) is named
        for one in notices:
            assert "'\\xff\\u001b', 'aunt'" in one.seen.en
            assert not [word for word in ("'home'", "'hospital'", "'never'", "'here'") if word in one.seen.en]
            assert "sekisho network add" in one.remedy.ja

    play(tmp_path, scene, policy)


def test_a_warning_ends_with_its_date_and_with_its_policy(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        ends_in(stage, 10 * HOUR)
        outlook = await look_ahead(stage.checkpoint, None)
        assert [one.code for one in room.warnings(outlook, 1, NOW)] == ["device.identity"]
        assert room.warnings(outlook, 1, NOW + 10 * HOUR) == ()
        assert room.warnings(outlook, 2, NOW) == ()
        assert room.warnings(None, 1, NOW) == ()

    play(tmp_path, scene, STRICT)


def test_the_daily_look_leaves_programs_alone_and_records_codes_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(room, "NAP", 0.0)

    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        ends_in(stage, 10 * HOUR)
        kept: list[Outlook] = []
        looking = asyncio.create_task(daily(stage.checkpoint, kept.append))
        await until(lambda: kept)
        await turns(50)
        assert [one.codes("soon") for one in kept] == [("device.identity",)]  # once, however long one waits
        stage.clock.boot += 20 * HOUR
        await until(lambda: len(kept) > 1)
        looking.cancel()

    play(tmp_path, scene, STRICT + NIGHT_SHIFT)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(one["event"], one["refuses_now"], one["refuses_soon"]) for one in lines] == [
        ("readied", [], ["device.identity"])
    ] * 2


def test_the_daily_look_comes_in_office_hours_after_the_devices_own_minute_and_half_a_day_apart():
    hours = OfficeHours()
    nine = NOW + HOUR

    def due(wall: float, last: float | None = None, share: float = 0.5, boot: float = 1e6) -> bool:
        return is_due(hours, Instant(boot, wall), 0.0, share, last)

    assert [due(nine + minutes * 60) for minutes in (-1, 0, 29, 30, 7 * 60, 8 * 60)] == [
        *(False, False, False),
        *(True, True, False),
    ]
    assert not due(nine + HOUR + DAY), "on a Saturday nobody answers the phone"
    assert not due(nine + HOUR, last=1e6 - 11 * HOUR)
    assert due(nine + HOUR, last=1e6 - 13 * HOUR)
    assert not due(nine + HOUR - 3 * DAY, last=1e6 - HOUR), "a clock set back brings no second look"


def test_local_time_decides_what_office_hours_are():
    tokyo = 9 * HOUR
    assert is_due(OfficeHours(), Instant(1.0, NOW - 7 * HOUR), tokyo, 0.0, None)
    assert not is_due(OfficeHours(), Instant(1.0, NOW), tokyo + 3 * HOUR, 0.0, None)


def test_each_device_has_its_own_minute():
    shares = {room._share(bytes([number]) * 32) for number in range(50)}
    assert len(shares) == 50
    assert all(0 <= share < 1 for share in shares)


def test_while_a_site_is_open_what_is_watched_is_looked_at_and_nothing_else(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.wireless = (Wireless("wlan0", b"home", "02:00:00:00:00:01", Security.SAE),)
        ends_in(stage, 10 * HOUR)
        await stage.open()
        looks = len(stage.lookout.scopes)
        assert (await look_ahead(stage.checkpoint, None)).codes("soon") == ("device.identity",)
        assert len(stage.lookout.scopes) == looks
        assert stage.is_in(gate.Open)

    play(tmp_path, scene, STRICT)


def test_without_a_policy_nothing_can_be_foreseen():
    async def scene() -> list[Reply]:
        return [reply async for reply in Desk().answer(AskReady(), 0)]

    assert [reply.name for reply in asyncio.run(scene())] == ["refused"]
