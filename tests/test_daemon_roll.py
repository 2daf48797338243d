"""The numbers of named users: a directory that is dead or slow stalls nobody and makes nobody anybody."""

import asyncio
import threading

import pytest

from agent.daemon import roll
from agent.daemon.roll import Roll, ask_name_service


def test_names_that_were_learnt_ahead_are_known_at_once():
    async def scene() -> tuple[int | None, int | None]:
        made = Roll()
        await made.learn({"root", "nobody-has-this-name"})
        return made.uid_of("root"), made.uid_of("nobody-has-this-name")

    assert asyncio.run(scene()) == (0, None)


def test_a_directory_that_does_not_answer_stalls_nobody(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roll, "LONGEST_WAIT", 0.02)
    may_answer, asked = threading.Event(), []

    def hang(name: str) -> int | None:
        asked.append(name)
        may_answer.wait()
        return 7

    async def scene() -> int | None:
        made = Roll(hang)
        await made.learn({"doctor"})
        assert made.uid_of("doctor") is None
        assert asked == ["doctor"]
        may_answer.set()
        while made.uid_of("doctor") is None:
            await asyncio.sleep(0)
        return made.uid_of("doctor")

    assert asyncio.run(scene()) == 7


def test_what_is_old_is_asked_again_and_meanwhile_told(monkeypatch: pytest.MonkeyPatch):
    now, uid = [0.0], [1]
    monkeypatch.setattr(roll, "boot_clock", lambda: now[0])

    async def scene() -> None:
        made = Roll(lambda name: uid[0])
        await made.learn({"doctor"})
        uid[0] = 2
        now[0] += roll.FRESH
        assert made.uid_of("doctor") == 1
        now[0] += 1.0
        assert made.uid_of("doctor") == 1
        while made.uid_of("doctor") == 1:
            await asyncio.sleep(0)
        assert made.uid_of("doctor") == 2

    asyncio.run(scene())


@pytest.mark.parametrize("error", [KeyError, OSError, ValueError])
def test_a_name_service_that_fails_tells_nobody(error: type[Exception], monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("pwd.getpwnam", fail)
    assert ask_name_service("doctor") is None


def test_an_answer_after_the_end_disturbs_nobody():
    may_answer, ended = threading.Event(), threading.Event()

    def late(name: str) -> int | None:
        may_answer.wait()
        ended.set()
        return 7

    async def scene() -> None:
        Roll(late).uid_of("doctor")

    asyncio.run(scene())
    may_answer.set()
    assert ended.wait(10)
