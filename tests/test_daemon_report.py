"""The daemon's report: a look of its own that the gate does not feel, or what is watched anyway."""

import asyncio
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from pathlib import Path

import pytest

from agent import gate
from agent.control.messages import LONGEST_LINE, AskReport, Refused, Reply, Report, encode
from agent.daemon.checkpoint import Sighting
from agent.daemon.desk import Desk
from agent.daemon.jury import Jury
from agent.daemon.lookout import Glance, Lookout
from agent.daemon.readiness import Outlook, readiness
from agent.daemon.reporting import report
from agent.posture.facts import (
    AccessPoint,
    Air,
    Antimalware,
    Boot,
    Clock,
    Exposure,
    Facts,
    Firewall,
    Grade,
    Links,
    Locking,
    Neighbourhood,
    Observed,
    Papers,
    Program,
    Programs,
    Saved,
    SavedNetwork,
    Security,
    Storage,
    Told,
    Unseen,
    Updates,
    UsbStorage,
    Wireless,
)
from agent.posture.facts.device import Paper, RemovableDisk, Scanner, Seal, Volume
from agent.posture.facts.network import Listener, Transport
from agent.posture.policy import load
from agent.posture.verdict import Finding
from agent.probes.client import Scope
from agent.probes.codec import Looked
from agent.problems import problem
from ike.config import Instant
from tests.test_checkpoint import BAD, Stage, play, turns, until
from tests.test_daemon_lookout import Helper, StandInLinks, links, looked
from tests.test_daemon_small import POLICY

JURY = Jury(load(POLICY, "policy.yaml"), b"k" * 32)
WARN = "checks: {apps.unapproved: {unknown: warn}, apps.forbidden: {unknown: warn}}\n"
SCOPE = Scope(frozenset({1000}))


