"""The `sekisho` command against a stand-in for the daemon: what it prints, and its exit codes."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from agent.control.messages import AskStatus, Connect, Disconnect, Done, Reason, Refused, Request, Step, Watch, Why
from agent.words import Words
from tests.standin import (
    CUT,
    FORBIDDEN,
    IDLE,
    OPEN,
    StandIn,
    argv,
    environment,
    run,
    says,
    says_and_stays,
)

CHECKED = Step("look", 41.2, Words("This computer was checked", "このパソコンを検査しました"))
PROVED = Step("gateway", 103.0, Words("The gateway proved who it is", "ゲートウェイの身元を確認しました"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket."""
    return tmp_path / "control"


def test_connect_tells_each_step_and_then_who_is_at_both_ends(path: Path) -> None:
    with StandIn(path, says(CHECKED, PROVED, Done(210.0, OPEN))) as daemon:
        done = run(path, "connect", "hospital")
    assert done.returncode == 0
    assert daemon.asked == [Connect("hospital")]
    told = done.stdout.splitlines()
    assert told[:3] == [
        "This computer was checked ... 0.04 s",
        "The gateway proved who it is ... 0.10 s",
        "Connected to hospital in 0.21 s.",
    ]
    for word in (
        "vpn.hospital.example (198.51.100.1)",
        "doctor@hospital.example",
        "aes256gcm16-prfsha384-ecp384",
        "10.60.0.5 (sekisho0)",
        "10.50.0.0/24",
        "9.7 ms",
    ):
        assert word in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_connect_speaks_japanese_to_a_japanese_terminal(path: Path) -> None:
    with StandIn(path, says(CHECKED, Done(210.0, OPEN))):
        done = run(path, "connect", language="ja_JP.UTF-8")
    assert done.stdout.splitlines()[:2] == [
        "このパソコンを検査しました ... 0.04 s",
        "hospitalに接続しました(0.21秒)。",
    ]


def test_a_refusal_names_what_was_seen_the_remedy_who_acts_and_the_code(path: Path) -> None:
    with StandIn(path, says(CHECKED, Refused("posture", (FORBIDDEN,)))):
        done = run(path, "connect")
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "Not connected: this computer did not pass the check.",
        "- The program 'anydesk' is running.",
        "    What to do: Close it, then connect again.",
        "    Who acts: you  [apps.forbidden: refused]",
    ]


def test_a_problem_on_the_way_exits_with_4_and_a_site_that_may_not_be_asked_with_5(path: Path) -> None:
    for code, expected in (("gateway.unreachable", 4), ("control.refused", 5), ("site.unknown", 4)):
        told = Reason(code, "problem", Words("It failed.", "失敗。"), Words("Try again.", "再試行。"), "network")
        with StandIn(path, says(Refused("problem", (told,)))):
            done = run(path, "connect")
        assert done.returncode == expected
        assert f"[{code}: problem]" in done.stderr
        path.unlink()


def test_json_prints_the_messages_as_they_are_one_a_line(path: Path) -> None:
    with StandIn(path, says(CHECKED, Done(210.0, OPEN))):
        done = run(path, "connect", "--json")
    first, last = map(json.loads, done.stdout.splitlines())
    assert (first["message"], first["step"], first["elapsed_ms"]) == ("step", "look", 41.2)
    assert (last["message"], last["status"]["tunnel"]["gateway"]) == ("done", "198.51.100.1")
    assert done.stderr == ""


def test_json_tells_a_problem_of_our_own_end_in_the_same_shape(path: Path) -> None:
    done = run(path, "--json", "status")
    told = json.loads(done.stdout)
    assert (done.returncode, told["message"], told["by"]) == (6, "refused", "problem")
    assert told["reasons"][0]["code"] == "daemon.absent"


def test_status_exits_with_0_only_while_connected(path: Path) -> None:
    for state, code in ((OPEN, 0), (IDLE, 7), (CUT, 7)):
        with StandIn(path, says(state)) as daemon:
            done = run(path, "status")
        assert (done.returncode, daemon.asked) == (code, [AskStatus()])
        assert "hospital, clinic" in done.stdout
        path.unlink()


