"""The descriptors of a tunnel: its interface and its marked UDP socket."""

import fcntl
import os
import socket
import subprocess
from struct import pack, unpack

import pytest

from agent.network.errors import NetworkRefused
from agent.network.tun import open_tun
from agent.network.udp import SO_RCVBUFFORCE, open_udp
from tests.network_sandbox import alone

pytestmark = pytest.mark.lab

TUNGETIFF = 0x800454D2


def test_an_interface_is_numbered_by_the_kernel_and_goes_with_its_descriptor() -> None:
    def body() -> None:
        first, second = open_tun(vnet_hdr=False), open_tun(vnet_hdr=True)
        assert (first.name, second.name) == ("sekisho0", "sekisho1")
        assert socket.if_nameindex() == [(1, "lo"), (first.index, "sekisho0"), (second.index, "sekisho1")]
        first.close()
        second.close()
        assert socket.if_nameindex() == [(1, "lo")]

    alone(body)


@pytest.mark.parametrize("vnet_hdr", [False, True])
def test_packets_carry_a_virtio_header_exactly_when_it_was_asked_for(vnet_hdr: bool) -> None:
    def body() -> None:
        tun = open_tun(vnet_hdr=vnet_hdr)
        _, flags = unpack("16sH22x", fcntl.ioctl(tun.fd, TUNGETIFF, pack("16sH22x", b"", 0)))
        assert bool(flags & 0x4000) == vnet_hdr
        assert flags & 0x1001 == 0x1001
        assert not os.get_inheritable(tun.fd)
        assert not os.get_blocking(tun.fd)

    alone(body)


def test_a_name_that_does_not_fit_or_is_taken_is_refused() -> None:
    def body() -> None:
        for pattern in ("", "x" * 16, "a/b", "lo"):
            with pytest.raises(NetworkRefused) as refusal:
                open_tun(pattern, vnet_hdr=False)
            assert refusal.value.code == "tun.refused"

    alone(body)


def test_a_machine_without_tunnel_device_says_so() -> None:
    def body() -> None:
        subprocess.run(["mount", "-t", "tmpfs", "none", "/dev/net"], check=True)
        with pytest.raises(NetworkRefused, match="/dev/net/tun cannot be opened: No such file or directory"):
            open_tun(vnet_hdr=False)

    alone(body)


def test_the_udp_socket_is_marked_large_and_on_a_port_of_its_own() -> None:
    def body() -> None:
        sockets = [open_udp() for _ in range(20)]
        assert len({each.getsockname()[1] for each in sockets}) == 20
        for each in sockets:
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_MARK) == 0x5E
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 8 << 20
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 8 << 20
            assert not each.getblocking()
            each.close()
        assert SO_RCVBUFFORCE == 33

    alone(body)


def test_without_the_right_to_mark_the_socket_is_refused() -> None:
    def body() -> None:
        os.setuid(65534)
        with pytest.raises(NetworkRefused, match="Operation not permitted"):
            open_udp()

    alone(body)
