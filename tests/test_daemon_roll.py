"""The numbers of named users: a directory that is dead or slow stalls nobody and makes nobody anybody."""

import threading

import pytest

from agent.daemon import roll
from agent.daemon.roll import Roll, ask_name_service
from tests.processes import wait_for


def test_names_that_were_learnt_ahead_are_known_at_once():
    made = Roll()
    made.learn({"root", "nobody-has-this-name"})
    assert (made.uid_of("root"), made.uid_of("nobody-has-this-name")) == (0, None)


def test_a_directory_that_does_not_answer_stalls_nobody_and_is_asked_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roll, "LONGEST_WAIT", 0.02)
    may_answer, asked = threading.Event(), []

    def hang(name: str) -> int | None:
        asked.append(name)
        may_answer.wait()
        return 7

    made = Roll(hang)
    made.learn({"doctor"})
    assert made.uid_of("doctor") is None
    assert asked == ["doctor"]
    may_answer.set()
    wait_for(lambda: made.uid_of("doctor") == 7, "the answer")


def test_what_is_old_is_asked_again_and_meanwhile_told(monkeypatch: pytest.MonkeyPatch):
    now, may_answer = [0.0], threading.Event()
    may_answer.set()
    monkeypatch.setattr(roll, "boot_clock", lambda: now[0])
    answers = iter([1, 2])

    def ask(name: str) -> int | None:
        may_answer.wait()
        return next(answers)

    made = Roll(ask)
    made.learn({"doctor"})
    may_answer.clear()
    now[0] += roll.FRESH
    assert made.uid_of("doctor") == 1
    now[0] += 1.0
    assert made.uid_of("doctor") == 1
    may_answer.set()
    wait_for(lambda: made.uid_of("doctor") == 2, "the new answer")


def test_a_directory_that_is_gone_takes_nobody_with_it(monkeypatch: pytest.MonkeyPatch):
    now, answers = [0.0], iter([7, None, 8])
    monkeypatch.setattr(roll, "boot_clock", lambda: now[0])
    made = Roll(lambda name: next(answers))
    for expected in (7, 7, 8):
        made.learn({"doctor"})
        assert made.uid_of("doctor") == expected
        now[0] += roll.FRESH


@pytest.mark.parametrize("error", [KeyError, OSError, ValueError])
def test_a_name_service_that_fails_tells_nobody(error: type[Exception], monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("pwd.getpwnam", fail)
    assert ask_name_service("doctor") is None
