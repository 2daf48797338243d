"""The pump and real TUN devices and sockets in trouble: floods, refusals, things that go away, and its own end."""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.network.tun import open_tun
from esp import Pump, frame, unframe
from tests.esp_ends import End, bound_udp, inside, ip, lost, two_ends, until

pytestmark = pytest.mark.lab

KEY = bytes(range(36))
OTHER_KEY = bytes(reversed(range(36)))


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    with two_ends() as (near, far):
        near.tell(0x1001, KEY)
        far.tell(0x2001, OTHER_KEY)
        yield near, far


def test_a_peer_without_a_route_is_a_counted_drop(ends: tuple[End, End]) -> None:
    near, _ = ends
    near.pump.install_outbound(near.sends(0x1002, KEY), ("192.0.2.1", 4500))
    near.ike.send(frame("192.0.2.1", 4500, b"lost"))
    near.ping("-W", "0.1")
    until(lambda: near.pump.stats().drops["unreachable"] >= 2, "both sends are counted")
    near.tell(0x1003, OTHER_KEY)
    assert lost(near.ping()) == "0"


def test_a_refused_port_is_a_counted_drop(ends: tuple[End, End]) -> None:
    near, far = ends
    near.udp.connect((far.outer, CLOSED_PORT))
    near.pump.install_outbound(near.sends(0x1002, KEY), (far.outer, CLOSED_PORT))
    near.ping("-c", "3", "-i", "0.01", "-W", "0.1")
    until(lambda: near.pump.stats().drops["unreachable"] >= 1, "the refusal is counted", 2)
    assert near.pump.failed is None


def reported_udp(address: str) -> socket.socket:
    """Open a socket that keeps a report of every refused datagram."""
    made = bound_udp(address)
    made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    return made


def test_reports_of_refused_datagrams_that_nobody_reads_keep_no_processor_busy() -> None:
    with two_ends(bound=reported_udp) as (near, far):
        near.tell(0x1001, KEY)
        far.tell(0x2001, OTHER_KEY)
        for _ in range(3):
            near.ike.send(frame(far.outer, CLOSED_PORT, b"knock"))
        assert lost(near.ping()) == "0"
        before = processor_seconds()
        threading.Event().wait(0.5)
        assert processor_seconds() - before < 0.1


def processor_seconds() -> float:
    return sum(sum(map(int, fields[11:13])) for fields in pump_threads()) / os.sysconf("SC_CLK_TCK")


