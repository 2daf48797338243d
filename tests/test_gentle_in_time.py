"""Shadow and grace through the daemon: what is recorded, what people are told, and what connects all the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent import gate
from agent.cli import findings
from agent.control.messages import AskStatus, Report, Status
from agent.daemon.checkpoint import Sighting
from agent.daemon.desk import Desk
from agent.daemon.reporting import report
from agent.posture.facts import Facts
from agent.problems import problem
from agent.words import Language
from ike.config import Instant
from tests.test_checkpoint import BAD, Stage, play, turns
from tests.test_cli_report import WIFI

SHADOW = "checks: {apps.unapproved: {shadow: true}}\n"
GRACE = "checks: {apps.unapproved: {grace: 14d}}\n"


async def status(stage: Stage) -> Status:
    desk = Desk()
    desk.open_for(stage.checkpoint)
    (reply,) = [reply async for reply in desk.answer(AskStatus(), 1000)]
    assert isinstance(reply, Status)
    return reply


@pytest.mark.parametrize("more", [SHADOW, "mode: shadow\n"])
def test_what_is_in_shadow_opens_tells_nobody_and_is_recorded(tmp_path: Path, more: str):
    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        await stage.open()
        told = await status(stage)
        assert not [one for one in told.warnings + told.reasons if one.code == "apps.unapproved"]

    play(tmp_path, scene, more)
    looked = next(
        line for line in map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines()) if "checks" in line
    )
    (result,) = (check for check in looked["checks"] if check["check"] == "apps.unapproved")
    assert (looked["allowed"], result["outcome"], result["response"], result["shadow"]) == (
        True,
        "fail",
        "refuse",
        True,
    )


def test_a_grace_opens_and_tells_from_when_it_will_not(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        stage.lookout.running = BAD
        await stage.open()
        (warning,) = (one for one in (await status(stage)).warnings if one.code == "apps.unapproved")
        assert warning.outcome == "warn"
        assert "this will refuse the connection." in warning.remedy.en
        assert "以降は接続できなくなります。" in warning.remedy.ja
        assert isinstance(stage.state, gate.Open)
        told = seen(stage, stage.state.verdict.at)
        (checked,) = (one for one in told.findings if one.code == "apps.unapproved")
        assert checked.response == "warn"
        assert checked.until is not None
        assert checked.until > told.at

    play(tmp_path, scene, GRACE)


def seen(stage: Stage, boot: float) -> Report:
    at = Instant(boot, 1_800_000_000.0)
    facts = Facts(stage.lookout.facts.programs, stage.lookout.facts.links)
    return report(stage.checkpoint.jury, Sighting(facts, stage.checkpoint.jury.preview(facts, at), at, None))


def test_trouble_with_the_policy_itself_stands_among_the_warnings_whatever_the_state(tmp_path: Path):
    async def scene(stage: Stage) -> None:
        kept = problem("policy.kept", "its serial 4 is lower")
        stage.checkpoint.jury = replace(stage.checkpoint.jury, warnings=lambda: (kept,))
        for make_ready in (turns, stage.open):
            await make_ready()
            assert (await status(stage)).warnings[0].code == "policy.kept"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "[!] wifi.trust: does not meet the policy - only recorded, would be refused"),
        ("ja", "[!] wifi.trust: ポリシーを満たさない - 記録のみ(本来は接続拒否)"),
    ],
)
def test_a_report_says_of_shadow_what_would_be_and_asks_nobody_to_act(language: Language, line: str):
    told = Report("2026-11-23T08:00:00+00:00", 1, True, (replace(WIFI, shadow=True),), None)
    lines = list(findings.lines(told, language))
    assert line in lines
    assert not any("Use a cable" in one or "有線LANを使って" in one for one in lines)
