"""What a client of the look helper is told: each program once, and again as soon as that might not be known."""

from dataclasses import replace

from agent.posture.facts import Grade, Observed, Package, Program, Programs, Script, Unseen
from agent.posture.facts.programs import Origin
from agent.probes.codec import MOST_PROGRAMS
from agent.probes.processes import File, Glimpse
from agent.probes.serving import Told

PACKAGE = Package("dpkg", "coreutils", "1", Origin.EXACT)
TRUE = Program(7, 1, 1000, "true", "/usr/bin/true", PACKAGE)
SLEEP = Program(8, 1, 1000, "sleep", "/usr/bin/sleep", PACKAGE)
STATE = File(1, 2, 3, 4, 5, False)
GLIMPSE = Glimpse(1000, b"Name:\ttrue", b"/usr/bin/true", STATE)


def test_the_same_program_in_another_process_is_no_news() -> None:
    told = Told()
    assert told.is_news(TRUE)
    assert not told.is_news(replace(TRUE, pid=9, started=2))


def test_a_program_that_differs_in_anything_is_news() -> None:
    told = Told()
    told.is_news(TRUE)
    script = Script("/home/doctor/task", None)
    changes: tuple[Program, ...] = (
        replace(TRUE, uid=1001),
        replace(TRUE, name="x"),
        replace(TRUE, path="/tmp/true"),
        replace(TRUE, package=None),
        replace(TRUE, sha256="0" * 64),
        replace(TRUE, replaced=True),
        replace(TRUE, foreign=True),
        replace(TRUE, writable=True),
        replace(TRUE, scripts=(script,)),
    )
    assert all(told.is_news(changed) for changed in changes)


def test_what_a_look_saw_is_known_and_nothing_from_before_it() -> None:
    told = Told()
    told.is_news(SLEEP)
    told.look(Observed(Programs((TRUE,), 0, 0), Grade.ROOT, "proc", 1.0))
    assert not told.is_news(replace(TRUE, pid=9))
    assert told.is_news(SLEEP)
    told.look(Unseen("no /proc", 2.0))
    assert told.is_news(TRUE)


def test_once_the_process_by_which_it_was_told_runs_something_else_a_program_is_news_again() -> None:
    """The client has forgotten it then: a second process that starts it must not go unseen."""
    told = Told()
    told.is_news(TRUE, GLIMPSE)
    assert not told.is_news(replace(TRUE, pid=9), GLIMPSE)
    told.forget(9)
    assert told.knows(GLIMPSE)
    told.forget(TRUE.pid)
    assert not told.knows(GLIMPSE)
    assert told.is_news(replace(TRUE, pid=10), GLIMPSE)


def test_a_glimpse_tells_a_known_program_only_while_nothing_of_it_differs() -> None:
    told = Told()
    told.is_news(TRUE, GLIMPSE)
    assert told.knows(GLIMPSE)
    for other in (
        replace(GLIMPSE, uid=1001),
        replace(GLIMPSE, name=b"Name:\tx"),
        replace(GLIMPSE, path=b"/usr/bin/true (deleted)"),
        replace(GLIMPSE, file=replace(STATE, ctime_ns=6)),
        replace(GLIMPSE, file=None),
    ):
        assert not told.knows(other)


def test_a_glimpse_that_tells_no_programs_apart_is_never_known() -> None:
    told = Told()
    blurred = replace(GLIMPSE, file=None)
    told.is_news(TRUE, blurred)
    assert not told.knows(blurred)


def test_a_client_that_never_looks_again_is_told_anew_rather_than_remembered_for_without_end() -> None:
    told = Told()
    for pid in range(MOST_PROGRAMS + 1):
        assert told.is_news(replace(TRUE, pid=pid, name=str(pid)), replace(GLIMPSE, name=b"%d" % pid))
    assert len(told.programs) == len(told.pids) == 1
    assert len(told.glimpses) <= 1
