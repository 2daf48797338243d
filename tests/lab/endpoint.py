"""Knows how Sekisho itself is run on the lab's laptop: the look helper, the daemon, and the doctor's commands.

Never imports the agent: it starts the installed programs, as a laptop does.
"""

import json
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.lab.laptop import Laptop
from tests.lab.run import Program, Run, wait_until


@dataclass(frozen=True)
class Answer:
    """What a command of the doctor's printed, how it ended and how long it took."""

    code: int
    output: str
    errors: str
    seconds: float

    @property
    def lines(self) -> list[dict[str, object]]:
        """Read the output of a `--json` command."""
        return [json.loads(line) for line in self.output.splitlines()]


@dataclass(frozen=True)
class Endpoint:
    """Sekisho as installed on the laptop; the daemon inside it, the look helper in the root network namespace."""

    run: Run = field(repr=False)
    laptop: Laptop
    folder: Path
    bus: str
    control: str = "/run/sekisho/control"
    daemons: list[Program] = field(default_factory=list, repr=False)
    lookers: list[Program] = field(default_factory=list, repr=False)

    @classmethod
    def install(cls, run: Run, laptop: Laptop, name: str, policy: str, bus: str) -> Self:
        """Write the policy into a folder of its own; nothing runs yet."""
        endpoint = cls(run, laptop, run.path(name, "policy.yaml").parent, bus)
        endpoint.policy.write_text(policy)
        return endpoint

    def start(self, within: Sequence[str] = ()) -> None:
        """Start both programs at once; the daemon answers when this returns."""
        look, daemon = self._launch_look(), self._launch_daemon(within=within)
        look.wait_ready(self.look_socket.exists, START_SECONDS)
        daemon.wait_ready(self._answers, START_SECONDS)

    @property
    def command(self) -> str:
        """The doctor's command, for whoever starts it otherwise than `sekisho` does."""
        return f"{BIN}/sekisho"

    @property
    def policy(self) -> Path:
        return self.folder / "policy.yaml"

    @property
    def look_socket(self) -> Path:
        return self.folder / "look"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def events_file(self) -> Path:
        return self.folder / "events.jsonl"

    def start_look(self) -> Program:
        """Start the look helper where process events can be heard, and wait for its socket."""
        program = self._launch_look()
        program.wait_ready(self.look_socket.exists, START_SECONDS)
        return program

    def start_daemon(self, *more: str, within: Sequence[str] = ()) -> Program:
        """Start the daemon on the laptop, with further words or within another command, and wait until it answers."""
        program = self._launch_daemon(*more, within=within)
        program.wait_ready(self._answers, START_SECONDS)
        return program

    def daemon_argv(self) -> tuple[str, ...]:
        """Write the daemon's command line, for whoever starts a second one."""
        flags = {
            "--policy": self.policy,
            "--control": self.control,
            "--look": self.look_socket,
            "--state": self.state,
            "--events": self.events_file,
            "--system-bus": self.bus,
        }
        return (f"{BIN}/sekishod", *(str(word) for pair in flags.items() for word in pair))

    def sekisho(self, *words: str, seconds: float = 30.0) -> Answer:
        """Run `sekisho WORDS` as the doctor."""
        began = time.monotonic()
        done = self.laptop.doctor(self.command, *words, seconds=seconds)
        took = time.monotonic() - began
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode(), took)

    def status(self) -> dict[str, object]:
        """Ask for the state now."""
        return self.sekisho("status", "--json").lines[-1]

    def wait_for_state(self, state: str, seconds: float) -> None:
        """Wait until the daemon tells a state."""
        wait_until(lambda: self.status().get("state") == state, f"the state {state}", seconds)

    def events(self) -> list[dict[str, object]]:
        """Read the events recorded up to now."""
        return [json.loads(line) for line in self.events_file.read_text().splitlines()]

    def stop_daemon(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End the daemon and return its exit code; SIGKILL plays a crash."""
        return self.daemons[-1].stop(by=by)

    def stop_look(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End the look helper and return its exit code."""
        return self.lookers[-1].stop(by=by)

    def _launch_look(self) -> Program:
        self.look_socket.unlink(missing_ok=True)
        program = self.run.start(
            self._named("look", self.lookers), (f"{BIN}/sekisho-look", "--socket", str(self.look_socket))
        )
        self.lookers.append(program)
        return program

    def _launch_daemon(self, *more: str, within: Sequence[str] = ()) -> Program:
        program = self.laptop.start(self._named("sekishod", self.daemons), (*within, *self.daemon_argv(), *more))
        self.daemons.append(program)
        return program

    def _named(self, program: str, before: Sequence[Program]) -> str:
        """Give each start a name, and so a log, of its own."""
        return f"{program}-{self.folder.name}-{len(before)}"

    def _answers(self) -> bool:
        """Tell whether somebody listens at the control socket; one that a killed daemon left refuses."""
        with socket.socket(socket.AF_UNIX) as asker:
            return asker.connect_ex(str(self.laptop.file(self.control))) == 0


# Our choices
BIN = Path(sys.executable).parent
START_SECONDS = 15.0
