"""Knows how to run strongSwan's charon-systemd in a namespace, as the hospital's gateway or as a reference client.

Never uses the machine's own configuration: each charon has its own folder, vici socket and log.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.certificates import Authority, Issued
from tests.lab.namespaces import Namespace
from tests.lab.pki import Papers
from tests.lab.run import Program, Run, run_command, try_command, wait_until
from tests.lab.strongswan_conf import CHARON, CHILD, CLIENT_SIDE, CONNECTION, GATEWAY_SIDE, Charon, Connection


@dataclass(frozen=True)
class StrongSwan:
    """A charon of this run; `running[-1]` is the one that runs now."""

    run: Run = field(repr=False)
    space: Namespace
    folder: Path
    running: list[Program] = field(default_factory=list, repr=False)

    @classmethod
    def gateway(
        cls, run: Run, space: Namespace, papers: Papers, connection: Connection = GATEWAY_SIDE, charon: Charon = CHARON
    ) -> Self:
        """Start the hospital's gateway with its connection loaded; it answers when this returns."""
        return cls._up(run, space, papers.authority, papers.gateway, connection, charon)

    @classmethod
    def client(
        cls, run: Run, space: Namespace, papers: Papers, connection: Connection = CLIENT_SIDE, charon: Charon = CHARON
    ) -> Self:
        """Start strongSwan's own client with its connection loaded; `initiate` connects it."""
        return cls._up(run, space, papers.authority, papers.device, connection, charon)

    @classmethod
    def _up(
        cls, run: Run, space: Namespace, authority: Authority, own: Issued, connection: Connection, charon: Charon
    ) -> Self:
        swan = cls(run, space, run.path(f"charon-{space.part}", "vici").parent)
        swan.configure(authority, own, connection, charon)
        swan.start()
        swan.load()
        return swan

    def configure(
        self, authority: Authority, own: Issued, connection: Connection = GATEWAY_SIDE, charon: Charon = CHARON
    ) -> None:
        """Write both configuration files and the certificates; `load` makes a running charon read the second."""
        for part in ("x509", "x509ca", "private"):
            (self.folder / part).mkdir(exist_ok=True)
        (self.folder / "x509/own.pem").write_bytes(own.pem)
        for number, intermediate in enumerate(own.chain):
            (self.folder / f"x509ca/above-{number}.der").write_bytes(intermediate)
        (self.folder / "x509ca/ca.pem").write_bytes(authority.pem)
        (self.folder / "private/own.pem").touch(mode=0o600)
        (self.folder / "private/own.pem").write_bytes(own.key_pem)
        (self.folder / "strongswan.conf").write_text(charon.text(self.folder))
        (self.folder / "swanctl.conf").write_text(connection.text())

    def start(self) -> None:
        """Start charon and wait until it answers on its vici socket."""
        self._socket.unlink(missing_ok=True)
        program = self.run.start(self.folder.name, (*self._env, CHARON_PROGRAM), enter=self.space.enter)
        self.running.append(program)
        program.wait_ready(self._answers, START_SECONDS)

    def load(self) -> None:
        """Load connections, pools and certificates."""
        self.swanctl("--load-all", "--noprompt")

    def stop(self) -> None:
        """End charon in order; it tells its peers."""
        self.running[-1].stop()

    def kill(self) -> None:
        """End charon as a power cut would; its peers hear nothing."""
        self.running[-1].kill()

    def restart(self) -> None:
        """Start anew after `stop` or `kill`, with the connection loaded and no SA."""
        self.start()
        self.load()

    def initiate(self, seconds: int = 10) -> None:
        """Connect (client's side) and wait until the Child SA is installed."""
        self.swanctl("--initiate", "--child", CHILD, "--timeout", str(seconds), seconds=seconds + 5)

    def rekey_ike(self) -> None:
        """Start a rekey of the IKE SA from this end."""
        self.swanctl("--rekey", "--ike", CONNECTION)

    def rekey_child(self) -> None:
        """Start a rekey of the Child SA from this end."""
        self.swanctl("--rekey", "--child", CHILD)

    def delete_ike(self) -> None:
        """Delete the IKE SA from this end and wait for the peer's answer."""
        self.swanctl("--terminate", "--ike", CONNECTION)

    def delete_child(self) -> None:
        """Delete the Child SA from this end and wait for the peer's answer."""
        self.swanctl("--terminate", "--child", CHILD)

    def sas(self) -> str:
        """List the SAs in swanctl's own words; empty when there is none."""
        return self.swanctl("--list-sas")

    def established(self) -> int:
        """Count the established IKE SAs."""
        return len(re.findall(r"^\S+: #\d+, ESTABLISHED", self.sas(), re.MULTILINE))

    def wait_half_open(self) -> None:
        """Wait until charon holds an IKE SA that was asked for and not proven: then it may demand cookies."""
        wait_until(lambda: re.search(r"[1-9]\d* half-open", self.swanctl("--stats")) is not None, "a half-open SA", 20)

    def installed(self) -> int:
        """Count the installed Child SAs."""
        return len(re.findall(r"^  \S+: #\d+, .*\bINSTALLED\b", self.sas(), re.MULTILINE))

    def log(self) -> str:
        """Return charon's log so far."""
        return (self.folder / "log").read_text(errors="replace")

    def swanctl(self, *words: str, seconds: float = 15.0) -> str:
        """Run one swanctl command against this charon; a failure carries swanctl's last words."""
        return run_command(self._swanctl(*words), enter=self.space.enter, seconds=seconds)

    def _swanctl(self, *words: str) -> tuple[str, ...]:
        return (*self._env, SWANCTL, *words, "--uri", f"unix://{self._socket}")

    def _answers(self) -> bool:
        return self._socket.exists() and try_command(self._swanctl("--stats"), enter=self.space.enter).returncode == 0

    @property
    def _socket(self) -> Path:
        return self.folder / "vici"

    @property
    def _env(self) -> tuple[str, ...]:
        return ("/usr/bin/env", f"STRONGSWAN_CONF={self.folder}/strongswan.conf", f"SWANCTL_DIR={self.folder}")


# Our choices
CHARON_PROGRAM = "/usr/sbin/charon-systemd"
SWANCTL = "/usr/sbin/swanctl"
START_SECONDS = 10.0
