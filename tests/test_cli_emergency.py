"""`sekisho emergency`, and every state that only lasts for a time: what is told, asked and answered."""

import os
import pty
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from agent.cli import show
from agent.control.messages import AskStatus, Choice, Connect, Done, Emergency, Offer, Refused, Status
from agent.control.server import reason
from agent.problems import problem
from agent.words import Words
from tests.standin import CUT, FORBIDDEN, IDLE, OPEN, StandIn, argv, environment, run, says

OFFER = Offer(
    reasons=(
        Choice("patient", Words("A patient is in danger", "患者の生命に関わる")),
        Choice("outage", Words("The hospital's systems are down", "院内システムの障害")),
    ),
    overridable=("device.updates", "apps.unapproved"),
    seconds=3600.0,
    networks=("10.50.0.32/28",),
)
REFUSED = replace(CUT, emergency=OFFER)
INSIDE = replace(OPEN, state="inside", tunnel=None)
URGENT = replace(OPEN, state="emergency", ends_in=3540.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket."""
    return tmp_path / "control"


def test_without_a_reason_the_reasons_are_told_and_what_an_emergency_means(path: Path) -> None:
    with StandIn(path, says(REFUSED)) as daemon:
        done = run(path, "emergency")
    assert (done.returncode, done.stdout, daemon.asked) == (2, "", [AskStatus()])
    assert done.stderr.splitlines() == [
        "Say why, with 'sekisho emergency --reason CODE', where CODE is one of:",
        "  patient: A patient is in danger",
        "  outage: The hospital's systems are down",
        "An emergency connection reaches only 10.50.0.32/28, and ends by itself after 60 minutes.",
        "It is opened although these checks refuse, and for no other refusal: device.updates, apps.unapproved.",
        "It is recorded with your reason, and the hospital reviews it afterwards.",
    ]


def test_a_reason_that_the_policy_does_not_know_asks_for_nothing(path: Path) -> None:
    with StandIn(path, says(REFUSED)) as daemon:
        done = run(path, "emergency", "--reason", "patint\x1b")
    assert (done.returncode, daemon.asked) == (2, [AskStatus()])
    assert done.stderr.splitlines()[0] == "The policy knows no reason 'patint\\u001b'."


def test_with_a_reason_it_opens_and_tells_how_long_it_lasts(path: Path) -> None:
    with StandIn(path, says(REFUSED), says(Done(300.0, URGENT))) as daemon:
        done = run(path, "emergency", "hospital", "--reason", "patient")
    assert (done.returncode, done.stderr) == (0, "")
    assert daemon.asked == [AskStatus(), Emergency("patient", "hospital")]
    assert done.stdout.splitlines()[2:5] == [
        "It is recorded with your reason, and the hospital reviews it afterwards.",
        "Connected to hospital for an emergency in 0.30 s.",
        "It ends by itself after 59 minutes.",
    ]


def test_programs_are_asked_nothing_and_told_only_the_answer(path: Path) -> None:
    with StandIn(path, says(Done(300.0, URGENT))) as daemon:
        done = run(path, "emergency", "--reason", "patient", "--json")
    assert (done.returncode, daemon.asked) == (0, [Emergency("patient", None)])
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(("typed", "asked"), [("y\n", 2), ("yes\n", 2), ("\n", 1), ("n\n", 1), ("\x04", 1)])
def test_on_a_terminal_one_question_is_asked_first(path: Path, typed: str, asked: int) -> None:
    done = on_terminal(path, typed, "emergency", "--reason", "patient")
    assert done == (0 if asked == 2 else 4, asked)


def test_yes_asks_nothing(path: Path) -> None:
    assert on_terminal(path, "", "emergency", "--reason", "patient", "--yes") == (0, 2)


def on_terminal(path: Path, typed: str, *words: str) -> tuple[int, int]:
    """Run a command on a terminal on which this is typed; give its exit code and how often the service was asked."""
    ours, theirs = pty.openpty()
    with StandIn(path, says(REFUSED), says(Done(300.0, URGENT))) as daemon:
        command = subprocess.Popen(
            argv(path, *words), env=environment(), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        os.write(ours, typed.encode())
        told, _ = command.communicate(timeout=20)
        asked = len(daemon.asked)
    os.close(ours)
    os.close(theirs)
    assert (b"Open it now? [y/N]" in told) is bool(typed)
    return command.returncode, asked


@pytest.mark.parametrize(
    ("code", "expected"), [("emergency.off", 5), ("emergency.denied", 5), ("emergency.reason", 2), ("busy", 4)]
)
def test_an_emergency_that_is_not_to_be_had_has_its_exit_code(path: Path, code: str, expected: int) -> None:
    with StandIn(path, says(REFUSED), says(Refused("problem", (reason(problem(code)),)))):
        done = run(path, "emergency", "--reason", "patient")
    assert done.returncode == expected
    assert f"[{code}: problem]" in done.stderr


def test_a_policy_that_knows_no_emergency_is_told_at_once(path: Path) -> None:
    with StandIn(path, says(IDLE)) as daemon:
        done = run(path, "emergency", "--reason", "patient")
    assert (done.returncode, daemon.asked) == (5, [AskStatus()])
    assert "[emergency.off: problem]" in done.stderr


def test_a_service_without_a_policy_says_so(path: Path) -> None:
    nothing = Status("idle", None, (), "ja", None, (), (reason(problem("policy.missing")),), None)
    with StandIn(path, says(nothing)):
        done = run(path, "emergency")
    assert "[policy.missing: problem]" in done.stderr


def test_a_refusal_that_an_emergency_would_pass_over_says_where_to_read_of_it(path: Path) -> None:
    for overridable in (True, False):
        with StandIn(path, says(Refused("posture", (FORBIDDEN,), overridable))):
            done = run(path, "connect")
        assert ("'sekisho emergency' tells how" in done.stderr) is overridable
        path.unlink()


def test_inside_the_hospital_a_connect_is_done_without_a_tunnel(path: Path) -> None:
    with StandIn(path, says(Done(80.0, INSIDE))) as daemon:
        done = run(path, "connect")
    assert (done.returncode, daemon.asked) == (0, [Connect(None)])
    assert done.stdout == "You are in the hospital's own network (hospital): no tunnel is needed.\n"


@pytest.mark.parametrize(("status", "code"), [(INSIDE, 0), (URGENT, 0), (replace(CUT, state="service"), 7)])
def test_a_status_exits_with_0_while_the_hospital_is_reached(path: Path, status: Status, code: int) -> None:
    with StandIn(path, says(status)):
        assert run(path, "status").returncode == code


def test_what_lasts_for_a_time_is_told_on_the_first_line_in_both_languages() -> None:
    service = replace(CUT, state="service", ends_in=600.0, comes_back_in=100.0)
    assert show.headline(service, "en") == (
        "Sekisho: refused; only what helps to get well is reached (hospital), ends by itself in 10 minutes, "
        "comes back by itself"
    )
    assert show.headline(URGENT, "ja") == "Sekisho: 緊急接続中 (hospital), あと59分で自動終了"
    assert list(show.why(service, "en"))[-1] == "It comes back by itself if this is put right within 100 s."
    assert list(show.why(service, "ja"))[-1] == "100秒以内に問題が解消されれば、自動的に再接続します。"


@pytest.mark.parametrize("seconds", [-1e15, 0.0, 1.0, 119.0, 120.0, 7199.0, 7200.0, 1e15])
def test_any_span_has_words(seconds: float) -> None:
    told = show.span(seconds)
    assert told.en[0].isdigit()
    assert told.ja[0].isdigit()


def test_a_line_of_watch_stays_bounded_whatever_lasts() -> None:
    many = tuple(replace(FORBIDDEN, code="x" * 900) for _ in range(50))
    endless = replace(URGENT, site="s" * 5000, reasons=many, cut_in=1e15, comes_back_in=1e15)
    assert len(show.change(endless, "12:00:00", "ja")) <= show.LONGEST_CHANGE


def test_no_control_character_of_an_offer_reaches_the_screen(path: Path) -> None:
    nasty = "\x1b[2J\u202e"
    words = Words(nasty, nasty)
    offer = Offer((Choice(nasty, words),), (nasty,), 1e15, (nasty,))
    with StandIn(path, says(replace(IDLE, emergency=offer))):
        done = run(path, "emergency")
    assert done.returncode == 2
    assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)
