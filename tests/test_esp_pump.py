"""The pump between real TUN devices and sockets, in namespaces that the test made."""

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from esp import Cipher, _native, frame, unframe
from tests.esp_ends import End, bound_udp, ip, lost, refused, two_ends, until

pytestmark = pytest.mark.lab

KEY = bytes(range(36))
OTHER_KEY = bytes(reversed(range(36)))
KEY_SIZES = {Cipher.AES_128_GCM: 20, Cipher.AES_256_GCM: 36, Cipher.CHACHA20_POLY1305: 36}


@pytest.fixture
def ends() -> Iterator[tuple[End, End]]:
    with two_ends() as (near, far):
        near.tell(0x1001, KEY)
        far.tell(0x2001, OTHER_KEY)
        yield near, far


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("vnet_hdr", [False, True])
def test_packets_of_both_families_pass(cipher: Cipher, vnet_hdr: bool) -> None:
    with two_ends(vnet_hdr=vnet_hdr) as (near, far):
        near.tell(0x1001, KEY[: KEY_SIZES[cipher]], cipher)
        far.tell(0x2001, OTHER_KEY[: KEY_SIZES[cipher]], cipher)
        assert lost(near.ping()) == "0"
        assert lost(near.ping("-s", "1372", "-M", "do")) == "0"
        assert lost(near.ping(address=far.inner6)) == "0"
        stats = near.pump.stats()
        assert (stats.packets_out, stats.packets_in) == (3, 3)
        assert stats.last_inbound is not None
        assert 0 <= stats.last_inbound < 10


@pytest.mark.parametrize("vnet_hdr", [False, True])
@pytest.mark.parametrize("six", [False, True])
def test_a_stream_arrives_whole(vnet_hdr: bool, six: bool) -> None:
    with two_ends(vnet_hdr=vnet_hdr, outer6=six) as (near, far):
        near.tell(0x1001, KEY)
        far.tell(0x2001, OTHER_KEY)
        carry_a_study(near, far, far.inner6 if six else far.inner)
        if vnet_hdr:
            assert near.pump.stats().batches_out < near.pump.stats().packets_out / 2


def test_a_stream_arrives_whole_over_a_wire_smaller_than_a_segment(ends: tuple[End, End]) -> None:
    near, far = ends
    ip("-n", near.namespace, "link", "set", "wire", "mtu", "1300")
    carry_a_study(near, far, far.inner)


def unchecked_udp(address: str) -> socket.socket:
    """Open a socket for which the kernel refuses to cut messages (EINVAL)."""
    made = bound_udp(address)
    made.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    return made


def udp_lite(address: str) -> socket.socket:
    """Open a socket for which the kernel never cuts messages (EIO)."""
    return bound_udp(address, protocol=IPPROTO_UDPLITE)


@pytest.mark.parametrize("bound", [unchecked_udp, udp_lite])
def test_a_stream_arrives_whole_where_the_kernel_cuts_nothing(bound: Callable[[str], socket.socket]) -> None:
    with two_ends(vnet_hdr=True, bound=bound) as (near, far):
        near.tell(0x1001, KEY)
        far.tell(0x2001, OTHER_KEY)
        carry_a_study(near, far, far.inner)
        assert refused(near, "send_failed", "too_big") == 0


def carry_a_study(near: End, far: End, address: str) -> None:
    study = os.urandom(1 << 20) * 10
    listener = far.inside(lambda: socket.create_server((address, 4242), family=family(address)))
    listener.settimeout(30)
    sender = threading.Thread(target=near.inside, args=(lambda: deliver((address, 4242), study),))
    sender.start()
    connection, _ = listener.accept()
    received = hashlib.sha256()
    while data := connection.recv(1 << 16):
        received.update(data)
    sender.join()
    connection.close()
    listener.close()
    assert received.digest() == hashlib.sha256(study).digest()


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def deliver(address: tuple[str, int], data: bytes) -> None:
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(data)


def test_a_rekey_under_load_loses_nothing(ends: tuple[End, End]) -> None:
    near, far = ends
    answers: list[str] = []
    load = threading.Thread(target=lambda: answers.append(near.ping("-c", "1000", "-i", "0.001", "-q")))
    load.start()
    for generation in range(1, 31):
        near.tell(0x1001 + generation, os.urandom(36))
        far.tell(0x2001 + generation, os.urandom(36))
    until(lambda: not load.is_alive(), "the ping ends", 30)
    assert lost(answers[0]) == "0"
    assert refused(near, "unknown_spi", "forged", "replayed") == 0


def test_an_old_inbound_sa_is_kept_until_removed(ends: tuple[End, End]) -> None:
    near, far = ends
    far.pump.install_inbound(far.receives(0x1002, OTHER_KEY))
    assert lost(near.ping()) == "0"
    far.pump.remove_inbound(0x1001)
    assert lost(near.ping("-W", "0.2")) == "100"
    assert far.pump.stats().drops["unknown_spi"] == 1


