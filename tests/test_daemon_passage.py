"""The passage's way down: whatever fails on it, the rest is still taken down.

`StandInTunnel` and the networks stand in for a pump and a kernel that do not do as they should.
"""

import asyncio
import gc
import os
import socket
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

import esp
from agent.daemon.passage import MOST_NOTES, Edges, Machine, Passage, Voice
from agent.network.apply import Network, Undone
from agent.network.tun import Tun
from agent.posture.policy import load
from agent.problems import Trouble, problem
from agent.tunnel.driver import Ended, Told, Tunnel
from esp import Stats
from ike.config import Instant
from ike.crypto import SignatureScheme
from ike.effects import Configure, Note, Sign
from tests.pair import client_config
from tests.test_daemon_small import POLICY


class StandInTunnel(Tunnel):
    """Counts, stops and leaves as it is told."""

    def __init__(self, *, fails: Exception | None = None) -> None:
        self.fails = fails
        self.did: list[str] = []

    def stats(self) -> Stats:
        return Stats(1, 30, 1, 40, 1, 1, {}, None)

    def stop_traffic(self) -> None:
        self.did.append("stop")
        if self.fails is not None:
            raise self.fails

    async def close(self, patience: float) -> None:
        self.did.append("close")


class StandInNetwork(Network):
    """Cannot be put back at all, or not wholly."""

    def __init__(self, folder: Path, undone: Undone | Exception) -> None:
        super().__init__(folder / "undo")
        self.undone = undone
        self.asked = 0

    def undo(self) -> Undone:
        self.asked += 1
        if isinstance(self.undone, Exception):
            raise self.undone
        return self.undone


def passage(folder: Path, network: Network, policy: str = POLICY) -> Passage:
    site = load(policy, "policy.yaml").sites["main"]
    machine = Machine(lambda: Instant(1.0, 2.0), os.urandom, network, folder / "resolv.conf")
    return Passage(site, machine, Voice(lambda step: None, lambda kind: None, lambda trouble: None))


def open_edges() -> Edges:
    descriptor = os.open("/dev/null", os.O_RDWR)
    return Edges(Tun(descriptor, "sekisho0", 1), socket.socket(socket.AF_INET, socket.SOCK_DGRAM))


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_network_that_cannot_be_restored_keeps_neither_tunnel_nor_interface(tmp_path: Path):
    async def run() -> None:
        network, tunnel, edges = StandInNetwork(tmp_path, OSError("gone")), StandInTunnel(), open_edges()
        way = passage(tmp_path, network)
        way._tunnel, way._edges = tunnel, edges
        with pytest.raises(OSError, match="gone"):
            await way.close()
        assert tunnel.did == ["stop", "close"]
        assert not is_open(edges.tun.fd)
        assert edges.udp.fileno() == -1

    asyncio.run(run())


def test_a_tunnel_that_fails_to_stop_is_still_closed_and_the_network_restored(tmp_path: Path):
    async def run() -> None:
        network, tunnel, edges = StandInNetwork(tmp_path, Undone()), StandInTunnel(fails=ValueError("no")), open_edges()
        way = passage(tmp_path, network)
        way._tunnel, way._edges = tunnel, edges
        with pytest.raises(ValueError, match="no"):
            await way.close()
        assert tunnel.did == ["stop", "close"]
        assert network.asked == 1
        assert not is_open(edges.tun.fd)

    asyncio.run(run())


def test_what_others_wrote_meanwhile_is_left_to_them_and_the_traffic_is_counted(tmp_path: Path, caplog):
    async def run() -> None:
        way = passage(tmp_path, StandInNetwork(tmp_path, Undone(left=("resolv.conf was changed",))))
        way._tunnel = StandInTunnel()
        await way.close()
        assert way.traffic() == (30, 40)

    asyncio.run(run())
    assert "left as somebody else wrote it: resolv.conf was changed" in caplog.text


def test_what_the_system_does_not_take_back_is_trouble_after_all_the_rest_is_done(tmp_path: Path):
    async def run() -> None:
        way = passage(tmp_path, StandInNetwork(tmp_path, Undone(failed=("rules: the system said no",))))
        way._tunnel = gone = StandInTunnel()
        with pytest.raises(Trouble) as met:
            await way.close()
        assert (met.value.problem.code, met.value.problem.detail) == ("network.left", "rules: the system said no")
        assert gone.did == ["stop", "close"]

    asyncio.run(run())


def test_name_servers_are_asked_through_the_tunnel_or_not_at_all(tmp_path: Path, caplog):
    async def run() -> None:
        text = POLICY + "    dns: {names: hospital.test}\n"
        given = tuple(map(IPv4Address, ("10.50.0.1", "9.9.9.9", "10.50.0.2", "10.50.0.3", "10.50.0.4")))
        way = passage(tmp_path, StandInNetwork(tmp_path, Undone()), text)
        dns = way._dns(Configure((), given, ()))
        assert dns is not None
        assert list(map(str, dns.servers)) == ["10.50.0.1", "10.50.0.2", "10.50.0.3"]
        assert way._dns(Configure((), (IPv4Address("9.9.9.9"),), ())) is None

    asyncio.run(run())
    assert "outside the site's networks" in caplog.text


class BrokenSigner:
    """Holds a key that fails in a way which no card announces."""

    async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        raise ZeroDivisionError


class StandInPump:
    """Moves nothing."""

    failed = None

    def __init__(self, **descriptors: int) -> None:
        self.ike = os.dup(descriptors["ike"])

    def start(self) -> None:
        """Nothing to move."""

    def stop(self) -> None:
        os.close(self.ike)


def tunnel(told: asyncio.Queue[Told], edges: Edges) -> Tunnel:
    return Tunnel(
        replace(client_config(), gateway="127.0.0.1"),
        signer=BrokenSigner(),
        tun=edges.tun.fd,
        udp=edges.udp.fileno(),
        clock=lambda: Instant(1.0, 2.0),
        dice=os.urandom,
        tell=told.put_nowait,
    )


def test_a_signer_that_breaks_ends_the_attempt_instead_of_leaving_it_waiting(monkeypatch):
    """Without a signature or a refusal the session would wait for ever."""

    async def run() -> None:
        told: asyncio.Queue[Told] = asyncio.Queue()
        edges = open_edges()
        attempt = tunnel(told, edges)
        attempt.start()
        attempt._carry_out(Sign(1, SignatureScheme.ECDSA_SHA256, b"data"))
        async with asyncio.timeout(10):
            ended = await told.get()
        edges.close()
        assert ended == Ended(problem("internal", "ZeroDivisionError"))

    monkeypatch.setattr(esp, "Pump", StandInPump)
    asyncio.run(run())


def test_a_pump_that_refuses_leaves_no_socket_behind():
    async def run() -> None:
        edges = open_edges()
        with pytest.raises(OSError, match="TUN"):
            tunnel(asyncio.Queue(), edges)
        edges.close()

    gc.collect()
    before = os.listdir("/proc/self/fd")
    asyncio.run(run())
    assert os.listdir("/proc/self/fd") == before


def test_a_flood_of_oddities_fills_no_log(tmp_path: Path, caplog):
    async def run() -> None:
        way = passage(tmp_path, StandInNetwork(tmp_path, Undone()))
        for number in range(MOST_NOTES + 500):
            way._told(Note("peer.malformed", f"oddity {number}"))

    with caplog.at_level("INFO", logger="agent"):
        asyncio.run(run())
    assert len(caplog.records) == MOST_NOTES + 1
    assert "further oddities" in caplog.records[-1].message
