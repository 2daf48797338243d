"""The daemon's end of the control socket, spoken to by real processes over a real socket."""

import asyncio
import gc
import os
import socket
import stat
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from agent.control.messages import LONGEST_LINE, AskStatus, Connect, Refused, Reply, Request, Step, Watch, encode
from agent.control.messages import decode_reply as decode
from agent.control.server import SecondDaemonError, Server
from agent.words import Words

HELLO = Step("look", 1.0, Words("hello", "こんにちは"))
ASK_AS_NOBODY = """
import contextlib, socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
with contextlib.suppress(BrokenPipeError):  # whoever is sent away may be so before asking
    peer.sendall(b'{"message":"status"}\\n')
sys.stdout.write(peer.makefile().readline())
"""


async def say_hello(request: Request, uid: int) -> AsyncGenerator[Reply, None]:
    yield HELLO
    if request == Watch():
        await asyncio.Event().wait()


def with_server(
    path: Path, test: Callable[[Server], Awaitable[None]], may_ask: Callable[[int], bool] = lambda uid: True
) -> None:
    async def run() -> None:
        server = Server(path, say_hello, may_ask)
        await server.start()
        try:
            async with asyncio.timeout(20):
                await test(server)
        finally:
            await server.stop()

    asyncio.run(run())


async def ask(path: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_a_request_gets_its_replies_and_then_the_end(path: Path) -> None:
    async def test(server: Server) -> None:
        assert decode(await ask(path, encode(AskStatus()))) == HELLO

    with_server(path, test)


@pytest.mark.parametrize(
    "line", [b"\n", b"{}\n", b"\xff\xfe\n", b'{"message":"rm -rf"}\n', b"x" * (LONGEST_LINE + 9) + b"\n"]
)
def test_a_line_that_is_no_request_is_answered_with_its_code(path: Path, line: bytes) -> None:
    async def test(server: Server) -> None:
        reply = decode(await ask(path, line))
        assert isinstance(reply, Refused)
        assert [reason.code for reason in reply.reasons] == ["control.malformed"]
        assert decode(await ask(path, encode(Connect()))) == HELLO

    with_server(path, test)


def test_another_user_is_sent_away_with_one_sentence(path: Path) -> None:
    path.parent.chmod(0o755)
    for parent in path.parents:
        if parent.stat().st_mode & stat.S_IXOTH == 0 and parent.owner() == "root":
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)

    async def test(server: Server) -> None:
        asker = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-c", ASK_AS_NOBODY, str(path), stdout=subprocess.PIPE, user=65534, group=65534
        )
        line, _ = await asker.communicate()
        reply = decode(line)
        assert isinstance(reply, Refused)
        assert reply.reasons[0].code == "control.refused"

    with_server(path, test, may_ask=lambda uid: uid == 0)


def test_a_second_server_is_refused_and_the_first_goes_on(path: Path) -> None:
    async def test(server: Server) -> None:
        with pytest.raises(SecondDaemonError):
            await Server(path, say_hello, lambda uid: True).start()
        assert decode(await ask(path, encode(AskStatus()))) == HELLO

    with_server(path, test)


def test_a_socket_left_by_a_killed_daemon_is_taken_over(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    async def test(server: Server) -> None:
        assert decode(await ask(path, encode(AskStatus()))) == HELLO

    with_server(path, test)


def test_a_watcher_that_hangs_up_is_forgotten(path: Path) -> None:
    async def test(server: Server) -> None:
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(40):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(encode(Watch()))
            assert decode(await reader.readline()) == HELLO
            writer.close()
            await writer.wait_closed()
        while len(os.listdir("/proc/self/fd")) > descriptors:
            await asyncio.sleep(0.01)

    with_server(path, test)


def test_an_asker_that_hangs_up_in_the_middle_of_its_replies_is_no_error_of_ours(path: Path) -> None:
    async def talk(request: Request, uid: int) -> AsyncGenerator[Reply, None]:
        while True:
            yield HELLO
            await asyncio.sleep(0)

    async def run() -> list[str]:
        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(str(what["message"])))
        server = Server(path, talk, lambda uid: True)
        await server.start()
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as asker:
                asker.connect(str(path))
                asker.sendall(encode(AskStatus()))
                await asyncio.get_running_loop().run_in_executor(None, asker.recv, 1)
        while server._connections:
            await asyncio.sleep(0.001)
        await server.stop()
        gc.collect()
        return complaints

    assert asyncio.run(asyncio.wait_for(run(), 20)) == []


def test_a_silent_asker_does_not_keep_others_waiting(path: Path) -> None:
    async def test(server: Server) -> None:
        _, silent = await asyncio.open_unix_connection(path)
        assert decode(await ask(path, encode(AskStatus()))) == HELLO
        silent.close()

    with_server(path, test)


def test_stopping_removes_the_socket(path: Path) -> None:
    async def test(server: Server) -> None:
        assert path.is_socket()

    with_server(path, test)
    assert not path.exists()


def test_what_a_bad_request_says_reaches_the_log_short_and_harmless(path: Path, caplog):
    async def test(_: Server) -> None:
        await ask(path, b'{"message":"status","' + b"x\\u001b\\u202e" * 2000 + b'":1}\n')

    with_server(path, test)
    (told,) = [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
    assert len(told) < 300
    assert told.isprintable()
