"""The beacon: proof of place only by the very certificate, on a physical link, in time."""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.posture.facts import Observed, Place, Places, Told, Unseen
from agent.probes import beacon
from agent.probes.beacon import Beacon, BeaconSource, proves
from agent.probes.neighbourhood.kernel import KernelError
from agent.probes.ours import Ours
from tests.certificates import Authority
from tests.hostile_network import Link, Machine, lan, run, wait_for
from tests.network_sandbox import alone

pytestmark = pytest.mark.lab

ADDRESS, PORT = "192.168.77.1", 443
OURS = Ours("sekisho0", 0x5E, 0x5E)
SERVER = """
import socket, ssl, sys, time
how, certificate, key = sys.argv[1:]
listener = socket.create_server(("0.0.0.0", 443))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if how == "old":
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
elif how == "older":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
context.load_cert_chain(certificate, key)
while True:
    connection, _ = listener.accept()
    try:
        if how == "garbage":
            connection.sendall(b"HTTP/1.0 400 \\r\\n\\r\\n" * 1000)
        elif how == "silent":
            time.sleep(600)
        else:
            context.wrap_socket(connection, server_side=True)
    except OSError:
        pass
    finally:
        connection.close()
"""


def serve(machine: Machine, folder: Path, how: str = "honest") -> Beacon:
    """Start a beacon, and give what a policy would say of it."""
    papers = Authority.create("Hospital", "ecdsa-p256").issue("beacon.hospital.test")
    (folder / "beacon.pem").write_bytes(papers.pem)
    (folder / "beacon.key").write_bytes(papers.key_pem)
    files = (str(folder / "beacon.pem"), str(folder / "beacon.key"))
    machine.link.start(*machine.enter, sys.executable, "-I", "-c", SERVER, how, *files)
    wait_for(lambda: b":01BB " in Path(f"/proc/{machine.pid}/net/tcp").read_bytes())
    return Beacon(ADDRESS, PORT, hashlib.sha256(papers.der).hexdigest())


def on_lan(folder: Path, body: Callable[[Link, Machine], None]) -> None:
    """Be a laptop on a LAN with one other machine."""

    def inside() -> None:
        with lan(folder) as link:
            machine = link.plug(f"{ADDRESS}/24")
            run("ip", "addr", "add", "192.168.77.10/24", "dev", "lan0")
            body(link, machine)

    alone(inside)


def places(seen: Mapping[str, Observed[Places] | Unseen]) -> tuple[Place, ...]:
    fact = seen["places"]
    assert isinstance(fact, Observed), fact
    return fact.value.places


def look(beacons: Mapping[str, Beacon]) -> tuple[Place, ...]:
    return places(asyncio.run(BeaconSource(OURS, lambda: beacons).read()))


@pytest.mark.parametrize("how", ["honest", "older"])
def test_a_beacon_with_its_own_certificate_proves_the_place(tmp_path: Path, how: str):
    def body(link: Link, machine: Machine) -> None:
        assert look({"main": serve(machine, tmp_path, how)}) == (Place("main", Told.YES, "lan0"),)

    on_lan(tmp_path, body)


@pytest.mark.parametrize("how", ["old", "garbage", "silent"])
def test_a_server_that_does_not_speak_tls_as_it_must_proves_nothing(tmp_path: Path, how: str):
    def body(link: Link, machine: Machine) -> None:
        assert look({"main": serve(machine, tmp_path, how)}) == (Place("main", Told.NO),)

    on_lan(tmp_path, body)


def test_another_certificate_and_another_address_prove_nothing(tmp_path: Path):
    def body(link: Link, machine: Machine) -> None:
        real = serve(machine, tmp_path)
        others = {
            "other": Beacon(ADDRESS, PORT, "ab" * 32),
            "nobody": Beacon("192.168.77.99", PORT, real.sha256),
            "refused": Beacon(ADDRESS, 444, real.sha256),
            "unreachable": Beacon("10.0.0.1", PORT, real.sha256),
            "unresolved": Beacon("beacon.invalid", PORT, real.sha256),
            "no name": Beacon("x" * 70, PORT, real.sha256),
        }
        assert look(others) == tuple(Place(site, Told.NO) for site in others)

    on_lan(tmp_path, body)


