"""Beacons: the weakest protection that they accept counts, and no bytes from the air break the reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Security, Told
from agent.probes.rsn import read_announced

SSID = b"\x00\x04Home"
OUI = b"\x00\x0f\xac"
WPA1 = bytes.fromhex("dd160050f20101000050f20201000050f20201000050f202")


def rsn(akm: tuple[int, ...], *, pairwise: int = 4, group: int = 4, capabilities: int = 0) -> bytes:
    """Write a security element (IEEE 802.11-2020 §9.4.2.24)."""
    suites = len(akm).to_bytes(2, "little") + b"".join(OUI + bytes([one]) for one in akm)
    body = b"\x01\x00" + OUI + bytes([group]) + b"\x01\x00" + OUI + bytes([pairwise]) + suites
    body += capabilities.to_bytes(2, "little")
    return b"\x30" + bytes([len(body)]) + body


@pytest.mark.parametrize(
    ("elements", "privacy", "expected"),
    [
        (b"", False, Security.OPEN),
        (b"", True, Security.WEP),
        (WPA1, True, Security.WPA_TKIP),
        (WPA1 + rsn((2,)), True, Security.WPA_TKIP),
        (rsn((2,)), True, Security.WPA2_PSK),
        (rsn((2, 6)), True, Security.WPA2_PSK),
        (rsn((4,), group=9), True, Security.WPA2_PSK),
        (rsn((2,), pairwise=2), True, Security.WPA_TKIP),
        (rsn((2,), group=2), True, Security.WPA_TKIP),
        (rsn((2,), group=1), True, Security.WEP),
        (rsn((2, 8)), True, Security.WPA2_WPA3_MIXED),
        (rsn((8,)), True, Security.SAE),
        (rsn((8, 9, 24, 25)), True, Security.SAE),
        (rsn((1,)), True, Security.ENTERPRISE),
        (rsn((5, 3)), True, Security.ENTERPRISE),
        (rsn((12,)), True, Security.ENTERPRISE),
        (rsn((1, 2)), True, Security.WPA2_PSK),
        (rsn((18,)), True, Security.OWE),
        (rsn((99,)), True, Security.UNKNOWN),
        (bytes.fromhex("30020100"), True, Security.ENTERPRISE),  # what is left out has its default
    ],
)
def test_each_announcement_has_its_protection(elements: bytes, privacy: bool, expected: Security):
    assert read_announced(SSID + elements, privacy=privacy).security is expected


@pytest.mark.parametrize(("capabilities", "expected"), [(0, Told.NO), (0x80, Told.UNTOLD), (0xC0, Told.YES)])
def test_protected_management_frames_are_told_where_they_are_required_or_absent(capabilities: int, expected: Told):
    assert read_announced(rsn((8,), capabilities=capabilities), privacy=True).management is expected


@pytest.mark.parametrize(
    "body", ["", "0200", "010000", "0100000fac04ffff", "0100000fac040100000fac04ff00000fac02", "0100000fac04020000"]
)
def test_a_security_element_that_cannot_be_read_is_unknown_and_never_open(body: str):
    element = bytes([0x30, len(bytes.fromhex(body))]) + bytes.fromhex(body)
    assert read_announced(element, privacy=True).security is Security.UNKNOWN


def test_of_two_elements_of_one_kind_the_first_counts():
    told = read_announced(SSID + rsn((8,)) + b"\x00\x04Evil" + rsn((2,)), privacy=True)
    assert (told.ssid, told.security) == (b"Home", Security.SAE)


def test_an_element_that_is_cut_ends_the_walk():
    assert read_announced(SSID + rsn((8,))[:-1], privacy=True).security is Security.WEP


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_are_read(elements: bytes, privacy: bool):
    told = read_announced(elements, privacy=privacy)
    assert told.security in Security
    assert len(told.ssid) <= 32


@given(st.binary(max_size=255), st.booleans())
def test_any_security_element_is_read(body: bytes, privacy: bool):
    assert read_announced(b"\x30" + bytes([len(body)]) + body, privacy=privacy).security is not Security.OPEN
