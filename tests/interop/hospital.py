"""Knows the lab that interop tests share: one town, one strongSwan gateway, and the clients that a test opens there.

Never leaves a client, an SA or a bad road to the next test: `tidy` sees to it.
"""

import re
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Self

from ike.config import Config, Timers
from tests.certificates import Authority, Issued
from tests.interop.client import Client, config_of, key_of
from tests.lab import road
from tests.lab.namespaces import Topology
from tests.lab.pki import Papers
from tests.lab.run import Run, wait_until
from tests.lab.strongswan import StrongSwan
from tests.lab.strongswan_conf import CHARON, GATEWAY_SIDE, Charon, Connection


@dataclass(frozen=True)
class Setup:
    """What the gateway is made of: its connection, certificate, the authority it trusts, and its charon."""

    own: Issued
    trusting: Authority
    connection: Connection = GATEWAY_SIDE
    charon: Charon = CHARON

    def follows(self, other: "Setup") -> bool:
        """Tell whether a running gateway gets from the other setup to this one by loading its connection."""
        return replace(other, connection=self.connection) == self


@dataclass
class Hospital:
    """A gateway that speaks strongSwan, and the papers with which both sides usually trust each other."""

    run: Run = field(repr=False)
    town: Topology
    papers: Papers
    gateway: StrongSwan
    _setup: Setup = field(repr=False)
    _open: ExitStack = field(default_factory=ExitStack, repr=False)
    _log_mark: int = 0

    @classmethod
    def found(cls, run: Run) -> Self:
        """Build all of it; the gateway answers when this returns."""
        town, papers = Topology.up(run), Papers.issue()
        usual = Setup(papers.gateway, papers.authority)
        return cls(run, town, papers, StrongSwan.gateway(run, town.gateway, papers), usual)

    def serve(
        self,
        connection: Connection = GATEWAY_SIDE,
        *,
        own: Issued | None = None,
        trusting: Authority | None = None,
        charon: Charon = CHARON,
    ) -> None:
        """Give the gateway another connection; with other papers or another charon it starts anew."""
        setup = Setup(own or self.papers.gateway, trusting or self.papers.authority, connection, charon)
        before, self._setup = self._setup, setup
        if setup != before:
            if not setup.follows(before):
                self.gateway.stop()
            self.gateway.configure(setup.trusting, setup.own, setup.connection, setup.charon)
            if not setup.follows(before):
                self.gateway.start()
            self.gateway.load()
        self._log_mark = len(self.gateway.log())

    @property
    def config(self) -> Config:
        """The usual terms; tests replace single ones."""
        return config_of(self.papers)

    def timed(self, timers: Timers) -> Config:
        """Give the usual terms with other timers."""
        return replace(self.config, timers=timers)

    def client(self, config: Config | None = None, device: Issued | None = None) -> Client:
        """Start a tunnel on the laptop; it is closed when the test ends."""
        terms = config_of(self.papers, device) if config is None else config
        key = key_of(self.papers.device if device is None else device)
        return self._open.enter_context(Client(self.run, self.town.laptop, terms, key))

    def connect(self, config: Config | None = None, device: Issued | None = None) -> Client:
        """Start a tunnel and wait until it is up and the PACS answers through it."""
        client = self.client(config, device)
        client.connect()
        assert client.pings()
        return client

    def keep(self, opened: socket.socket) -> socket.socket:
        """Close a socket when the test ends."""
        return self._open.enter_context(opened)

    def log(self) -> str:
        """Return what charon logged since it was last told what to serve."""
        return self.gateway.log()[self._log_mark :]

    def wait_for_log(self, words: str, times: int = 1, seconds: float = 20.0) -> None:
        """Wait until charon logged something so many times."""
        wait_until(lambda: self.log().count(words) >= times, f'"{words}" x {times} in the gateway\'s log', seconds)

    def wait_empty(self, seconds: float = 20.0) -> None:
        """Wait until the gateway holds no SA."""
        wait_until(lambda: self.gateway.sas() == "", "the end of all SAs at the gateway", seconds)

    def wait_same(self, client: Client, seconds: float = 20.0) -> None:
        """Wait until both ends hold exactly one Child SA, and the same."""
        wait_until(lambda: self._agrees(client), "one and the same Child SA at both ends", seconds)

    def tidy(self) -> None:
        """Close every client, make the road good, and have the gateway forget what is left."""
        road.heal(self.town)
        self._open.close()
        if self.gateway.running[-1].alive and not self.gateway.sas():
            return
        self.gateway.kill()
        self.gateway.restart()

    def _agrees(self, client: Client) -> bool:
        """Compare what is in use; strongSwan lists a replaced Child SA as DELETED for 5 s more."""
        sas = self.gateway.sas()
        installed = re.findall(r"INSTALLED.*?\bin +([0-9a-f]{8}).*?\bout +([0-9a-f]{8})", sas, re.DOTALL)
        theirs = [(int(out, 16), int(into, 16)) for into, out in installed]
        return len(theirs) == 1 and theirs == client.spis and re.findall(IKE_SA, sas) == ["ESTABLISHED"]


# Fixed by swanctl: how it lists an IKE SA
IKE_SA = re.compile(r"^\S+: #\d+, (\w+)", re.MULTILINE)

# Our choice: a firewall that lets IKE begin and then nothing more through; `road.heal` takes it away
NO_4500 = (
    f"table ip {road.TABLE} {{ chain forward {{ "
    "type filter hook forward priority 0; policy accept; udp dport 4500 drop; }; }\n"
)
