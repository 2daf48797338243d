"""Proves that the lab's capture calls a packet harmless only when it is one of the four kinds that may pass."""

from struct import pack

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from tests.lab.capture import Packet, Sort, handshake_seconds, in_clear, read, tally

OUT = IP(src="198.51.100.2", dst="198.51.100.1")
BACK = IP(src="198.51.100.1", dst="198.51.100.2")
IKE = bytes(18) + bytes([34]) + bytes(9)


def pcap(*frames: bytes) -> bytes:
    body = b"".join(pack("<IIII", at, 500_000, len(frame), len(frame)) + frame for at, frame in enumerate(frames))
    return pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + body


def sorted_as(layers: Layer) -> Sort:
    (packet,) = read(pcap(bytes(Ether() / layers)))
    return packet.sort


@pytest.mark.parametrize(
    ("layers", "sort"),
    [
        (OUT / UDP(sport=23456, dport=500) / Raw(IKE), Sort.IKE),
        (BACK / UDP(sport=500, dport=23456) / Raw(IKE), Sort.IKE),
        (OUT / UDP(sport=23456, dport=4500) / Raw(bytes(4) + IKE), Sort.NAT_TRAVERSAL),
        (BACK / UDP(sport=4500, dport=23456) / Raw(b"\1\2\3\4" + bytes(40)), Sort.NAT_TRAVERSAL),
        (OUT / UDP(sport=23456, dport=4500) / Raw(b"\xff"), Sort.NAT_TRAVERSAL),
        (ARP(psrc="198.51.100.2", pdst="198.51.100.1"), Sort.NEIGHBOUR),
        (IPv6(src="fe80::1", dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fe80::2"), Sort.NEIGHBOUR),
    ],
)
def test_what_may_pass_is_named(layers: Layer, sort: Sort) -> None:
    assert sorted_as(layers) is sort


@pytest.mark.parametrize(
    "layers",
    [
        IP(src="198.51.100.2", dst="10.50.0.10") / UDP(sport=23456, dport=4500) / Raw(b"to the PACS itself"),
        IP(src="192.168.77.10", dst="198.51.100.1") / UDP(sport=4500, dport=4500) / Raw(b"not translated"),
        OUT / UDP(sport=4500, dport=53) / Raw(b"the port is the laptop's, not the gateway's"),
        OUT / TCP(sport=23456, dport=4500),
        OUT / ICMP(),
        IP(src="198.51.100.2", dst="198.51.100.1", frag=100, proto=17) / Raw(b"a later fragment"),
        IPv6(src="fe80::1", dst="fe80::2") / ICMPv6EchoRequest(),
        IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=500, dport=500),
        OUT / UDP(sport=23456, dport=500) / Raw(b"too short"),
        Raw(b""),
    ],
)
def test_everything_else_is_in_clear(layers: Layer) -> None:
    assert sorted_as(layers) is Sort.CLEAR


def test_a_record_that_is_still_being_written_waits_for_the_next_reading() -> None:
    whole = pcap(bytes(Ether() / OUT / ICMP()), bytes(Ether() / ARP()))
    assert len(tuple(read(whole))) == 2
    assert len(tuple(read(whole[:-1]))) == 1
    assert tuple(read(b"")) == ()


def test_the_handshake_lasts_from_the_first_request_to_the_last_proof() -> None:
    auth = bytes(4) + bytes(18) + bytes([35]) + bytes(9)
    ike = bytes(Ether() / OUT / UDP(sport=23456, dport=500) / Raw(IKE))
    proof = bytes(Ether() / BACK / UDP(sport=4500, dport=23457) / Raw(auth))
    esp = bytes(Ether() / BACK / UDP(sport=4500, dport=23457) / Raw(b"\1\2\3\4" + bytes(40)))
    packets: tuple[Packet, ...] = tuple(read(pcap(esp, ike, ike, proof, esp)))
    assert handshake_seconds(packets) == 2.0
    assert tally(packets) == {Sort.IKE: 2, Sort.NAT_TRAVERSAL: 3}
    assert in_clear(packets) == ()
