"""The checkpoint's narrower and wider ways: service, emergency, inside, and back by itself, as people are told."""

import json
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from agent import gate
from agent.control.messages import AskStatus, Connect, Disconnect, Done, Emergency, Refused, Reply, Status, Watch
from agent.daemon import renewal
from agent.daemon.desk import Desk
from agent.daemon.fetching import Fetched
from agent.daemon.jury import named_users
from agent.posture.facts import Told
from agent.posture.policy import Policy, load
from agent.problems import Problem, Trouble, problem
from tests.test_checkpoint import BAD, Stage, play, turns, until
from tests.test_daemon_small import POLICY

SERVICE = "    service: {networks: 10.50.0.16/28, policy_url: 'https://policy.hospital.test/p.yaml'}\n"
EMERGENCY = """\
emergency:
  reasons: {patient: {en: A patient is in danger, ja: 患者に危険が迫っている}}
  overridable: [apps.unapproved]
  networks: [10.50.0.32/28, 192.168.0.0/24]
  minutes: 30
"""
WEST = POLICY[POLICY.index("  main:") :].replace("main:", "west:").replace("10.50.0.0/24", "10.51.0.0/16")
BACK = "    comes_back: 10m\n"
INSIDE = f"    inside: {{beacon: beacon.hospital.test, certificate: {'ab' * 32}}}\n"
FULL, NARROW, URGENT = (IPv4Network(f"10.50.0.{last}") for last in ("0/24", "16/28", "32/28"))


async def ask(stage: Stage, *requests: Connect | Disconnect | Emergency | AskStatus, uid: int = 0) -> Reply:
    """Ask at the desk, one after the other, and give the last reply to the last request."""
    desk = Desk()
    desk.open_for(stage.checkpoint)
    for request in requests:
        replies = [reply async for reply in desk.answer(request, uid)]
    return replies[-1]


async def status(stage: Stage) -> Status:
    told = await ask(stage, AskStatus())
    assert isinstance(told, Status)
    return told


def codes(reply: Reply) -> list[str]:
    assert isinstance(reply, Refused | Status)
    return [reason.code for reason in reply.reasons]


def events(stage: Stage) -> list[dict[str, object]]:
    return [json.loads(line) for line in stage._log.read_text().splitlines()]


async def serve(stage: Stage) -> None:
    """Be refused, and have the narrow way opened."""
    stage.lookout.running = BAD
    assert codes(await ask(stage, Connect())) == ["apps.unapproved"]
    await until(lambda: stage.passages and stage.passage.began)
    stage.passage.may_open.set()
    await until(lambda: stage.checkpoint.carried)
    await turns()


