"""The ESP layout and its AEADs against scapy's, both ways. Never opens a socket."""

import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import Packet, Raw

from esp import Cipher, Sa, Selector, _native

ANY_PORT = (0, 65535)
LAPTOP = Selector(0, ANY_PORT, IPv4Address("10.60.0.1"), IPv4Address("10.60.0.1"))
CLINIC = Selector(0, ANY_PORT, IPv4Address("10.50.0.0"), IPv4Address("10.50.0.255"))
LAPTOP6 = Selector(0, ANY_PORT, IPv6Address("fd00:60::1"), IPv6Address("fd00:60::1"))
CLINIC6 = Selector(0, ANY_PORT, IPv6Address("fd00:50::"), IPv6Address("fd00:50::ffff"))
KEY_SIZES = {Cipher.AES_128_GCM: 16 + 4, Cipher.AES_256_GCM: 32 + 4, Cipher.CHACHA20_POLY1305: 32 + 4}
SCAPY_NAMES = {
    Cipher.AES_128_GCM: "AES-GCM",
    Cipher.AES_256_GCM: "AES-GCM",
    Cipher.CHACHA20_POLY1305: "CHACHA20-POLY1305",
}
SPI = 0xC0FFEE01

ciphers = pytest.mark.parametrize("cipher", list(Cipher))


def laptop(cipher: Cipher, key: bytes) -> Sa:
    return Sa(SPI, cipher, key, local=(LAPTOP, LAPTOP6), remote=(CLINIC, CLINIC6))


def gateway(cipher: Cipher, key: bytes) -> Sa:
    return Sa(SPI, cipher, key, local=(CLINIC, CLINIC6), remote=(LAPTOP, LAPTOP6))


class Oracle:
    """scapy's view of the same SA; scapy has no types."""

    def __init__(self, cipher: Cipher, key: bytes) -> None:
        self._outer = IP(src="192.0.2.1", dst="192.0.2.2", proto=50)
        self._sa = SecurityAssociation(
            ESP, spi=SPI, crypt_algo=SCAPY_NAMES[cipher], crypt_key=key, tunnel_header=self._outer
        )

    def seal(self, packet: Packet, sequence: int) -> bytes:
        sealed = self._sa.encrypt(packet, seq_num=sequence, iv=os.urandom(8))
        return bytes(sealed[ESP])

    def open(self, sealed: bytes) -> bytes:
        return bytes(self._sa.decrypt(IP(bytes(self._outer / Raw(sealed)))))


def report(payload: bytes, *, six: bool = False) -> bytes:
    outer = IPv6(src="fd00:60::1", dst="fd00:50::10") if six else IP(src="10.60.0.1", dst="10.50.0.10")
    return bytes(outer / TCP(sport=40000, dport=4242) / Raw(payload))


@ciphers
@pytest.mark.parametrize("six", [False, True])
@given(payload=st.binary(min_size=1, max_size=1400), sequence=st.integers(1, 2**32 - 1))
def test_what_we_seal_the_oracle_opens(cipher: Cipher, six: bool, payload: bytes, sequence: int) -> None:
    key = bytes(range(KEY_SIZES[cipher]))
    packet = report(payload, six=six)
    sealed = _native.seal(laptop(cipher, key), sequence, packet)
    assert Oracle(cipher, key).open(sealed) == packet
    assert len(sealed) % 4 == 0


@ciphers
@pytest.mark.parametrize("six", [False, True])
@given(payload=st.binary(min_size=1, max_size=1400), sequence=st.integers(1, 2**32 - 1))
def test_what_the_oracle_seals_we_open(cipher: Cipher, six: bool, payload: bytes, sequence: int) -> None:
    key = bytes(range(KEY_SIZES[cipher]))
    packet = report(payload, six=six)
    inner = IPv6(packet) if six else IP(packet)
    sealed = Oracle(cipher, key).seal(inner, sequence)
    assert _native.open(gateway(cipher, key), sealed) == packet


