"""What a client of the look helper is told: each program once, and again as soon as that might not be known."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.daemon.lookout import merged
from agent.posture.facts import Grade, Observed, Package, Program, Programs, Script, Unseen
from agent.posture.facts.programs import Origin
from agent.probes.codec import MOST_PROGRAMS, Started
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


def test_once_another_program_is_told_of_its_process_a_program_is_news_again() -> None:
    """The client has forgotten it then: a second process that starts it must not go unseen."""
    told = Told()
    told.is_news(TRUE, GLIMPSE)
    assert not told.is_news(replace(TRUE, pid=9), GLIMPSE)
    assert told.is_news(replace(SLEEP, pid=9))
    assert told.knows(GLIMPSE)
    assert told.is_news(replace(SLEEP, pid=TRUE.pid, name="x"))
    assert not told.knows(GLIMPSE)
    assert told.is_news(replace(TRUE, pid=10), GLIMPSE)


def test_a_process_that_runs_what_is_known_leaves_known_what_it_ran_before() -> None:
    """The client is told nothing then, and keeps it."""
    told = Told()
    told.is_news(TRUE, GLIMPSE)
    told.is_news(SLEEP)
    assert not told.is_news(replace(SLEEP, pid=TRUE.pid))
    assert told.knows(GLIMPSE)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["a", "b", "c"]), st.booleans()), max_size=30))
def test_whatever_runs_in_whatever_order_the_client_keeps_every_program_that_it_is_not_told(
    steps: list[tuple[int, str, bool]],
) -> None:
    told, running = Told(), dict[int, Program]()
    kept: Observed[Programs] | Unseen = Observed(Programs((), 0, 0), Grade.ROOT, "proc", 0.0)
    for pid, name, looks in steps:
        running[pid] = replace(TRUE, pid=pid, name=name)
        if looks:
            kept = Observed(Programs(tuple(running.values()), 0, 0), Grade.ROOT, "proc", 0.0)
            told.look(kept)
        elif told.is_news(running[pid]):
            kept = merged(kept, Started(running[pid], 0.0))
        assert isinstance(kept, Observed)
        assert name in {program.name for program in kept.value.running}


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