class Glancing:
    """Teaches a stage's lookout to glance: it sees what runs as soon as it may, or says why it cannot."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.scopes: list[Scope] = []
        self.may_look = asyncio.Event()
        self.may_look.set()
        self.lost: str | None = None
        stage.lookout.glance = self.glance  # type: ignore[method-assign]  # the stand-in learns it here

    async def glance(self, scope: Scope) -> Glance:
        self.scopes.append(scope)
        await self.may_look.wait()
        facts = self.stage.lookout.facts
        if self.lost is None:
            return Glance(facts)
        return Glance(Facts(Unseen(self.lost, self.stage.clock.boot), facts.links), self.lost)


async def ask(stage: Stage, uid: int = 1000) -> Report:
    desk = Desk()
    desk.open_for(stage.checkpoint)
    (reply,) = [reply async for reply in desk.answer(AskReport(), uid)]
    assert isinstance(reply, Report)
    return reply


AT_1, AT_1000 = Instant(1.0, 0.0), Instant(1000.0, 0.0)
BUILT = (
    *("apps.unapproved", "apps.forbidden", "apps.antimalware"),
    *("wifi.trust", "wifi.autojoin", "wifi.twin", "network.hostile", "network.turnaround"),
    *("device.encryption", "device.firewall", "device.updates", "device.lock", "device.usb"),
    *("device.clock", "device.boot", "device.identity"),
)
LOOKED_AT = ("apps.unapproved", "apps.forbidden", "wifi.trust", "wifi.twin")


def outcomes(told: Report) -> dict[str, str]:
    """Give what the checks answered whose facts the stand-ins show; nobody looks for the others."""
    assert tuple(finding.code for finding in told.findings) == BUILT
    return {finding.code: finding.outcome for finding in told.findings if finding.code in LOOKED_AT}


def test_a_report_looks_for_the_asker_and_changes_nothing(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        glancing, news = Glancing(stage), stage.checkpoint.news.listen()
        told = await ask(stage, 2000)
        assert (told.allowed, told.policy_serial, told.problem) == (True, 1, None)
        assert told.at == "2027-01-15T08:00:00+00:00"
        assert outcomes(told) == dict.fromkeys(LOOKED_AT, "pass")
        assert [scope.uids for scope in glancing.scopes] == [{2000}]
        assert (stage.state, news.qsize(), stage.lookout.scopes) == (gate.Idle(), 0, [])
        assert not (tmp_path / "events.jsonl").read_text()
        stage.checkpoint.news.forget(news)

    play(tmp_path, scene)


def test_what_would_refuse_is_told_with_all_that_a_refusal_tells(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        Glancing(stage)
        stage.lookout.running = BAD
        told = await ask(stage)
        assert (told.allowed, outcomes(told)["apps.unapproved"]) == (False, "fail")
        stage.ask()
        await stage.reach(gate.Refused)
        assert isinstance(stage.state, gate.Refused)
        (refusal,) = stage.state.reasons
        (finding,) = [one for one in told.findings if one.outcome == "fail"]
        assert isinstance(refusal, Finding)
        assert (finding.seen, finding.remedy, finding.who) == (refusal.seen, refusal.remedy, refusal.who.value)
        assert (finding.response, finding.grade, finding.method) == ("refuse", "B", "stand-in")

    play(tmp_path, scene)


def test_a_refusal_that_stands_is_neither_taken_back_nor_repeated_by_a_report(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        Glancing(stage)
        stage.lookout.running = BAD
        stage.ask()
        await stage.reach(gate.Refused)
        before, stage.lookout.running = stage.state, ()
        assert (await ask(stage)).allowed
        assert stage.state is before

    play(tmp_path, scene)


def test_while_a_site_is_open_what_is_watched_is_told_and_its_age(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        glancing = Glancing(stage)
        await stage.open()
        told = await ask(stage, 2000)
        assert (told.allowed, glancing.scopes) == (True, [])
        assert stage.is_in(gate.Open)

    play(tmp_path, scene)


def test_a_lost_helper_is_unknown_and_would_refuse_even_where_the_policy_only_warns(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        glancing = Glancing(stage)
        glancing.lost = "the look helper does not answer"
        told = await ask(stage)
        unknown = {"apps.unapproved": "unknown", "apps.forbidden": "unknown"}
        assert outcomes(told) == dict.fromkeys(LOOKED_AT, "pass") | unknown
        assert "does not answer" in told.findings[0].seen.en
        assert (told.findings[0].grade, told.findings[0].method, told.findings[0].response) == (None, "", "warn")
        assert told.problem is not None
        assert (told.allowed, told.problem.code) == (False, "look.lost")
        assert stage.state == gate.Idle()

    play(tmp_path, scene, WARN)


def test_a_connect_that_comes_while_a_report_looks_is_not_held_up(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        glancing = Glancing(stage)
        glancing.may_look.clear()
        asking = asyncio.create_task(ask(stage, 2000))
        await until(lambda: glancing.scopes)
        await stage.open()
        glancing.may_look.set()
        assert (await asking).allowed
        assert [scope.uids for scope in stage.lookout.watched] == [{1000}]
        assert stage.is_in(gate.Open)

    play(tmp_path, scene)


def test_an_asker_that_hangs_up_leaves_nothing_behind(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        glancing = Glancing(stage)
        glancing.may_look.clear()
        asking = asyncio.create_task(ask(stage))
        await until(lambda: glancing.scopes)
        asking.cancel()
        await turns()
        assert asking.cancelled()
        assert stage.state == gate.Idle()

    play(tmp_path, scene)


def test_without_a_policy_there_is_nothing_to_judge_by():
    async def scene() -> list[Reply]:
        desk = Desk()
        desk.close_for(problem("policy.missing"))
        return [reply async for reply in desk.answer(AskReport(), 0)]

    (told,) = asyncio.run(scene())
    assert isinstance(told, Refused)
    assert [reason.code for reason in told.reasons] == ["policy.missing"]


def test_a_fact_that_is_too_old_to_judge_is_told_with_its_age():
    facts = Facts(seen((), 100.0), Observed(Links(()), Grade.ROOT, "bus", 100.0))
    told = report(JURY, Sighting(facts, JURY.judge(facts, AT_1000), AT_1000, None))
    known = [finding for finding in told.findings if finding.code in LOOKED_AT]
    assert {(finding.outcome, finding.age, finding.grade) for finding in known} == {("unknown", 900.0, "B")}
    assert not told.allowed


@pytest.mark.parametrize("count", [3, 40])
def test_the_longest_names_fit_into_one_line(count: int):
    """Each character takes the most room on the line: twelve bytes, as two escaped halves."""
    jury, facts = Jury(load(hostile_policy(), "policy.yaml"), b"k" * 32), hostile_facts(count)
    told = report(jury, Sighting(facts, jury.judge(facts, AT_1), AT_1, "𠮷" * 4000))
    assert [finding.outcome for finding in told.findings] == ["fail"] * len(BUILT)
    ahead = readiness(Outlook(AT_1, 1, jury.foresee(facts, AT_1, 1e6), (), "𠮷" * 4000))
    assert len(ahead.coming) == len(BUILT)
    for reply in (told, ahead):
        assert len(encode(reply)) < LONGEST_LINE


def hostile_facts(count: int) -> Facts:
    """A laptop on which everything fails, with names as long as they get."""
    paths = tuple(f"/{number:02}/{'𠮷' * 4000}" for number in range(count))
    station = Wireless("wlan0", "𠮷".encode() * 8, "02:00:00:00:00:01", Security.OPEN)
    stored = tuple(SavedNetwork(bytes([number]) + station.ssid[:31], Security.OPEN, True) for number in range(count))
    return Facts(
        programs=seen(paths, 1.0),
        links=Observed(Links((station,)), Grade.ROOT, "bus", 1.0),
        air=Observed(Air((), (AccessPoint(station.ssid, station.bssid, Security.ENTERPRISE),)), Grade.ROOT, "bus", 1.0),
        saved=Observed(Saved(stored), Grade.ROOT, "bus", 1.0),
        neighbourhood=Observed(Neighbourhood((), (), (), portal=Told.YES), Grade.ROOT, "bus", 1.0),
        exposure=Observed(exposed(count), Grade.ROOT, "kernel", 1.0),
        firewall=Observed(Firewall(Told.NO), Grade.ROOT, "rules", 1.0),
        **laptop(count),
    )


def exposed(count: int) -> Exposure:
    waiting = (Listener(Transport.TCP, ip_address("::"), 60_000 + number, 0, Told.YES) for number in range(count))
    links = tuple("𠮷" * 15 for _ in range(count))
    return Exposure(tuple(waiting), links, links, links, tuple(range(60_000, 60_000 + count)), links, links)


def laptop(count: int) -> dict[str, Observed]:
    """A laptop of which nothing is as it should be, with names as long as they get."""
    names = tuple(f"{number:02}{'𠮷' * 4000}" for number in range(count))
    found = {
        "antimalware": Antimalware(tuple(Scanner(name, False, None, Told.NO) for name in names)),
        "storage": Storage(tuple(Volume(name, Seal.NONE) for name in names)),
        "updates": Updates(names[0], None, names, None),
        "locking": Locking(Told.NO, None, names, names),
        "usb": UsbStorage(Told.NO, tuple(RemovableDisk(name, True, True, Told.NO) for name in names)),
        "clock": Clock(Told.NO, None),
        "boot": Boot(Told.NO, "none", False),
        "papers": Papers(tuple(Paper(name, 0.0, 1.0, Told.NO) for name in names)),
    }
    return {name: Observed(value, Grade.ROOT, "root", 1.0) for name, value in found.items()}


def hostile_policy() -> str:
    wide = "𠮷" * 120
    forbidden = "".join(f"    - {{title: {number}{wide[:119]}, path: /{number:02}/*}}\n" for number in range(3))
    own = "".join(f"    - {{ssid: own{number}, title: {number}{wide[:119]}}}\n" for number in range(3))
    called = f"help_desk: {{en: {wide}, ja: {wide}, phone: {wide}}}"
    strict = "".join(f"  {check}: {{fail: refuse}}\n" for check in BUILT)
    policy = POLICY.replace("help_desk: {en: the help desk, ja: ヘルプデスク, phone: 1234}", called)
    return f"{policy}checks:\n{strict}apps:\n  forbidden:\n{forbidden}wifi:\n  own:\n{own}"


def seen(paths: tuple[str, ...], at: float) -> Observed[Programs]:
    running = tuple(Program(number, 1, 1000, "x", path, None) for number, path in enumerate(paths, 1))
    return Observed(Programs(running, 0, 0), Grade.ROOT, "proc", at)


Scene = Callable[[Lookout, Helper], Coroutine[None, None, None]]


def look(folder: Path, helper: Helper, scene: Scene) -> None:
    async def run() -> None:
        server = await asyncio.start_unix_server(helper.meet, folder / "look")
        lookout = Lookout(folder / "look", (StandInLinks(links(5.0)),))
        try:
            async with asyncio.timeout(10):
                await scene(lookout, helper)
        finally:
            await lookout.close()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(run())


def test_a_glance_has_a_connection_of_its_own_and_leaves_what_is_kept(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper) -> None:
        kept = await lookout.look(SCOPE)
        glance = await lookout.glance(Scope(frozenset({2000})))
        assert glance == Glance(Facts(looked(8, at=6.0).facts["programs"], links(5.0)))
        assert (lookout.facts, helper.met) == (kept, 2)
        assert [scope.uids for scope in helper.scopes] == [{1000}, {2000}]

    look(tmp_path, Helper((looked(7, at=5.0),), (looked(8, at=6.0),)), scene)


def test_glances_take_turns(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper) -> None:
        glances = await asyncio.gather(*(lookout.glance(SCOPE) for _ in range(5)))
        assert [glance.lost for glance in glances] == [None] * 5
        assert helper.met == 5

    look(tmp_path, Helper(*((looked(7, at=5.0),) for _ in range(5))), scene)


def test_a_glance_without_a_helper_still_sees_the_links(tmp_path: Path):
    async def run() -> Glance:
        return await Lookout(tmp_path / "nobody", (StandInLinks(links(5.0)),)).glance(SCOPE)

    glance = asyncio.run(run())
    assert isinstance(glance.facts.programs, Unseen)
    assert glance.lost == glance.facts.programs.why
    assert "cannot be reached" in glance.lost
    assert glance.facts.links == links(5.0)


def test_a_helper_that_cannot_see_programs_start_counts_as_lost(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper) -> None:
        glance = await lookout.glance(SCOPE)
        assert (glance.lost, helper.scopes) == ("it cannot see programs start: no right", [])

    look(tmp_path, Helper(blind="no right"), scene)


def test_a_helper_that_could_not_look_is_not_lost(tmp_path: Path):
    async def scene(lookout: Lookout, helper: Helper) -> None:
        glance = await lookout.glance(SCOPE)
        assert (glance.facts.programs, glance.lost) == (Unseen("no /proc", 5.0), None)

    look(tmp_path, Helper((Looked({"programs": Unseen("no /proc", 5.0)}),)), scene)
