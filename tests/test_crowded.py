"""Folders of 100,000 files and as many processes: each look ends, and never takes a part for the whole."""

import os
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from agent.posture.facts import Observed, Unseen, Updates
from agent.probes.codec import Asked, Scope, Seen
from agent.probes.device import device_probes
from agent.probes.digests import Digests
from agent.probes.neighbourhood.around import Around, Link
from agent.probes.neighbourhood.leases import read_leases
from agent.probes.packages import Packages
from agent.probes.programs import ProgramProbe
from tests.made_machine import Machine
from tests.test_neighbourhood_answers import DHCLIENT
from tests.test_packages import stanza
from tests.test_packages_origins import offered, write_list
from tests.test_processes import fake_process

CROWD = 100_000


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make a folder of 100,000 files whose names say something to nobody, or each to somebody."""
    folder = tmp_path_factory.mktemp("crowd")
    endings = (".conf", ".list", ".leases", "_Packages", "")
    for number in range(CROWD):
        os.mknod(folder / f"dhclient.{number}{endings[number % len(endings)]}")
    yield folder
    for name in os.listdir(folder):
        (folder / name).unlink()


def look(machine: Machine, fact: str) -> Seen:
    scope = Scope(frozenset({1000}), scanners=(Asked("ClamAV", "clamav-daemon.service", "/var/lib/clamav"),))
    return device_probes(machine.root, machine.proc, time.monotonic, time.time)[fact](scope)


@pytest.mark.parametrize(
    ("fact", "place"),
    [
        ("antimalware", "var/lib/clamav"),
        ("antimalware", "sys/fs/cgroup/system.slice"),
        ("usb", "etc/modprobe.d"),
        ("usb", "sys/block"),
        ("boot", "sys/class/tpm"),
        ("locking", "etc/lightdm/lightdm.conf.d"),
    ],
)
def test_a_folder_of_100_000_files_is_not_read_in_part(tmp_path: Path, crowd: Path, fact: str, place: str) -> None:
    machine = Machine(tmp_path)
    machine.service("clamav-daemon.service", 7)
    full = machine.root / place
    if full.exists():
        full.rename(full.with_name("elsewhere"))
    full.parent.mkdir(parents=True, exist_ok=True)
    full.symlink_to(crowd)
    seen = look(machine, fact)
    assert isinstance(seen, Unseen)
    assert "a folder holds more than 4096 entries" in seen.why


def test_that_no_update_waits_is_not_said_where_some_lists_were_left_unread(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("etc/os-release", "ID=debian\n")
    machine.write("var/lib/dpkg/status", stanza("viewer", "2.0-1"))
    write_list(machine.root, offered(), "a_dists_security", release="Suite: stable-security\n")
    assert waiting(machine) == ((), "")
    for number in range(2_000):
        machine.write(f"var/lib/apt/lists/b_{number}_Packages")
    assert waiting(machine) == (None, "a list of security updates cannot be read")


def waiting(machine: Machine) -> tuple[tuple[str, ...] | None, str]:
    seen = look(machine, "updates")
    assert isinstance(seen, Observed)
    assert isinstance(seen.value, Updates)
    return seen.value.pending, seen.value.why


def test_of_100_000_leases_those_that_were_written_last_are_read(tmp_path: Path, crowd: Path) -> None:
    folder = tmp_path / "var/lib"
    folder.mkdir(parents=True)
    (folder / "dhcp").symlink_to(crowd)
    newest = crowd / "dhclient.99998a.leases"
    newest.write_text(DHCLIENT)
    os.utime(newest, (time.time() + 60,) * 2)
    (lease,) = read_leases(tmp_path, Around((Link(7, "eth0", 0),), {7: (IPv4Interface("192.168.77.50/24"),)}, (), {}))
    assert lease.interface == "eth0"


def test_100_000_processes_are_too_many_and_no_part_of_them_is_told(tmp_path: Path) -> None:
    fake_process(tmp_path / "one", exe=None)
    (tmp_path / "one/exe").symlink_to("/usr/bin/sleep")
    (tmp_path / "proc").mkdir()
    for pid in range(1, CROWD + 1):
        (tmp_path / f"proc/{pid}").symlink_to("../one")
    probe = ProgramProbe(Packages(tmp_path, time.time), Digests(time.time_ns), time.monotonic, tmp_path / "proc")
    seen = probe.look(Scope(frozenset({7})))
    probe.close()
    assert isinstance(seen, Unseen)
    assert seen.why == "more than 10000 programs are running"