@ciphers
def test_no_flipped_bit_of_2_to_the_12_is_accepted(cipher: Cipher) -> None:
    key = bytes(KEY_SIZES[cipher])
    sealed = _native.seal(laptop(cipher, key), 7, report(bytes(1200)))
    assert accepted(gateway(cipher, key), sealed, range(2**12)) == 0
    assert _native.open(gateway(cipher, key), sealed)


def test_no_flipped_bit_of_2_to_the_17_is_accepted() -> None:
    key, left = bytes(36), 2**17
    for sequence in range(1, 100):
        sealed = _native.seal(laptop(Cipher.AES_256_GCM, key), sequence, report(os.urandom(1340)))
        bits = range(min(left, len(sealed) * 8))
        assert accepted(gateway(Cipher.AES_256_GCM, key), sealed, bits) == 0
        left -= len(bits)
    assert left == 0


def accepted(receiver: Sa, sealed: bytes, bits: range) -> int:
    """Count the packets accepted with one bit flipped, or refused for a cause that is not the flip."""
    count = 0
    for bit in bits:
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            count += len(_native.open(receiver, bytes(flipped))) > 0
        except ValueError as refused:
            count += str(refused).removeprefix("packet refused: ") not in {"forged", "unknown_spi", "replayed"}
    return count


@given(datagram=st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(datagram: bytes) -> None:
    with pytest.raises(ValueError, match=r"packet refused: (forged|unknown_spi|not_esp|replayed)"):
        _native.open(gateway(Cipher.AES_256_GCM, bytes(36)), SPI.to_bytes(4, "big") + datagram)


def test_sequence_number_zero_is_never_accepted() -> None:
    key, iv = bytes(36), bytes(8)
    header = SPI.to_bytes(4, "big") + bytes(4)
    text = report(b"x" * 2) + bytes([0, 4])
    sealed = header + iv + AESGCM(key[:32]).encrypt(key[32:] + iv, text, header)
    with pytest.raises(ValueError, match="replayed"):
        _native.open(gateway(Cipher.AES_256_GCM, key), sealed)


def test_a_packet_outside_the_selectors_is_neither_sealed_nor_delivered() -> None:
    key = bytes(36)
    stray = bytes(IP(src="10.60.0.1", dst="10.51.0.1") / UDP(dport=53))
    with pytest.raises(ValueError, match="outbound_selector"):
        _native.seal(laptop(Cipher.AES_256_GCM, key), 1, stray)
    sealed = Oracle(Cipher.AES_256_GCM, key).seal(IP(stray), 1)
    with pytest.raises(ValueError, match="inbound_selector"):
        _native.open(gateway(Cipher.AES_256_GCM, key), sealed)


def test_the_way_back_is_judged_the_other_way_round() -> None:
    key = bytes(36)
    sealed = _native.seal(laptop(Cipher.AES_256_GCM, key), 1, report(b"x"))
    with pytest.raises(ValueError, match="inbound_selector"):
        _native.open(laptop(Cipher.AES_256_GCM, key), sealed)


@pytest.mark.parametrize("change", [-1, 1])
@ciphers
def test_a_key_of_the_wrong_size_is_refused(cipher: Cipher, change: int) -> None:
    with pytest.raises(ValueError, match="the key and salt must be"):
        _native.seal(laptop(cipher, bytes(KEY_SIZES[cipher] + change)), 1, report(b"x"))


@pytest.mark.parametrize("spi", [0, 1, 255])
def test_a_reserved_spi_is_refused(spi: int) -> None:
    with pytest.raises(ValueError, match="reserved"):
        _native.seal(replace(laptop(Cipher.AES_256_GCM, bytes(36)), spi=spi), 1, report(b"x"))


@pytest.mark.parametrize("sequence", [0, 2**32])
def test_there_is_no_sequence_number_beyond_32_bits(sequence: int) -> None:
    with pytest.raises(ValueError, match="sequence number"):
        _native.seal(laptop(Cipher.AES_256_GCM, bytes(36)), sequence, report(b"x"))


def test_a_key_is_never_printed() -> None:
    key = b"not-for-your-eyes".ljust(36, b"!")
    assert "eyes" not in repr(laptop(Cipher.AES_256_GCM, key))
