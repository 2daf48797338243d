"""The kernel's own word of programs that start, and what else arrives on that socket."""

import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probes import exec_events
from agent.probes.exec_events import EventsError, ExecEvents, ProcessEvent, What, parse
from tests.processes import UNSHARE, as_user, new_uid, wait_for

TRUE = "/usr/bin/true"


@pytest.fixture
def events() -> Iterator[ExecEvents]:
    events = ExecEvents.open()
    yield events
    events.close()


@pytest.mark.lab
def test_a_program_that_starts_is_told_once_with_its_process(events: ExecEvents) -> None:
    process = subprocess.Popen([TRUE])
    process.wait()
    assert starts_of(events, process.pid) == [What.EXEC]


@pytest.mark.lab
def test_a_process_that_becomes_another_user_is_told(events: ExecEvents) -> None:
    process = subprocess.Popen(as_user(new_uid(), TRUE))
    process.wait()
    assert starts_of(events, process.pid) == [What.EXEC, What.UID, What.EXEC]


@pytest.mark.lab
def test_a_name_of_any_bytes_disturbs_nothing(events: ExecEvents) -> None:
    code = "import ctypes; ctypes.CDLL(None).prctl(15, b'\\xff\\n\\0', 0, 0, 0)"
    process = subprocess.Popen(["/usr/bin/python3", "-c", code])
    process.wait()
    assert starts_of(events, process.pid) == [What.EXEC]


@pytest.mark.lab
def test_events_that_the_kernel_had_to_drop_are_told_as_lost(events: ExecEvents) -> None:
    shrink(events)
    for _ in range(40):
        subprocess.run([TRUE])
    assert any(batch.lost for batch in (events.read(), events.read()))
    process = subprocess.Popen([TRUE])
    process.wait()
    assert starts_of(events, process.pid) == [What.EXEC]


@pytest.mark.lab
def test_who_rests_is_told_nothing_and_who_resumes_hears_at_once(events: ExecEvents) -> None:
    unread = subprocess.Popen([TRUE])
    unread.wait()
    events.rest()
    unheard = subprocess.Popen([TRUE])
    unheard.wait()
    assert select.select([events], [], [], 0.1)[0] == []
    for _ in range(2):  # to say it twice changes nothing
        events.resume()
    heard = subprocess.Popen([TRUE])
    heard.wait()
    told = [(event.pid, event.what) for event in events.read().events]
    assert (heard.pid, What.EXEC) in told
    assert not {unread.pid, unheard.pid} & {pid for pid, _ in told}


@pytest.mark.lab
def test_nothing_to_read_is_an_empty_batch(events: ExecEvents) -> None:
    wait_for(lambda: events.read() == exec_events.Batch((), lost=False), "silence")


@pytest.mark.lab
def test_another_network_namespace_is_refused_with_its_reason() -> None:
    code = "from agent.probes.exec_events import *\ntry: ExecEvents.open()\nexcept EventsError as error: print(error)\n"
    done = subprocess.run([UNSHARE, "--net", sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "the kernel answers only in the root network namespace\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (TimeoutError, "the kernel does not answer in this PID namespace"),
        (PermissionError(1, "Operation not permitted"), "the kernel refuses process events (Operation not permitted)"),
    ],
)
def test_every_refusal_has_its_reason(answer: Exception, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: socket.socket) -> None:
        raise answer

    monkeypatch.setattr(exec_events, "_await_answer", refuse)
    if os.geteuid() != 0:
        why = "the kernel refuses process events (Operation not permitted)"
    with pytest.raises(EventsError) as refused:
        ExecEvents.open()
    assert str(refused.value) == why


@given(st.binary(max_size=300))
def test_garbage_is_passed_over(datagram: bytes) -> None:
    assert all(isinstance(event, ProcessEvent) for event in parse(datagram))


@given(st.lists(st.sampled_from([What.EXEC, What.UID]), max_size=4), st.integers(0, 200))
def test_a_datagram_that_was_cut_gives_what_came_whole(kinds: list[What], cut: int) -> None:
    datagram = b"".join(message(kind, 7) for kind in kinds)
    whole = min(cut, len(datagram)) // SIZE
    found = parse(datagram[:cut])
    assert found[:whole] == [ProcessEvent(kind, 7, 99) for kind in kinds][:whole]
    assert len(found) <= len(kinds)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: struct.pack("=I", 15) + whole[4:],
        lambda whole: whole[:16] + struct.pack("=I", 2) + whole[20:],
        lambda whole: whole[:32] + struct.pack("=H", 8) + whole[34:],
        lambda whole: whole[:36] + struct.pack("=I", 0x80000000) + whole[40:],
    ],
    ids=["shorter than its header", "another channel", "a body too short", "another kind"],
)
def test_a_message_that_is_no_event_of_ours_is_passed_over(change: Callable[[bytes], bytes]) -> None:
    assert parse(change(message(What.EXEC, 7))) == []


def message(what: What, pid: int) -> bytes:
    event = struct.pack("=IIQIIII", what, 0, 99, pid, pid, 0, 0)
    body = struct.pack("=IIIIHH", 1, 1, 0, 0, len(event), 0) + event
    return struct.pack("=IHHII", 16 + len(body), 3, 0, 0, 0) + body


def shrink(events: ExecEvents) -> None:
    """Leave so little room that the kernel must drop events."""
    with socket.socket(fileno=os.dup(events.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)


def starts_of(events: ExecEvents, pid: int) -> list[What]:
    """Collect what was told of a process that has ended, until the kernel has nothing more to tell."""
    found: list[What] = []
    until = time.monotonic() + 10.0
    while select.select([events], [], [], 0.2)[0] and time.monotonic() < until:
        found += [event.what for event in events.read().events if event.pid == pid]
    return found


SIZE = len(message(What.EXEC, 7))
