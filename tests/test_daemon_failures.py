"""Since when checks fail: remembered over restarts, cleared by a pass, and never by a report or a restart."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.daemon.failures import Failures
from agent.daemon.jury import Jury
from agent.events import Response
from agent.posture.facts import Facts, Grade, Links, Observed, Security, Wireless
from agent.posture.policy import load
from agent.posture.verdict import Finding
from ike.config import Instant
from tests.test_daemon_small import POLICY

GRACE = load(POLICY + "checks: {wifi.trust: {grace: 14d}}\n", "policy.yaml")
DAY = 86_400.0
SUNDAY = 1_795_305_600.0  # 2026-11-22 00:00 UTC


def jury(path: Path) -> Jury:
    return Jury(GRACE, b"k" * 32, failures=Failures(path))


def wifi(security: Security) -> Facts:
    links = Links((Wireless("wlan0", b"Cafe", "02:00:00:00:00:01", security),))
    return Facts(links=Observed(links, Grade.ROOT, "test", 1.0))


OPEN, PROTECTED = wifi(Security.OPEN), wifi(Security.SAE)


def judged(by: Jury, facts: Facts, wall: float) -> Finding:
    (finding,) = (one for one in by.judge(facts, Instant(1.0, wall)).findings if one.check == "wifi.trust")
    return finding


def test_a_restart_does_not_lengthen_a_grace(tmp_path: Path):
    path = tmp_path / "failing.json"
    first = judged(jury(path), OPEN, SUNDAY)
    assert (first.rule, first.until is not None) == (Response.WARN, True)
    again = judged(jury(path), OPEN, SUNDAY + 13 * DAY)
    assert (again.rule, again.until) == (Response.WARN, first.until)
    assert judged(jury(path), OPEN, SUNDAY + 17 * DAY).rule is Response.REFUSE


def test_a_pass_ends_it_and_the_next_failure_has_its_grace_whole(tmp_path: Path):
    path = tmp_path / "failing.json"
    judged(jury(path), OPEN, SUNDAY)
    judged(jury(path), PROTECTED, SUNDAY + DAY)
    assert judged(jury(path), OPEN, SUNDAY + 17 * DAY).rule is Response.WARN


def test_a_report_neither_begins_nor_ends_a_grace(tmp_path: Path):
    one = jury(tmp_path / "failing.json")
    one.preview(OPEN, Instant(1.0, SUNDAY))
    assert one.failures.since == {}
    one.judge(OPEN, Instant(1.0, SUNDAY))
    one.preview(PROTECTED, Instant(1.0, SUNDAY))
    assert one.failures.since == {"wifi.trust": SUNDAY}


def test_a_clock_set_back_counts_from_now_and_not_from_the_future(tmp_path: Path):
    path = tmp_path / "failing.json"
    judged(jury(path), OPEN, SUNDAY + 1_000 * DAY)
    judged(jury(path), OPEN, SUNDAY)
    assert Failures(path).since == {"wifi.trust": SUNDAY}


FLAT_BATTERY = 1_420_070_400.0  # 2015-01-01 00:00 UTC


def judged_at(by: Jury, boot: float, wall: float) -> Finding:
    links = replace(OPEN.links, at=boot)
    findings = by.judge(Facts(links=links), Instant(boot, wall)).findings
    return next(one for one in findings if one.check == "wifi.trust")


@pytest.mark.parametrize("known", [{}, {"wifi.trust": SUNDAY - 3 * DAY}])
def test_a_clock_that_is_set_right_after_the_start_ends_no_grace_by_that(tmp_path: Path, known: dict[str, float]):
    Failures(tmp_path / "failing.json").keep(known)
    one = jury(tmp_path / "failing.json")
    assert judged_at(one, 20.0, FLAT_BATTERY).rule is Response.WARN
    told = judged_at(one, 80.0, SUNDAY)
    assert (told.rule, Failures(tmp_path / "failing.json").since) == (Response.WARN, {"wifi.trust": SUNDAY - 60.0})
    assert judged_at(one, 80.0 + 17 * DAY, SUNDAY + 17 * DAY).rule is Response.REFUSE


def test_a_clock_that_ran_ahead_for_a_while_moves_nothing_that_was_known_before(tmp_path: Path):
    path = tmp_path / "failing.json"
    judged(jury(path), OPEN, SUNDAY)
    one = jury(path)
    assert judged_at(one, 20.0, SUNDAY + 5_000 * DAY).rule is Response.REFUSE
    assert judged_at(one, 80.0, SUNDAY + DAY).rule is Response.WARN
    assert Failures(path).since == {"wifi.trust": SUNDAY}


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[" * 50_000, b'{"failing": [{"check": 1, "since": 2}]}', bytes(70_000)]
)
def test_a_damaged_memory_is_told_and_mended_by_the_next_look(tmp_path: Path, damage: bytes, caplog):
    path = tmp_path / "failing.json"
    path.write_bytes(damage)
    path.chmod(0o600)
    judged(jury(path), OPEN, SUNDAY)
    assert "cannot be read" in caplog.text
    assert Failures(path).since == {"wifi.trust": SUNDAY}


def test_a_memory_that_others_could_write_is_not_believed(tmp_path: Path):
    path = tmp_path / "failing.json"
    judged(jury(path), OPEN, SUNDAY)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o666)
    assert Failures(path).since == {}


def test_what_cannot_be_written_is_told_and_remembered_until_the_end(caplog):
    one = jury(Path("/proc/failing.json"))
    judged(one, OPEN, SUNDAY)
    assert "cannot be kept" in caplog.text
    assert one.failures.since == {"wifi.trust": SUNDAY}