def test_a_refused_machine_reaches_the_service_networks_and_is_told_for_how_long(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await serve(stage)
        stage.clock.boot += 60
        told = await status(stage)
        assert (told.state, told.site, told.ends_in, codes(told)) == ("service", "main", 840.0, ["apps.unapproved"])
        assert stage.passage.site.networks == (NARROW,)
        assert stage.recorded() == ["looked", "refused", "opened"]
        assert events(stage)[-1]["reach"] == "service"
        assert stage.lookout.watching is None
        stage.clock.boot += 841
        stage.checkpoint.happen(gate.Tick())
        await stage.reach(gate.Refused)
        assert stage.codes() == ["apps.unapproved"]
        assert stage.passage.closed

    play(tmp_path, scene, SERVICE)


def test_whoever_asks_again_in_service_is_let_in_once_cured_and_told_why_not_before(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await serve(stage)
        assert codes(await ask(stage, Connect())) == ["apps.unapproved"]
        assert stage.is_in(gate.Service)
        stage.lookout.running = ()
        assert stage.ask() is None
        await until(lambda: len(stage.passages) == 2 and stage.passage.began)
        assert stage.passages[0].closed
        stage.passage.may_open.set()
        await stage.reach(gate.Open)
        assert stage.passage.site.networks == (FULL,)
        assert [one["why"] for one in events(stage) if one["event"] == "closed"] == ["healed"]

    play(tmp_path, scene, SERVICE)


def test_a_disconnect_in_service_ends_it(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await serve(stage)
        assert isinstance(await ask(stage, Disconnect()), Done)
        assert stage.is_in(gate.Idle)
        await turns()
        assert len(stage.passages) == 1

    play(tmp_path, scene, SERVICE)


class Server:
    """A policy server that gives what it is told to, and the policies that are accepted from it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gives: bytes | None = None
        self.asked: list[tuple[str, str]] = []
        self.judged = 0
        monkeypatch.setattr(renewal, "fetch_policy", self.fetch)

    async def fetch(self, url: str, interface: str) -> Fetched:
        self.asked.append((url, interface))
        if self.gives is None:
            raise Trouble("policy.unfetched", "connection refused")
        return Fetched(self.gives, b"signature")

    def accept(self, candidate: bytes, signature: bytes | None, where: str) -> Policy | Problem:
        self.judged += 1
        if signature != b"signature" or b"serial" not in candidate:
            return problem("policy.invalid", "not a policy")
        return load(candidate.decode(), where)


def test_a_bad_policy_is_healed_by_a_newer_one_and_the_site_opens_by_itself(tmp_path: Path, monkeypatch):
    server = Server(monkeypatch)

    async def scene(stage: Stage) -> None:
        await serve(stage)
        await until(lambda: server.asked == [("https://policy.hospital.test/p.yaml", "sekisho0")])
        for gives in (b"garbage", (POLICY + SERVICE).encode()):
            server.gives = gives
            stage.clock.boot += 60
            stage.checkpoint.happen(gate.Tick())
            await turns()
            assert stage.is_in(gate.Service)
        relaxed = (POLICY + SERVICE + "checks: {apps.unapproved: {fail: warn}}\n").replace("serial: 1", "serial: 2")
        server.gives = relaxed.encode()
        stage.clock.boot += 60
        stage.checkpoint.happen(gate.Tick())
        await until(lambda: len(stage.passages) == 2 and stage.passage.began)
        stage.passage.may_open.set()
        await stage.reach(gate.Open)
        told = await status(stage)
        assert told.policy_serial == 2
        assert "apps.unapproved" in [warning.code for warning in told.warnings]

    play(tmp_path, scene, SERVICE, server.accept)


def test_the_same_answer_is_not_judged_each_minute(tmp_path: Path, monkeypatch):
    server = Server(monkeypatch)
    server.gives = b"garbage"

    async def scene(stage: Stage) -> None:
        await serve(stage)
        for count in range(2, 5):
            stage.clock.boot += 60
            stage.checkpoint.happen(gate.Tick())
            await until(lambda count=count: len(server.asked) == count)
            await turns()
        assert server.judged == 1

    play(tmp_path, scene, SERVICE, server.accept)


def test_a_policy_that_comes_too_early_is_judged_again_for_the_clock_may_be_set_right(tmp_path: Path, monkeypatch):
    server = Server(monkeypatch)
    server.gives = (POLICY + SERVICE + "checks: {apps.unapproved: {fail: warn}}\n").encode()
    clock = {"is": "wrong"}

    def accept(candidate: bytes, signature: bytes | None, where: str) -> Policy | Problem:
        policy = server.accept(candidate, signature, where)
        return problem("policy.early") if clock["is"] == "wrong" else policy

    async def scene(stage: Stage) -> None:
        await serve(stage)
        await until(lambda: server.judged == 1)
        clock["is"] = "right"
        stage.clock.boot += 60
        stage.checkpoint.happen(gate.Tick())
        await until(lambda: len(stage.passages) == 2 and stage.passage.began)
        stage.passage.may_open.set()
        await stage.reach(gate.Open)

    play(tmp_path, scene, SERVICE, accept)


def test_a_policy_that_names_the_site_no_more_closes_it(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.checkpoint.adopt(load(POLICY.replace("  main:", "  other:"), "policy.yaml"))
        await stage.reach(gate.Idle)
        assert events(stage)[-1]["why"] == "policy"

    play(tmp_path, scene)


def test_a_policy_that_refuses_cuts_what_is_open(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.checkpoint.adopt(load(POLICY + "checks: {apps.unapproved: {fail: warn}}\n", "policy.yaml"))
        stage.lookout.running = BAD
        await stage.open()
        stage.checkpoint.adopt(load(POLICY, "policy.yaml"))
        await stage.reach(gate.Refused)
        assert stage.codes() == ["apps.unapproved"]

    play(tmp_path, scene)


def test_an_emergency_is_narrowed_counted_down_and_recorded(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        desk = Desk()
        desk.open_for(stage.checkpoint)
        replies: AsyncIterator[Reply] = desk.answer(Emergency("patient"), 0)
        await anext(replies)
        await until(lambda: stage.passages and stage.passage.began)
        stage.passage.may_open.set()
        assert [reply async for reply in replies][-1].name == "done"
        assert stage.passage.site.networks == (URGENT,)
        stage.clock.boot += 600
        told = await status(stage)
        assert (told.state, told.ends_in, codes(told)) == ("emergency", 1200.0, ["apps.unapproved"])
        assert told.emergency
        assert [choice.code for choice in told.emergency.reasons] == ["patient"]
        assert await ask(stage, Emergency("patient")) == await ask(stage, Connect())
        stage.clock.boot += 1200
        stage.checkpoint.happen(gate.Tick())
        await stage.reach(gate.Refused)
        assert stage.codes() == ["emergency.over"]
        opened, closed = (one for one in events(stage) if str(one["event"]).startswith("emergency"))
        assert (opened["reason"], opened["user"], opened["seconds"]) == ("patient", 0, 1800.0)
        assert [one["check"] for one in opened["checks"]] == ["apps.unapproved"]
        assert (closed["reason"], closed["why"], closed["seconds"]) == ("patient", "time", 1800.0)

    play(tmp_path, scene, EMERGENCY)


@pytest.mark.parametrize(
    ("policy", "reason", "uid", "code"),
    [
        (EMERGENCY, "boredom", 0, "emergency.reason"),
        (EMERGENCY + "  users: [4321]\n", "patient", 1000, "emergency.denied"),
        (EMERGENCY + "  users: people\n", "patient", 33, "emergency.denied"),
        (WEST + EMERGENCY.replace("10.50.0.32/28", "10.51.0.0/16"), "patient", 0, "emergency.off"),
        ("", "patient", 0, "emergency.off"),
        (EMERGENCY.replace("apps.unapproved", "wifi.trust"), "patient", 0, "apps.unapproved"),
    ],
)
def test_an_emergency_that_the_policy_does_not_grant_is_refused_with_words(
    tmp_path: Path, policy: str, reason: str, uid: int, code: str
):
    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        assert codes(await ask(stage, Emergency(reason), uid=uid)) == [code]
        assert stage.passages == []

    play(tmp_path, scene, policy)


def test_the_numbers_of_those_who_may_in_an_emergency_are_asked_ahead():
    assert named_users(load(POLICY + EMERGENCY + "  users: [sato, 4321]\n", "policy.yaml")) == {"sato"}


def test_what_was_cut_comes_back_by_itself_and_people_are_told_that_it_may(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.lookout.change(*BAD)
        await stage.reach(gate.Refused)
        stage.clock.boot += 100
        assert ((await status(stage)).comes_back_in, stage.passage.closed) == (500.0, True)
        stage.lookout.change()
        await until(lambda: len(stage.passages) == 2 and stage.passage.began)
        stage.passage.may_open.set()
        await stage.reach(gate.Open)
        assert (await status(stage)).comes_back_in is None
        assert stage.recorded() == ["looked", "opened", "refused", "looked", "closed", "looked", "opened"]

    play(tmp_path, scene, BACK)


def test_nobody_watches_any_more_when_the_time_to_come_back_is_over_or_somebody_disconnects(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        for _ in range(2):
            stage.lookout.running = ()
            await stage.open()
            stage.lookout.change(*BAD)
            await stage.reach(gate.Refused)
            assert stage.lookout.watching is not None
            if stage.passages[1:]:
                assert isinstance(await ask(stage, Disconnect()), Done)
                stage.withdraw()
            else:
                stage.clock.boot += 601
                stage.checkpoint.happen(gate.Tick())
            assert stage.lookout.watching is None

    play(tmp_path, scene, BACK)


def test_a_cut_is_served_and_comes_back_out_of_service(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        await stage.open()
        stage.lookout.change(*BAD)
        await until(lambda: len(stage.passages) == 2 and stage.passage.began)
        stage.passage.may_open.set()
        await until(lambda: stage.checkpoint.carried)
        assert (await status(stage)).comes_back_in == 600.0
        stage.lookout.change()
        await until(lambda: len(stage.passages) == 3 and stage.passage.began)
        assert [one.site.networks for one in stage.passages] == [(FULL,), (NARROW,), (FULL,)]
        stage.passage.may_open.set()
        await stage.reach(gate.Open)

    play(tmp_path, scene, SERVICE + BACK)


def test_inside_nothing_is_opened_and_a_watcher_hears_when_it_is_left(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.inside = Told.YES
        done = await ask(stage, Connect())
        assert isinstance(done, Done)
        assert (done.status.state, done.status.tunnel) == ("inside", None)
        assert stage.passages == []
        desk = Desk()
        desk.open_for(stage.checkpoint)
        heard: AsyncIterator[Reply] = desk.answer(Watch(), 0)
        assert isinstance(await anext(heard), Status)
        stage.lookout.inside = Told.NO
        stage.lookout.change()
        told = await anext(heard)
        assert isinstance(told, Status)
        assert told.state == "idle"
        assert stage.lookout.watching is None
        assert stage.recorded() == ["looked", "entered", "left"]

    play(tmp_path, scene, INSIDE)


def test_whoever_leaves_the_lan_is_connected_by_tunnel_where_the_policy_brings_back(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.inside = Told.YES
        await ask(stage, Connect())
        stage.lookout.inside = Told.NO
        stage.lookout.change()
        await until(lambda: stage.passages and stage.passage.began)
        stage.passage.may_open.set()
        await stage.reach(gate.Open)

    play(tmp_path, scene, INSIDE + BACK)


@pytest.mark.parametrize("moment", ["inside", "service", "service, setting up", "emergency", "waiting"])
def test_the_end_of_the_daemon_leaves_nothing_of_it(tmp_path: Path, moment: str):
    async def scene(stage: Stage) -> None:
        match moment:
            case "inside":
                stage.lookout.inside = Told.YES
                await ask(stage, Connect())
            case "waiting":
                await stage.open()
                stage.lookout.change(*BAD)
                await until(lambda: len(stage.passages) == 2 and stage.passage.began)
            case "emergency":
                stage.lookout.running = BAD
                await turns()
                stage.checkpoint.ask("main", 0, gate.Plea("patient", 60.0, frozenset({"apps.unapproved"})))
                await until(lambda: stage.passages and stage.passage.began)
                stage.passage.may_open.set()
                await stage.reach(gate.Emergency)
            case _:
                stage.lookout.running = BAD
                stage.ask()
                await until(lambda: stage.passages and stage.passage.began)
                if moment == "service":
                    stage.passage.may_open.set()
                    await until(lambda: stage.checkpoint.carried)
        await stage.checkpoint.closed()
        await turns()
        assert isinstance(stage.state, gate.Idle)
        assert stage.lookout.watching is None

    play(tmp_path, scene, SERVICE + BACK + INSIDE + EMERGENCY)