def test_a_beacon_behind_a_tunnel_proves_nothing(tmp_path: Path):
    """The same server, but the way to it leads through an interface that is ours, or another's tunnel."""

    def body(link: Link, machine: Machine) -> None:
        real = serve(machine, tmp_path)
        run("ip", "link", "set", "lan0", "down")
        run("ip", "link", "set", "lan0", "name", "sekisho0")
        run("ip", "link", "set", "sekisho0", "up")
        wait_for(lambda: asyncio.run(proves(real, "sekisho0", OURS.mark, 0.5)))
        assert look({"main": real}) == (Place("main", Told.UNTOLD),)

    on_lan(tmp_path, body)


def test_our_own_rules_do_not_keep_the_question_from_the_physical_link(tmp_path: Path):
    def body(link: Link, machine: Machine) -> None:
        farther = replace(serve(machine, tmp_path), host="10.50.0.1")
        machine.run("ip", "addr", "add", "10.50.0.1/32", "dev", "lo")
        machine.run("/bin/sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore")  # else it answers for it here
        run("ip", "route", "add", "10.50.0.0/24", "via", ADDRESS)
        run("ip", "route", "add", "unreachable", "default", "table", "94")
        run("ip", "rule", "add", "priority", "5002", "nop")
        run("ip", "rule", "add", "priority", "5001", "to", "10.50.0.0/24", "lookup", "94")
        run("ip", "rule", "add", "priority", "5000", "fwmark", "94", "goto", "5002")
        assert not asyncio.run(proves(farther, "lan0", mark=0x5F, patience=0.5))
        assert asyncio.run(proves(farther, "lan0", OURS.mark, 0.5))

    on_lan(tmp_path, body)


def test_whoever_comes_and_goes_is_told_the_place_each_time(tmp_path: Path):
    async def scene(source: BeaconSource) -> None:
        async with asyncio.timeout(60), aclosing(source.watch()) as changes:
            assert places(await anext(changes))[0].inside is Told.YES
            run("ip", "link", "set", "lan0", "down")
            await until(changes, lambda place: place.inside is not Told.YES)
            run("ip", "link", "set", "lan0", "up")
            await until(changes, lambda place: place.inside is Told.YES)

    def body(link: Link, machine: Machine) -> None:
        real = serve(machine, tmp_path)
        asyncio.run(scene(BeaconSource(OURS, lambda: {"main": real})))

    on_lan(tmp_path, body)


async def until(changes, sign: Callable[[Place], bool]) -> None:
    async for seen in changes:
        if sign(places(seen)[0]):
            return
    pytest.fail("the watch ended")


def test_a_beacon_that_goes_is_noticed_while_inside(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(beacon, "AGAIN", 0.05)

    async def scene(source: BeaconSource, link: Link) -> None:
        async with asyncio.timeout(60), aclosing(source.watch()) as changes:
            assert places(await anext(changes))[0].inside is Told.YES
            link.end(link.started[-1])
            await until(changes, lambda place: place.inside is Told.NO)

    def body(link: Link, machine: Machine) -> None:
        real = serve(machine, tmp_path)
        asyncio.run(scene(BeaconSource(OURS, lambda: {"main": real}), link))

    on_lan(tmp_path, body)


def test_where_nobody_answered_nobody_is_asked_again_until_the_links_change(tmp_path: Path, monkeypatch):
    asked: list[str] = []

    async def nobody(beacon: Beacon, interface: str, mark: int, patience: float) -> bool:
        asked.append(interface)
        return False

    monkeypatch.setattr(beacon, "proves", nobody)

    async def scene() -> None:
        source = BeaconSource(OURS, lambda: {"main": Beacon(ADDRESS, PORT, "ab" * 32)})
        first = await source.read()
        assert await source.read() == first
        assert asked == ["lan0"]
        run("ip", "addr", "add", "192.168.78.10/24", "dev", "lan0")
        await source.read()
        assert asked == ["lan0", "lan0"]

    on_lan(tmp_path, lambda link, machine: asyncio.run(scene()))


def test_without_a_beacon_in_the_policy_nobody_is_asked(tmp_path: Path):
    def body(link: Link, machine: Machine) -> None:
        assert look({}) == ()

    on_lan(tmp_path, body)


def test_links_that_cannot_be_seen_are_no_place(monkeypatch):
    async def blind(ours: Ours) -> None:
        raise KernelError("the kernel gave no usable answer")

    monkeypatch.setattr(beacon, "look_around", blind)
    seen = asyncio.run(BeaconSource(OURS, lambda: {"main": Beacon(ADDRESS, PORT, "ab" * 32)}).read())
    assert isinstance(seen["places"], Unseen)