def pump_threads() -> list[list[str]]:
    """Read what the kernel tells of each pump's thread (proc(5), stat, from the third field on)."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it may end meanwhile
            name, _, fields = task.joinpath("stat").read_text().rpartition(") ")
            found += [fields.split()] if name.endswith("(sekisho-esp") else []
    return found


def test_a_path_smaller_than_the_packet_is_a_counted_drop(ends: tuple[End, End]) -> None:
    near, _ = ends
    near.udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
    ip("-n", near.namespace, "link", "set", "wire", "mtu", "1300")
    near.ping("-s", "1372", "-W", "0.1")
    until(lambda: near.pump.stats().drops["too_big"] == 1, "the large packet is counted")
    assert lost(near.ping()) == "0"


def test_a_slow_ike_side_never_holds_up_packets(ends: tuple[End, End]) -> None:
    near, far = ends
    with far.inside(lambda: bound_udp(far.outer)) as flood:
        for _ in range(3000):
            flood.sendto(bytes(4) + bytes(1000), near.address)
        until(lambda: near.pump.stats().drops["ike_backlog"] > 0, "the backlog is counted")
    assert lost(near.ping()) == "0"


@pytest.mark.parametrize("side", ["network", "device"])
def test_a_flood_holds_up_neither_orders_nor_ike_nor_stopping(ends: tuple[End, End], side: str) -> None:
    near, far = ends
    flooded = far if side == "network" else near
    over, target = threading.Event(), far.address if side == "network" else (far.inner, CLOSED_PORT)
    floods = [threading.Thread(target=near.inside, args=(partial(flood, target, over),)) for _ in range(2)]
    for each in floods:
        each.start()
    try:
        until(lambda: received(flooded) > 20_000, "the flood is on")
        with near.inside(lambda: bound_udp(near.outer)) as gateway:
            began = time.monotonic()
            for spi in range(0x3001, 0x3041):
                flooded.pump.install_inbound(flooded.receives(spi, os.urandom(36)))
                flooded.ike.send(frame(near.outer, gateway.getsockname()[1], b"request"))
                assert gateway.recv(100)
        flooded.pump.stop()
        assert time.monotonic() - began < 15, "64 orders, 64 messages and the end"
    finally:
        over.set()
        for each in floods:
            each.join()


def flood(target: tuple[str, int], over: threading.Event) -> None:
    with bound_udp("0.0.0.0") as source, contextlib.suppress(OSError):  # the device goes with its pump
        while not over.is_set():
            source.sendmsg([b"\xff" * 60_000], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 1000))], 0, target)


def received(end: End) -> int:
    stats = end.pump.stats()
    return stats.packets_out + stats.drops["unknown_spi"]


def test_a_removed_interface_ends_the_pump_aloud(ends: tuple[End, End]) -> None:
    near, _ = ends
    ip("-n", near.namespace, "link", "del", "inner0")
    assert near.ike.recv(10) == b""
    assert "TUN device is gone" in (near.pump.failed or "")
    with pytest.raises(RuntimeError, match="not running"):
        near.tell(0x1002, KEY)
    near.pump.remove_inbound(0x2001)
    near.pump.remove_outbound()


def test_an_interface_that_is_down_drops_but_does_not_end_the_pump(ends: tuple[End, End]) -> None:
    near, far = ends
    ip("-n", far.namespace, "link", "set", "inner0", "down")
    near.ping("-W", "0.1")
    until(lambda: far.pump.stats().drops["tun_down"] >= 1, "the packet is counted")
    assert far.pump.failed is None


def test_a_closed_ike_socket_ends_the_pump(ends: tuple[End, End]) -> None:
    near, _ = ends
    near.ike.close()
    until(lambda: near.pump.failed == "the IKE socket was closed", "the pump ends")


def test_an_ike_socket_closed_with_messages_unread_is_no_riddle(ends: tuple[End, End]) -> None:
    near, far = ends
    far.ike.send(frame(*near.address, b"unread"))
    assert unframe(near.ike.recv(100, socket.MSG_PEEK))[2] == b"unread"
    near.ike.close()
    until(lambda: near.pump.failed == "the IKE socket was closed", "the pump ends")


def test_stopping_is_idempotent_and_final(ends: tuple[End, End]) -> None:
    near, _ = ends
    for _ in range(3):
        near.pump.stop()
    assert near.pump.failed is None
    assert near.ike.recv(10) == b""
    with pytest.raises(RuntimeError, match="started before"):
        near.pump.start()


def test_a_farewell_handed_over_before_stopping_still_goes_out(ends: tuple[End, End]) -> None:
    near, far = ends
    for _ in range(20):
        near.ike.send(frame(*far.address, b"farewell"))
    near.pump.stop()
    assert [unframe(far.ike.recv(100))[2] for _ in range(16)] == [b"farewell"] * 16


def test_no_descriptor_and_no_thread_outlives_its_pump(ends: tuple[End, End]) -> None:
    near, _ = ends

    def once() -> None:
        tun = open_tun("spare%d", vnet_hdr=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, bound_udp("127.0.0.1") as udp:
            pump = Pump(tun=tun.fd, udp=udp.fileno(), ike=theirs.fileno())
            tun.close()
            pump.start()
            pump.install_inbound(near.receives(0x3001, KEY))
            pump.stop()

    near.inside(partial(repeat, once, 1))
    descriptors, threads = open_descriptors(), len(pump_threads())
    near.inside(partial(repeat, once, 40))
    until(lambda: open_descriptors() <= descriptors, "descriptors are as before")
    until(lambda: len(pump_threads()) <= threads, "threads are as before")


def repeat(work: Callable[[], None], times: int) -> None:
    for _ in range(times):
        work()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_of_the_wrong_kind_are_refused(ends: tuple[End, End]) -> None:
    near, _ = ends
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    tun = inside(near.namespace, lambda: open_tun("spare%d", vnet_hdr=False))
    good = {"tun": tun.fd, "udp": near.udp.fileno(), "ike": ours.fileno()}
    for wrong in ({"tun": near.udp.fileno()}, {"udp": ours.fileno()}, {"ike": near.udp.fileno()}, {"tun": 99999}):
        with pytest.raises(OSError, match="the "):
            Pump(**{**good, **wrong})
    with pytest.raises(ValueError, match="negative"):
        Pump(**{**good, "tun": -1})
    with pytest.raises(ValueError, match="keepalive"):
        Pump(**good, keepalive=0)
    for each in (ours, theirs, tun):
        each.close()


# Our choices.
CLOSED_PORT = 9

# Fixed by the kernel (linux/in.h, linux/udp.h).
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_RECVERR = 10, 2, 11
UDP_SEGMENT = 103