def test_no_packet_is_accepted_twice(ends: tuple[End, End]) -> None:
    near, far = ends
    numbers = list(range(1, 501))
    sealed = [_native.seal(near.sends(0x1001, KEY), number, icmp_to(far)) for number in numbers]
    with near.inside(lambda: bound_udp(near.outer)) as attacker:
        for datagram in [*sealed, *sealed, *reversed(sealed)]:
            attacker.sendto(datagram, far.address)
        until(lambda: far.pump.stats().drops["replayed"] == 1000, "every replay is counted")
    assert far.pump.stats().packets_in == 500


def test_no_flipped_datagram_is_accepted(ends: tuple[End, End]) -> None:
    near, far = ends
    sealed = _native.seal(near.sends(0x1001, KEY), 1, icmp_to(far))
    flips = len(sealed) * 8
    with near.inside(lambda: bound_udp(near.outer)) as attacker:
        for bit in range(flips):
            flipped = bytearray(sealed)
            flipped[bit // 8] ^= 1 << bit % 8
            attacker.sendto(flipped, far.address)
        until(lambda: refused(far, "forged", "unknown_spi", "replayed") == flips, "every flip is counted")
        assert far.pump.stats().packets_in == 0
        attacker.sendto(sealed, far.address)
        until(lambda: far.pump.stats().packets_in == 1, "the true packet is accepted")


def icmp_to(end: End) -> bytes:
    addresses = socket.inet_aton(end.peer.inner) + socket.inet_aton(end.inner)
    return bytes.fromhex("4500001c00000000401166b3") + addresses + bytes.fromhex("0035003500080000")


def test_one_source_port_carries_ike_bare_to_500_and_marked_elsewhere(ends: tuple[End, End]) -> None:
    near, far = ends
    for port, marker in ((500, b""), (4500, bytes(4))):
        with far.inside(partial(bound_udp, far.outer, port)) as gateway:
            near.ike.send(frame(far.outer, port, b"request"))
            assert gateway.recvfrom(2048) == (marker + b"request", near.address)
            gateway.sendto(marker + b"answer", near.address)
            assert unframe(near.ike.recv(2048)) == (far.outer, port, b"answer")


def test_a_keepalive_is_sent_when_idle_and_swallowed_when_received() -> None:
    with two_ends(keepalive=0.05) as (near, far):
        with far.inside(lambda: bound_udp(far.outer)) as gateway:
            near.pump.install_outbound(near.sends(0x1001, KEY), gateway.getsockname())
            assert [gateway.recv(2048) for _ in range(3)] == [b"\xff"] * 3
            gateway.sendto(b"\xff", near.address)
            gateway.sendto(bytes(4) + b"after", near.address)
            assert unframe(near.ike.recv(2048))[2] == b"after"
        assert refused(near, "not_esp", "unknown_spi") == 0


def test_packets_without_an_sa_or_outside_its_selectors_are_counted(ends: tuple[End, End]) -> None:
    near, far = ends
    near.ping("-W", "0.1", address="10.60.0.77")
    until(lambda: near.pump.stats().drops["outbound_selector"] >= 1, "the stray packet is counted")
    near.pump.remove_outbound()
    near.ping("-W", "0.1")
    until(lambda: near.pump.stats().drops["no_sa"] >= 1, "the packet without an SA is counted")
    assert far.pump.stats().packets_in == 0


def test_the_sa_in_use_moves_to_another_peer_with_its_numbers(ends: tuple[End, End]) -> None:
    near, far = ends
    assert lost(near.ping()) == "0"
    near.pump.install_outbound(near.sends(0x1001, KEY), far.address)
    assert lost(near.ping()) == "0"
    assert far.pump.stats().drops["replayed"] == 0


@pytest.mark.parametrize("meanwhile", ["nothing", "another SA"])
def test_a_key_that_comes_back_goes_on_where_it_stopped(ends: tuple[End, End], meanwhile: str) -> None:
    near, far = ends
    assert lost(near.ping("-c", "3", "-i", "0.01")) == "0"
    if meanwhile == "nothing":
        near.pump.remove_outbound()
    else:
        near.tell(0x1002, bytes(36))
        assert lost(near.ping()) == "0"
    near.pump.install_outbound(near.sends(0x1001, KEY), far.address)
    assert lost(near.ping("-c", "3", "-i", "0.01")) == "0"
    assert far.pump.stats().drops["replayed"] == 0


def test_a_removed_inbound_sa_never_comes_back_for_it_would_accept_replays(ends: tuple[End, End]) -> None:
    near, far = ends
    far.pump.remove_inbound(0x1001)
    with pytest.raises(ValueError, match="removed before"):
        far.pump.install_inbound(far.receives(0x1001, KEY))
    near.tell(0x1002, bytes(36))
    assert lost(near.ping()) == "0"


def test_an_inbound_spi_is_never_installed_twice(ends: tuple[End, End]) -> None:
    _, far = ends
    with pytest.raises(ValueError, match="already"):
        far.pump.install_inbound(far.receives(0x1001, KEY))


# Fixed by the kernel (linux/in.h, asm-generic/socket.h).
IPPROTO_UDPLITE = 136
SO_NO_CHECK = 11
