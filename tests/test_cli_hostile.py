"""Whatever listens on the socket: one clear sentence, the right exit code, and no hang."""

import os
import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.control.client import ControlError, Conversation
from agent.control.messages import LONGEST_LINE, AskStatus, Done, Refused, Reply, Step, encode
from agent.words import Words
from tests.standin import IDLE, OPEN, StandIn, run, says, says_and_stays, says_bytes, says_for_ever

STEP = Step("look", 1.0, Words("Checked", "検査済み"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket."""
    return tmp_path / "control"


def test_no_service_is_told_with_6(path: Path) -> None:
    done = run(path, "connect")
    assert done.returncode == 6
    assert "[daemon.absent: problem]" in done.stderr


def test_a_socket_left_by_a_dead_service_is_told_with_6(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert run(path, "status").returncode == 6


def test_a_path_that_cannot_be_a_socket_is_told_with_6(path: Path) -> None:
    path.write_text("no socket")
    for wrong in (path, path / "below", path.with_name("x" * 120)):
        assert run(wrong, "status").returncode == 6


@pytest.mark.lab
def test_a_socket_that_may_not_be_opened_is_told_with_5() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "control"
        Path(folder).chmod(0o755)
        with StandIn(path):
            path.chmod(0o600)
            assert _code_as_nobody(path) == "control.refused"


@pytest.mark.parametrize("command", ["connect", "disconnect", "status", "why", "report", "watch"])
def test_a_service_that_hangs_up_at_once_is_told_with_1(path: Path, command: str) -> None:
    with StandIn(path, says()):
        done = run(path, command)
    assert done.returncode == 1
    assert "[daemon.lost: problem]" in done.stderr


def test_a_service_that_dies_midway_is_told_after_what_it_said(path: Path) -> None:
    with StandIn(path, says(STEP)):
        done = run(path, "connect")
    assert (done.returncode, done.stdout) == (1, "Checked ... 0.00 s\n")
    assert "broke off before it was done" in done.stderr


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\xff\xfe\n",
        b"{}\n",
        b'{"message":"status"}\n',
        b'{"message":"connect"}\n',
        b"[" * 30_000 + b"\n",
        encode(OPEN)[:-2] + b',"more":1}\n',
        encode(OPEN).replace(b'"open"', b'"\\u001b[2Jopen"'),
        encode(OPEN).replace(b"9.7", b"1e999999"),
        encode(OPEN).replace(b"3723.0", b"NaN"),
        encode(OPEN).replace(b"12345678", b"-" + b"9" * 4000),
    ],
)
def test_garbage_is_told_in_one_sentence_and_printed_escaped(path: Path, garbage: bytes) -> None:
    with StandIn(path, says_bytes(garbage)):
        done = run(path, "status")
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    if done.returncode != 0:
        assert done.returncode == 1
        assert "[daemon.foreign: problem]" in done.stderr


@pytest.mark.parametrize("piece", [b"x" * 4096, b'{"message":"status",' + b" " * 4096])
def test_an_endless_line_is_cut_off(path: Path, piece: bytes) -> None:
    with StandIn(path, says_for_ever(piece)):
        done = run(path, "status")
    assert done.returncode == 1
    assert f"longer than {LONGEST_LINE} bytes" in done.stderr


def test_endless_steps_come_to_an_end(path: Path) -> None:
    with StandIn(path, says_for_ever(encode(STEP))):
        done = run(path, "connect")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) <= 64


@pytest.mark.parametrize("command", ["connect", "disconnect", "status", "report", "watch"])
def test_an_answer_to_another_question_is_told_as_such(path: Path, command: str) -> None:
    answers: dict[str, Reply] = {
        "connect": IDLE,
        "disconnect": IDLE,
        "status": Done(1.0, IDLE),
        "report": IDLE,
        "watch": STEP,
    }
    wrong = answers[command]
    with StandIn(path, says(wrong)):
        done = run(path, command)
    assert done.returncode == 1
    assert f"is no answer to '{command}'" in done.stderr


def test_a_silent_service_is_told_after_some_seconds(path: Path) -> None:
    began = time.monotonic()
    with StandIn(path, says_and_stays()):
        done = run(path, "status")
    assert done.returncode == 1
    assert "[daemon.silent: problem]" in done.stderr
    assert time.monotonic() - began < 15


def test_a_reply_that_came_before_the_request_was_read_is_still_heard(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with Conversation(path, AskStatus()) as conversation:
            connection, _ = listener.accept()
            connection.sendall(encode(Refused("problem", ())) + encode(IDLE))
            connection.close()
            assert conversation.next_reply(5.0) == Refused("problem", ())
            assert conversation.next_reply(5.0) == IDLE
            with pytest.raises(ControlError):
                conversation.next_reply(5.0)


def test_a_line_that_comes_in_drops_is_put_together_and_time_is_kept(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with Conversation(path, AskStatus()) as conversation:
            connection, _ = listener.accept()
            line = encode(IDLE)
            connection.sendall(line[:10])
            assert conversation.next_reply(0.05) is None
            connection.sendall(line[10:] + line[:3])
            assert conversation.next_reply(5.0) == IDLE
            assert conversation.next_reply(0.0) is None
            connection.close()


def _code_as_nobody(path: Path) -> str:
    """Ask as another user, in a child: this process must stay what it is."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setuid(65534)
            Conversation(path, AskStatus())
        except ControlError as error:
            os.write(writing, error.problem.code.encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    code = os.read(reading, 100).decode()
    os.close(reading)
    return code
