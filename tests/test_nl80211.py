"""The kernel's answers about radios: nested attributes with bytes from the air inside; the real ones run in a guest."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Security, Told
from agent.probes.nl80211 import RadioError, read_beacon, read_guard, read_radios
from tests.network_sandbox import alone
from tests.test_rsn import SSID, rsn


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def bss(elements: bytes, *, bssid: bytes = b"\x02\0\0\0\0\1", status: bytes = b"\1\0\0\0") -> bytes:
    return (
        attribute(1, bssid)
        + attribute(5, (0x10).to_bytes(2, "little"))
        + attribute(6, elements)
        + (attribute(9, status) if status else b"")
    )


def test_a_kept_beacon_is_told_with_its_protection_and_whether_it_is_joined():
    beacon = read_beacon(bss(SSID + rsn((8,))))
    assert beacon is not None
    assert (beacon.bssid, beacon.is_joined) == ("02:00:00:00:00:01", True)
    assert (beacon.announced.ssid, beacon.announced.security) == (b"Home", Security.SAE)


@pytest.mark.parametrize("status", [b"", b"\0\0\0\0"])
def test_a_beacon_that_is_only_heard_or_only_authenticated_is_not_joined(status: bytes):
    beacon = read_beacon(bss(SSID, status=status))
    assert beacon is not None
    assert not beacon.is_joined


@pytest.mark.parametrize("bssid", [b"", b"\2\0\0\0\0", b"\2\0\0\0\0\0\1"])
def test_what_has_no_proper_address_is_no_beacon(bssid: bytes):
    assert read_beacon(bss(SSID, bssid=bssid)) is None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (struct.pack("=II", 0x7F, 0x12), Told.YES),
        (struct.pack("=II", 0x7F, 0x02), Told.NO),
        (struct.pack("=II", 0x0F, 0x1F), Told.UNTOLD),
        (b"", Told.UNTOLD),
        (b"\xff" * 7, Told.UNTOLD),
    ],
)
def test_guarded_links_are_told_only_where_the_driver_knows(flags: bytes, expected: Told):
    assert read_guard(attribute(17, flags)) is expected


@given(st.binary(max_size=400))
def test_any_bytes_are_read(body: bytes):
    read_beacon(body)
    assert read_guard(body) in Told


@given(st.binary(max_size=255))
def test_any_elements_are_read(elements: bytes):
    assert read_beacon(bss(elements)) is not None


@pytest.mark.lab
def test_a_kernel_without_radios_says_so():
    alone(_ask_without_radios)


def _ask_without_radios() -> None:
    with pytest.raises(RadioError, match=r"the kernel tells nothing of Wi-Fi: it has no radios"):
        read_radios()
