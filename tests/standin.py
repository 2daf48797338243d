"""A stand-in for the daemon: a scripted server on a unix socket that speaks the real messages, or lies.

It answers one connection per script, in order, and remembers what was asked of it.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.control.messages import Reason, Reply, Request, Status, Tunnel, decode_request, encode
from agent.words import Words

Script = Callable[[socket.socket, Request], None]


class StandIn:
    """The stand-in; use it in a `with`."""

    def __init__(self, path: Path, *scripts: Script) -> None:
        self.path = path
        self.asked: list[Request] = []
        self._scripts = scripts
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "StandIn":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._connections:  # whoever still listens is hung up on
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def wait_until_asked(self, count: int, seconds: float = 10.0) -> None:
        """Wait until so many requests have come."""
        deadline = time.monotonic() + seconds
        while len(self.asked) < count:
            assert time.monotonic() < deadline, f"only {self.asked} was asked"
            time.sleep(0.01)

    def _serve(self) -> None:
        for script in self._scripts:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                with connection:
                    self._converse(connection, script)

    def _converse(self, connection: socket.socket, script: Script) -> None:
        with connection.makefile("rb") as lines:
            request = decode_request(lines.readline())
        self.asked.append(request)
        script(connection, request)


def says(*replies: Reply) -> Script:
    """Make a script that gives these replies and hangs up."""
    return lambda connection, _: connection.sendall(b"".join(map(encode, replies)))


def says_bytes(data: bytes) -> Script:
    """Make a script that sends bytes and hangs up."""
    return lambda connection, _: connection.sendall(data)


def says_and_stays(*replies: Reply) -> Script:
    """Make a script that gives these replies and then says nothing until the asker hangs up."""

    def script(connection: socket.socket, _: Request) -> None:
        connection.sendall(b"".join(map(encode, replies)))
        connection.recv(1)

    return script


def says_for_ever(piece: bytes) -> Script:
    """Make a script that repeats itself until the asker hangs up."""

    def script(connection: socket.socket, _: Request) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(piece)

    return script


def argv(path: Path, *words: str) -> list[str]:
    """Write the command line that asks the stand-in."""
    return [sys.executable, "-m", "agent.cli.main", "--socket", str(path), *words]


def environment(language: str = "en_GB.UTF-8") -> dict[str, str]:
    """Make an environment that speaks one language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return kept | {"LANG": language}


def run(path: Path, *words: str, language: str = "en_GB.UTF-8") -> subprocess.CompletedProcess[str]:
    """Run the real command and wait for its end."""
    made = argv(path, *words)
    return subprocess.run(made, env=environment(language), capture_output=True, text=True, timeout=30, encoding="utf-8")


TUNNEL = Tunnel(
    interface="sekisho0",
    addresses=("10.60.0.5",),
    gateway="198.51.100.1",
    local_identity="doctor@hospital.example",
    remote_identity="vpn.hospital.example",
    ike_suite="aes256gcm16-prfsha384-ecp384",
    esp_suite="aes256gcm16",
    networks=("10.50.0.0/24",),
    handshake_ms=9.7,
    seconds=3723.0,
    bytes_in=12_345_678,
    bytes_out=999,
)
FORBIDDEN = Reason(
    "apps.forbidden",
    "fail",
    Words("The program 'anydesk' is running.", "「anydesk」が動作しています。"),
    Words("Close it, then connect again.", "終了してから、もう一度接続してください。"),
    "you",
)
IDLE = Status("idle", None, ("hospital", "clinic"), "en", 7, (), (), None)
OPEN = Status("open", "hospital", ("hospital", "clinic"), "en", 7, (), (), TUNNEL)
CUT = Status("refused", "hospital", ("hospital", "clinic"), "en", 7, (), (FORBIDDEN,), None)
