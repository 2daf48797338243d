"""Knows that registered networks survive a restart, and that a spoilt file registers nothing and says so."""

import logging
from pathlib import Path

import pytest

from agent.daemon.registrations import Registration, Registrations
from agent.posture.checks.wifi import Strength

HOME = Registration("自宅 \u202e".encode() + b"\xff", "home", Strength.WPA2, 1000, 1.7e9)
PHONE = Registration(b"phone", "my phone", Strength.WPA3, 1000, 1.8e9)


def test_what_was_registered_is_known_after_a_restart(tmp_path: Path):
    kept = Registrations(tmp_path / "networks")
    kept.add(HOME)
    kept.add(PHONE)
    assert Registrations(tmp_path / "networks").all == (HOME, PHONE)
    assert (tmp_path / "networks").stat().st_mode & 0o777 == 0o600


def test_a_network_of_the_same_name_is_replaced_and_one_that_is_removed_is_forgotten(tmp_path: Path):
    kept = Registrations(tmp_path / "networks")
    kept.add(HOME)
    again = Registration(HOME.ssid, "home, new router", Strength.WPA3, 1000, 1.9e9)
    kept.add(again)
    assert kept.all == (again,)
    kept.remove(again)
    assert Registrations(tmp_path / "networks").all == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"networks": [{}]}',
        b'{"networks": 3}',
        b"\xff\xfe",
        b'{"networks": []}' + b" " * 70_000,
    ],
    ids=["empty", "cut", "nested", "lacking", "no list", "no text", "too large"],
)
def test_a_spoilt_file_registers_nothing_and_says_so(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture):
    (tmp_path / "networks").write_bytes(content)
    (tmp_path / "networks").chmod(0o600)
    with caplog.at_level(logging.ERROR):
        assert Registrations(tmp_path / "networks").all == ()
    assert "none is known" in caplog.text


def test_a_file_that_others_could_read_or_write_registers_nothing(tmp_path: Path):
    Registrations(tmp_path / "networks").add(HOME)
    (tmp_path / "networks").chmod(0o644)
    assert Registrations(tmp_path / "networks").all == ()


def test_what_cannot_be_kept_does_not_count(tmp_path: Path):
    kept = Registrations(tmp_path / "missing" / "networks")
    with pytest.raises(OSError, match="No such file"):
        kept.add(HOME)
    assert kept.all == ()