def test_status_tells_time_and_traffic_in_words(path: Path) -> None:
    with StandIn(path, says(OPEN)):
        done = run(path, "status")
    assert done.stdout.splitlines()[0] == "Sekisho: connected (hospital)"
    assert "1:02:03" in done.stdout
    assert "12.3 MB in, 999 B out" in done.stdout
    assert "serial 7" in done.stdout


def test_why_tells_the_last_reasons_or_that_there_are_none(path: Path) -> None:
    for state, sentence in ((CUT, "The program 'anydesk' is running."), (IDLE, "Nothing was refused or cut.")):
        with StandIn(path, says(state)) as daemon:
            done = run(path, "why")
        assert (done.returncode, daemon.asked) == (0, [Why()])
        assert sentence in done.stdout
        path.unlink()


def test_disconnect_says_that_the_computer_is_as_before(path: Path) -> None:
    with StandIn(path, says(Done(12.0, IDLE))) as daemon:
        done = run(path, "disconnect")
    assert (done.returncode, daemon.asked) == (0, [Disconnect()])
    assert done.stdout == "Disconnected; this computer is as before.\n"


def test_watch_tells_a_line_per_change_and_ends_well_on_ctrl_c(path: Path) -> None:
    with StandIn(path, says_and_stays(IDLE, OPEN, CUT)) as daemon:
        watching = subprocess.Popen(argv(path, "watch"), env=environment(), stdout=subprocess.PIPE, text=True)
        assert watching.stdout is not None
        told = [watching.stdout.readline().rstrip("\n").split(" ", 1)[1] for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0
        watching.stdout.close()
    assert told == [
        "Sekisho: not connected",
        "Sekisho: connected (hospital)",
        "Sekisho: refused (hospital): apps.forbidden",
    ]
    assert daemon.asked == [Watch()]


def test_ctrl_c_during_connect_asks_the_daemon_to_disconnect_and_says_so(path: Path) -> None:
    with StandIn(path, says_and_stays(CHECKED), says(Done(5.0, IDLE))) as daemon:
        connecting = subprocess.Popen(
            argv(path, "connect"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert connecting.stdout is not None
        assert "checked" in connecting.stdout.readline()
        connecting.send_signal(signal.SIGINT)
        _, complaint = connecting.communicate(timeout=10)
    assert connecting.returncode == 4
    assert daemon.asked == [Connect(None), Disconnect()]
    assert complaint.splitlines() == [
        "Stopping: asking the service to disconnect ...",
        "Stopped; nothing is connected.",
    ]


def test_a_terminal_sees_a_live_line_while_something_takes_more_than_a_second(path: Path) -> None:
    def late(connection: socket.socket, _: Request) -> None:
        says(CHECKED)(connection, Connect())
        deadline = time.monotonic() + 20
        while b"Reading the device certificate ... 1 s" not in bytes(screen):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        says(Done(1500.0, OPEN))(connection, Connect())

    screen = bytearray()
    ours, theirs = pty.openpty()
    with StandIn(path, late):
        connecting = subprocess.Popen(argv(path, "connect"), env=environment(), stdout=theirs, stderr=theirs)
        os.close(theirs)
        deadline = time.monotonic() + 20
        while b"Handshake" not in screen and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                screen += os.read(ours, 4096)
        assert connecting.wait(10) == 0
    os.close(ours)
    assert b"\r\x1b[KConnected to hospital" in screen


def test_a_reader_that_leaves_early_is_no_error(path: Path) -> None:
    with StandIn(path, says(OPEN)):
        shell = " ".join(argv(path, "status")) + " | head -1; exit ${PIPESTATUS[0]}"
        done = subprocess.run(["/bin/bash", "-c", shell], env=environment(), capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Sekisho: connected (hospital)\n"
