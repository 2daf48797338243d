"""resolv.conf in front and back: what is written, what is refused, and when nothing is touched."""

import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.network.dns import (
    DnsConfig,
    FileState,
    ResolverChange,
    change_resolver,
    check_dns,
    read_state,
    with_tunnel,
)
from agent.network.errors import NetworkRefused

SERVER = IPv4Address("10.50.0.53")
UNTOUCHED = Path("untouched")
HOTEL = b"# by the hotel\ndomain lobby.example\nsearch hotel.example\nnameserver 192.168.77.1\noptions edns0\n"


def into(path: Path, *search: str) -> ResolverChange:
    now = read_state(path)
    return ResolverChange(path, now, with_tunnel(now, DnsConfig(path, (SERVER,), search)))


def test_the_tunnels_servers_and_names_come_first_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(HOTEL)
    change_resolver(into(path, "hospital.example", "pacs.hospital.example"))
    told = path.read_text().splitlines()
    assert told[0].startswith("# Sekisho")
    assert told[1] == "search hospital.example pacs.hospital.example hotel.example"
    assert told[2:] == ["nameserver 10.50.0.53", "# by the hotel", "nameserver 192.168.77.1", "options edns0"]


def test_a_file_comes_back_byte_for_byte_with_mode_and_owner(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(b"nameserver 192.168.77.1\r\n\xff no newline at the end")
    path.chmod(0o640)
    os.chown(path, 12, 34)
    before = read_state(path)
    change = into(path, "hospital.example")
    change_resolver(change)
    during = path.stat()
    assert (during.st_mode & 0o7777, during.st_uid, during.st_gid) == (0o640, 12, 34)
    change_resolver(change.inverse())
    assert read_state(path) == before
    assert [each.name for each in tmp_path.iterdir()] == ["resolv.conf"]


def test_a_link_comes_back_as_the_same_link_and_its_target_is_never_written(tmp_path: Path) -> None:
    path, stub = tmp_path / "resolv.conf", tmp_path / "stub.conf"
    stub.write_bytes(HOTEL)
    target = "./stub.conf"
    path.symlink_to(target)
    change = into(path, "hospital.example")
    change_resolver(change)
    assert not path.is_symlink()
    assert b"nameserver 192.168.77.1" in path.read_bytes()
    assert stub.read_bytes() == HOTEL
    change_resolver(change.inverse())
    assert os.readlink(path) == target  # noqa: PTH115  # a Path would tidy the text


def test_a_dangling_link_and_a_missing_file_come_back_as_they_were(tmp_path: Path) -> None:
    dangling, missing = tmp_path / "dangling", tmp_path / "missing"
    dangling.symlink_to("nowhere")
    for path in (dangling, missing):
        change = into(path)
        change_resolver(change)
        assert b"nameserver 10.50.0.53" in path.read_bytes()
        change_resolver(change.inverse())
    assert str(dangling.readlink()) == "nowhere"
    assert not os.path.lexists(missing)


def test_what_another_program_wrote_in_the_meantime_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(HOTEL)
    change = into(path)
    change_resolver(change)
    path.write_bytes(b"nameserver 192.0.2.1\n")
    with pytest.raises(NetworkRefused, match="was changed by another program and was left as it is"):
        change_resolver(change.inverse())
    assert path.read_bytes() == b"nameserver 192.0.2.1\n"


def test_putting_back_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(HOTEL)
    change = into(path)
    change_resolver(change)
    change_resolver(change.inverse())
    seen = path.stat().st_ino
    change_resolver(change.inverse())
    assert path.stat().st_ino == seen


def test_a_folder_a_device_or_a_huge_file_in_its_place_is_refused(tmp_path: Path) -> None:
    folder, device, huge = tmp_path / "folder", tmp_path / "device", tmp_path / "huge"
    folder.mkdir()
    device.symlink_to("/dev/zero")
    huge.write_bytes(b"#" * ((1 << 20) + 1))
    for path in (folder, device, huge):
        with pytest.raises(NetworkRefused):
            read_state(path)


@pytest.mark.parametrize(
    "name",
    [
        "hospital.example\nnameserver 192.0.2.66",
        "$(reboot)",
        "a;b",
        "a b",
        "`id`",
        "-dash.example",
        "dash-.example",
        "",
        ".",
        "a..b",
        "病院.example",
        "x" * 64,
        "a\x1b[2J",
        "nul\0",
        ".".join(["abcdefgh"] * 29),
    ],
)
def test_a_name_with_anything_but_letters_digits_and_hyphens_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(NetworkRefused) as refusal:
        check_dns(DnsConfig(tmp_path, (), (name,)))
    assert refusal.value.why.isprintable()


@pytest.mark.parametrize("server", ["0.0.0.0", "127.0.0.1", "224.0.0.251", "::1", "ff02::fb", "fe80::1%eth0"])
def test_a_server_that_cannot_be_behind_a_tunnel_is_refused(tmp_path: Path, server: str) -> None:
    address = IPv6Address(server) if ":" in server else IPv4Address(server)
    with pytest.raises(NetworkRefused):
        check_dns(DnsConfig(tmp_path, (address,)))


@given(st.text(max_size=80))
def test_no_accepted_name_can_start_a_line_or_a_word_of_its_own(name: str) -> None:
    config = DnsConfig(UNTOUCHED, (SERVER,), (name,))
    try:
        told = with_tunnel(FileState(), config)
    except NetworkRefused:
        return
    assert told.content is not None
    assert [line.split()[0] for line in told.content.splitlines()] == [b"#", b"search", b"nameserver"]


@given(st.binary(max_size=300))
def test_every_line_of_the_old_file_but_search_and_domain_is_kept(old: bytes) -> None:
    told = with_tunnel(FileState(old), DnsConfig(UNTOUCHED, (SERVER,)))
    assert told.content is not None
    kept = [line for line in old.splitlines() if line.split()[:1] not in ([b"search"], [b"domain"])]
    assert told.content.splitlines()[-len(kept) :] == kept or not kept


def test_an_owner_alone_is_no_other_content() -> None:
    state = FileState(b"x", None, 0o644, 1, 1)
    assert state.holds_the_same(replace(state, owner=2))
    assert not state.holds_the_same(replace(state, link="x"))
