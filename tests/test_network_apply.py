"""The tunnel's network on a real kernel: everything or nothing, and the machine as before."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, ip_interface, ip_network
from pathlib import Path
from typing import cast

import pytest
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from agent.network.apply import Network, Undone
from agent.network.dns import DnsConfig
from agent.network.errors import NetworkRefused
from agent.network.kernel import Requests
from agent.network.plan import NetworkConfig
from agent.network.tun import Tun, open_tun
from tests.network_sandbox import alone, network_text

pytestmark = pytest.mark.lab

# The kernel says so a moment after both ends of the wire are up, and gives each its multicast route then.
LINKS_ARE_READY = [f"multicast ff00::/8 dev {end}" for end in ("up0", "up1")]
RESOLV = b"# by the hotel\nsearch hotel.example\nnameserver 192.168.77.1\noptions edns0\n"


class FailingNetlink:
    """The real thing, except that the n-th request (from 0) is answered with EPERM; later ones too if `forever`."""

    at = 0
    forever = False
    asked = 0
    told = False

    def __init__(self) -> None:
        self._real = IPRoute()

    @classmethod
    def arm(cls, at: int, forever: bool) -> None:
        cls.at, cls.forever, cls.asked, cls.told = at, forever, 0, False

    def __getattr__(self, name: str) -> Callable[..., object]:
        return self._real.close if name == "close" else partial(self._ask, getattr(self._real, name))

    def _ask(self, request: Callable[..., object], *arguments: object, **fields: object) -> object:
        kind = type(self)
        now, kind.asked = kind.asked, kind.asked + 1
        if now == kind.at or (kind.forever and now > kind.at):
            kind.told = True
            raise NetlinkError(errno.EPERM)
        return request(*arguments, **fields)


def failing() -> Requests:
    """Open the failing netlink in the place of the real one."""
    return cast(Requests, FailingNetlink())


def config(tun: Tun, folder: Path) -> NetworkConfig:
    resolver = DnsConfig(folder / "resolv.conf", (IPv4Address("10.50.0.53"),), ("hospital.example",))
    return NetworkConfig(
        interface=tun.name,
        index=tun.index,
        mtu=1400,
        addresses=(ip_interface("10.60.0.5/32"), ip_interface("fd60::5/128")),
        networks=(ip_network("10.50.0.0/24"), ip_network("10.51.0.0/16"), ip_network("fd50::/64")),
        dns=resolver,
    )


def hotel(folder: Path) -> None:
    """Give the namespace an uplink with a default route, and a resolver file."""
    for command in (
        "ip link add up0 type veth peer name up1",
        "ip addr add 192.168.77.10/24 dev up0",
        "ip link set up0 addrgenmode none up",
        "ip link set up1 addrgenmode none up",
        "ip route add default via 192.168.77.1 dev up0",
    ):
        subprocess.run(command.split(), check=True)
    settled = time.monotonic() + 20
    while not all(sign in network_text() for sign in LINKS_ARE_READY):
        assert time.monotonic() < settled, network_text()
    (folder / "resolv.conf").write_bytes(RESOLV)


def route_to(address: str, *options: str) -> str:
    """Ask the kernel which way it would send."""
    asked = subprocess.run(["ip", "route", "get", address, *options], capture_output=True, text=True)
    return asked.stdout + asked.stderr


def test_protected_networks_go_into_the_tunnel_and_everything_is_as_before_afterwards(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        before = network_text()
        network = Network(tmp_path / "journal")
        network.apply(config(tun, tmp_path))
        assert f"dev {tun.name}" in route_to("10.50.0.10")
        assert "src 10.60.0.5" in route_to("10.50.0.10")
        assert f"dev {tun.name}" in route_to("fd50::1")
        assert "dev up0" in route_to("198.51.100.1")
        assert "dev up0" in route_to("10.50.0.10", "mark", "0x5e")
        assert (tmp_path / "resolv.conf").read_bytes() != RESOLV
        assert network.undo() == Undone()
        assert network_text() == before
        assert (tmp_path / "resolv.conf").read_bytes() == RESOLV
        assert not (tmp_path / "journal").exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["resolv.conf"]

    alone(body)


def test_a_tunnel_interface_that_dies_leaves_its_networks_unreachable_and_not_in_the_clear(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        network = Network(tmp_path / "journal")
        tun = open_tun(vnet_hdr=False)
        before = network_text()
        network.apply(config(tun, tmp_path))
        tun.close()
        assert "No route to host" in route_to("10.50.0.10")
        assert network.undo() == Undone()
        assert "dev up0" in route_to("10.50.0.10")
        again = open_tun(vnet_hdr=False)
        assert network_text().replace(f"{again.index}: {again.name}", f"{tun.index}: {tun.name}") == before

    alone(body)


def test_a_narrower_route_of_the_local_network_does_not_win_over_the_tunnel(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        Network(tmp_path / "journal").apply(config(tun, tmp_path))
        subprocess.run(["ip", "route", "add", "10.50.0.10/32", "via", "192.168.77.1"], check=True)
        assert f"dev {tun.name}" in route_to("10.50.0.10")

    alone(body)


def test_a_failure_at_any_request_leaves_the_machine_as_before(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        before = network_text()
        for at in range(100):
            FailingNetlink.arm(at, forever=False)
            network = Network(tmp_path / "journal", failing)
            with suppress(NetworkRefused):
                network.apply(config(tun, tmp_path))
            if not FailingNetlink.told:
                break
            assert network_text() == before, f"after a failure at request {at}"
            assert (tmp_path / "resolv.conf").read_bytes() == RESOLV
            assert not (tmp_path / "journal").exists()
        assert at >= 16, "every kind of request was refused once"
        FailingNetlink.arm(-1, forever=False)
        assert network.undo() == Undone()
        assert network_text() == before

    alone(body)


def test_when_even_the_way_back_fails_the_next_start_finishes_it(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        before = network_text()
        for at in range(7, 17):
            FailingNetlink.arm(at, forever=True)
            with pytest.raises(NetworkRefused, match="not everything could be put back"):
                Network(tmp_path / "journal", failing).apply(config(tun, tmp_path))
            assert network_text() != before
            assert Network(tmp_path / "journal").recover() == Undone()
            assert network_text() == before

    alone(body)


def forked(service: Callable[[], None]) -> int:
    """Run a service in a process of its own and give its number."""
    if (child := os.fork()) == 0:
        try:
            service()
        finally:
            os._exit(1)
    return child


def test_the_next_start_undoes_what_a_killed_service_left(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        before = network_text()
        reading, writing = os.pipe()

        def service() -> None:
            Network(tmp_path / "journal").apply(config(open_tun(vnet_hdr=False), tmp_path))
            os.write(writing, b"1")
            signal.pause()

        child = forked(service)
        os.close(writing)
        assert os.read(reading, 1) == b"1"
        assert "sekisho0" in network_text()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert "No route to host" in route_to("10.50.0.10")
        started = Network(tmp_path / "journal")
        assert started.recover() == Undone()
        assert network_text() == before
        assert (tmp_path / "resolv.conf").read_bytes() == RESOLV
        assert started.recover() is None

    alone(body)


def test_a_kill_at_any_moment_of_setting_up_is_undone_by_the_next_start(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        before = network_text()
        for delay in range(20):

            def service(delay: int = delay) -> None:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                network, tun = Network(tmp_path / "journal"), open_tun(vnet_hdr=False)
                signal.setitimer(signal.ITIMER_REAL, 0.005 + 0.0017 * delay)
                while True:
                    network.apply(config(tun, tmp_path))
                    network.undo()

            _, status = os.waitpid(forked(service), 0)
            assert os.WTERMSIG(status) == signal.SIGALRM
            Network(tmp_path / "journal").recover()
            assert network_text() == before
            assert (tmp_path / "resolv.conf").read_bytes() == RESOLV
            assert {path.name for path in tmp_path.iterdir()} <= {"resolv.conf", ".journal.new"}

    alone(body)


def test_a_table_or_a_place_that_another_program_uses_is_refused_and_left_alone(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        for command in ("rule add priority 5001 to 10.9.0.0/24 lookup 77", "route add 10.9.0.0/24 dev up0 table 94"):
            subprocess.run(["ip", *command.split()], check=True)
            before = network_text()
            with pytest.raises(NetworkRefused, match="already in use by another program"):
                Network(tmp_path / "journal").apply(config(tun, tmp_path))
            assert network_text() == before
            subprocess.run(["ip", *command.replace("add", "del").split()], check=True)

    alone(body)


def test_a_full_disk_under_the_journal_changes_nothing(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        state = tmp_path / "state"
        state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(state)], check=True)
        (state / "ballast").write_bytes(b"x" * 4096)
        tun = open_tun(vnet_hdr=False)
        before = network_text()
        with pytest.raises(NetworkRefused, match="No space left on device"):
            Network(state / "journal").apply(config(tun, tmp_path))
        assert network_text() == before
        assert [path.name for path in state.iterdir()] == ["ballast"]

    alone(body)


def test_a_resolver_file_that_cannot_be_replaced_takes_the_routes_back_too(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        resolver = str(tmp_path / "resolv.conf")
        subprocess.run(["mount", "--bind", resolver, resolver], check=True)
        tun = open_tun(vnet_hdr=False)
        before = network_text()
        with pytest.raises(NetworkRefused, match="cannot be replaced"):
            Network(tmp_path / "journal").apply(config(tun, tmp_path))
        assert network_text() == before
        assert (tmp_path / "resolv.conf").read_bytes() == RESOLV

    alone(body)


def test_an_interface_that_is_gone_or_another_one_is_refused(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        tun.close()
        with pytest.raises(NetworkRefused, match="No such device"):
            Network(tmp_path / "journal").apply(config(tun, tmp_path))
        with pytest.raises(NetworkRefused, match="is not sekisho0"):
            Network(tmp_path / "journal").apply(config(Tun(-1, "sekisho0", 1), tmp_path))

    alone(body)


def test_a_second_tunnel_is_refused_while_one_is_set_up(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=False)
        network = Network(tmp_path / "journal")
        network.apply(config(tun, tmp_path))
        during = network_text()
        with pytest.raises(NetworkRefused, match="still set up"):
            network.apply(config(tun, tmp_path))
        assert network_text() == during

    alone(body)


def test_the_interface_makes_no_address_of_its_own(tmp_path: Path) -> None:
    def body() -> None:
        hotel(tmp_path)
        tun = open_tun(vnet_hdr=True)
        Network(tmp_path / "journal").apply(config(tun, tmp_path))
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline:
            assert "fe80" not in network_text()
        with suppress(BlockingIOError):
            assert not os.read(tun.fd, 2048), "a packet of the kernel's own came out"

    alone(body)
