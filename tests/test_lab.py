"""Proves the lab by strongSwan's own client, before anything of ours runs in it, and that nothing is left behind."""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.lab import capture, dicom, namespaces, preflight, road, run
from tests.lab.capture import Capture, Sort
from tests.lab.laptop import Laptop
from tests.lab.namespaces import Topology
from tests.lab.orthanc import PACS_NAME, Orthanc, start_resolver
from tests.lab.pki import DEVICE_NAME, GATEWAY_NAME, Papers
from tests.lab.run import LabError, Run, wait_until
from tests.lab.snapshot import Snapshot
from tests.lab.strongswan import StrongSwan
from tests.lab.strongswan_conf import Charon
from tests.lab.traffic import PingRow, Receiver
from tests.lab.unapproved import Unapproved
from tests.lab.wifi import NM, Security, Wifi

pytestmark = pytest.mark.lab


@pytest.fixture
def lab() -> Iterator[Run]:
    assert preflight.missing() == ()
    with Run.open() as opened:
        yield opened


def test_the_images_come_through_strongswans_own_tunnel_and_nothing_else_does(lab: Run) -> None:
    town, papers = Topology.up(lab), Papers.issue()
    gateway, pacs = StrongSwan.gateway(lab, town.gateway, papers), Orthanc.start(lab, town.pacs)
    laptop, study = Laptop.boot(lab, town.laptop), dicom.Study.make(lab)
    start_resolver(lab, town.pacs)
    pacs.upload(study.files)
    before = Snapshot.take(laptop)
    wire = Capture.start(lab, town.router)
    town.send_clear_probe()
    assert "10.50.0.10" in wire.wait_for(Sort.CLEAR).words
    mark = len(wire.packets())

    client = StrongSwan.client(lab, town.laptop, papers)
    client.initiate()
    assert (gateway.established(), gateway.installed()) == (1, 1)
    assert re.search(r"remote +'laptop-17.hospital.test' @ 198.51.100.2\[[23]\d{4}\]", gateway.sas())
    assert town.laptop.pings(namespaces.PACS)
    dicom.echo(laptop.enter)
    assert dicom.fetch(laptop.enter, study.uid).digests == study.digests
    resolv_conf = laptop.file("/etc/resolv.conf").read_bytes()
    laptop.file("/etc/resolv.conf").write_text(f"nameserver {namespaces.DNS}\n")
    assert dicom.fetch(laptop.enter, study.uid, PACS_NAME).digests == study.digests
    laptop.file("/etc/resolv.conf").write_bytes(resolv_conf)
    report = dicom.Report.make(lab, study)
    dicom.send(laptop.enter, report)
    assert report.uid in pacs.stored()
    assert "ipsec0" in before.difference(Snapshot.take(laptop))

    client.stop()
    assert before.difference(Snapshot.take(laptop)) == ""
    packets = wire.stop()
    sorts = capture.tally(packets[mark:])
    assert capture.in_clear(packets[mark:]) == ()
    assert 0 < capture.handshake_seconds(packets) < 10
    assert sorts[Sort.IKE] >= 2
    assert sorts[Sort.NAT_TRAVERSAL] > 1000
    assert wire.holds(namespaces.PROBE_WORDS.encode())
    assert not wire.holds(b"TEST^SEKISHO")


def test_the_gateway_rekeys_deletes_dies_and_comes_back(lab: Run) -> None:
    town, papers = Topology.up(lab), Papers.issue("rsa-2048")
    gateway, client = StrongSwan.gateway(lab, town.gateway, papers), StrongSwan.client(lab, town.laptop, papers)
    client.initiate()
    gateway.rekey_child()
    wait_until(lambda: "images: #2, reqid 1, INSTALLED" in client.sas(), "the Child rekey", 20)
    gateway.rekey_ike()
    wait_until(lambda: "hospital: #2, ESTABLISHED" in client.sas(), "the IKE rekey", 20)
    gateway.delete_ike()
    wait_until(lambda: client.established() == 0, "the delete", 20)
    client.initiate()
    gateway.kill()
    gateway.restart()
    assert (gateway.established(), client.established()) == (0, 1)


def test_the_hotel_router_can_change_its_ports(lab: Run) -> None:
    town, papers = Topology.up(lab), Papers.issue()
    gateway, client = StrongSwan.gateway(lab, town.gateway, papers), StrongSwan.client(lab, town.laptop, papers)
    client.initiate()
    heard_from = r"received packet: from 198.51.100.2\[{}\d{{3}}\]"
    assert not re.search(heard_from.format("50"), gateway.log())
    town.rebind("50000-50999")
    client.rekey_child()
    assert re.search(heard_from.format("50"), gateway.log())


def test_long_certificate_chains_cross_a_narrow_road_in_ike_fragments(lab: Run) -> None:
    root = Authority.create("Root", "rsa-2048")
    issuing = root.intermediate("Issuing", "rsa-2048").intermediate("Lower", "rsa-2048")
    papers = Papers(root, issuing.issue(GATEWAY_NAME, key="rsa-2048"), issuing.issue(DEVICE_NAME, key="rsa-2048"))
    town = Topology.up(lab)
    road.narrow(town, 1280)
    road.drop_fragments(town)
    road.hide_path_mtu(town)
    StrongSwan.gateway(lab, town.gateway, papers)
    client = StrongSwan.client(lab, town.laptop, papers)
    client.initiate()
    assert {"EF(1/3)", "EF(3/3)"} <= set(re.findall(r"EF\(\d/\d\)", client.log()))


def test_the_gateway_demands_cookies_once_an_attempt_is_half_open(lab: Run) -> None:
    town, papers = Topology.up(lab), Papers.issue()
    gateway = StrongSwan.gateway(lab, town.gateway, papers, charon=Charon(cookie_threshold=1))
    client = StrongSwan.client(lab, town.laptop, papers)
    road.drop_answers(town)
    with pytest.raises(LabError, match="--initiate"):
        client.initiate(1)
    gateway.wait_half_open()
    road.heal(town)
    client.initiate()
    assert "received COOKIE notify" in client.log()
    assert gateway.established() == 1


def test_the_first_answer_and_the_load_of_a_road_are_measured(lab: Run) -> None:
    town, papers = Topology.up(lab), Papers.issue()
    StrongSwan.gateway(lab, town.gateway, papers)
    client, row = StrongSwan.client(lab, town.laptop, papers), PingRow.start(lab, town.laptop.enter, namespaces.PACS)
    began = time.time()
    client.initiate()
    assert 0 < row.first_answer(20) - began < 20
    receiver = Receiver.start(lab, town.pacs.enter, namespaces.PACS)
    assert receiver.measure(town.laptop.enter, 1).megabits > 1


def test_the_road_can_be_narrow_lossy_or_cut_and_good_again(lab: Run) -> None:
    town = Topology.up(lab)
    town.gateway.ip(f"route add {namespaces.LAPTOP} via {namespaces.ROUTER_WAN}")

    def passes(size: int, *how: str, within: float = 10) -> bool:
        argv = ("/usr/bin/ping", "-n", "-c", "1", "-W", str(within), "-s", str(size), *how, namespaces.GATEWAY)
        return town.laptop.attempt(*argv).returncode == 0

    assert passes(100)
    assert passes(2000)
    road.drop_fragments(town)
    assert passes(100)
    assert not passes(2000, within=0.2)
    road.heal(town)
    road.narrow(town, 1280)
    road.hide_path_mtu(town)
    assert passes(1200, "-M", "do")
    assert not passes(1300, "-M", "do", within=0.2)
    road.heal(town)
    assert passes(1300, "-M", "do")
    road.lose(town, 50)
    flood = ("/usr/bin/ping", "-n", "-q", "-c", "200", "-i", "0.002", "-W", "0.2", namespaces.GATEWAY)
    answered = re.search(r"(\d+) received", town.laptop.attempt(*flood).stdout.decode())
    assert answered is not None
    assert 15 < int(answered[1]) < 110
    road.heal(town)
    road.cut(town)
    assert not passes(100, within=0.2)
    road.heal(town)
    assert passes(2000)


def test_a_socket_opened_inside_a_namespace_speaks_from_there(lab: Run) -> None:
    town = Topology.up(lab)
    with town.laptop.inside(lambda: socket.create_server(("192.168.77.10", 0))) as listener:
        port = listener.getsockname()[1]
        address = ("192.168.77.10", port)
        with town.router.inside(lambda: socket.create_connection(address, 5)) as caller:
            assert caller.getsockname()[0] == namespaces.ROUTER_LAN


def test_a_missing_program_is_one_sentence_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(preflight.PROGRAMS, "/usr/sbin/nowhere", "nothing")
    sentence = "/usr/sbin/nowhere is missing: apt-get install --no-install-recommends nothing, or make setup."
    assert preflight.missing() == (sentence,)


def test_the_laptops_etc_home_and_run_are_its_own(lab: Run) -> None:
    machine = {path: Path(path).read_bytes() for path in ("/etc/resolv.conf", "/etc/passwd")}
    laptop = Laptop.boot(lab, Topology.up(lab).laptop)
    laptop.command(
        "/bin/sh", "-c", "echo changed > /etc/new && mv /etc/new /etc/resolv.conf && touch /run/sekisho/here"
    )
    assert laptop.file("/etc/resolv.conf").read_text() == "changed\n"
    assert {path: Path(path).read_bytes() for path in machine} == machine
    assert not Path("/run/sekisho/here").exists()
    assert laptop.doctor("/usr/bin/id", "-un").stdout == b"doctor\n"
    assert laptop.doctor(sys.executable, "-c", "import cryptography").returncode == 0
    assert laptop.doctor("/usr/bin/touch", "/etc/resolv.conf").returncode == 1
    assert "192.168.77.10/24" in laptop.command("/usr/sbin/ip", "-br", "addr")


def test_an_unapproved_program_really_runs_as_the_doctor_and_ends(lab: Run) -> None:
    laptop = Laptop.boot(lab, Topology.up(lab).laptop)
    stranger = Unapproved.start(laptop)
    process = Path(f"/proc/{stranger.program.pid}")
    assert str((process / "exe").readlink()) == "/home/doctor/desk-remote"
    assert process.stat().st_uid == laptop.uid
    stranger.end()
    assert not process.exists()


def test_networkmanager_shows_the_access_point_in_use_and_a_switch(lab: Run) -> None:
    laptop = Laptop.boot(lab, Topology.up(lab).laptop)
    wifi = Wifi.start(lab, laptop)
    free, home = wifi.open_network("CafeFree"), wifi.protected_network("Home", Security.WPA2_PSK)

    def shown(path: str, interface: str, name: str) -> str:
        get = ("org.freedesktop.DBus.Properties.Get", f"string:{interface}", f"string:{name}")
        argv = ("/usr/bin/dbus-send", "--system", "--print-reply=literal", f"--dest={NM}", path, *get)
        return laptop.doctor(*argv).stdout.decode().split()[-1]

    device = "/org/freedesktop/NetworkManager/Devices/wlan0"
    for point, flags in ((free, "0"), (home, str(0x188))):
        wifi.switch_to(point)
        assert shown(device, f"{NM}.Device.Wireless", "ActiveAccessPoint") == point.path
        assert shown(point.path, f"{NM}.AccessPoint", "RsnFlags") == flags
    wifi.leave()
    assert shown(device, f"{NM}.Device", "State") == "30"
    wifi.end_manager()
    wifi.start_manager()
    wifi.switch_to(wifi.open_network("CafeFree"))
    assert shown(device, f"{NM}.Device", "State") == "100"


def test_closing_a_run_leaves_no_namespace_no_program_and_no_folder() -> None:
    with Run.open() as opened:
        town = Topology.up(opened)
        laptop = Laptop.boot(opened, town.laptop)
        sleeper = laptop.start("sleeper", ("/bin/sleep", "600"))
        StrongSwan.gateway(opened, town.gateway, Papers.issue())
        pids = _pids_of(opened)
    assert sleeper.pid in pids
    _assert_gone(opened.name, pids)


def test_what_a_killed_run_left_is_swept_by_the_next() -> None:
    crashed = subprocess.run(
        [sys.executable, "-c", CRASH], cwd=Path(__file__).parents[1], capture_output=True, timeout=60
    )
    name, *numbers = crashed.stdout.decode().split()
    pids = [int(number) for number in numbers]
    assert crashed.returncode == -9, crashed.stderr
    assert Path(f"/run/netns/{name}-laptop").exists()
    assert name in run.sweep()
    _assert_gone(name, pids)


def test_a_program_that_ends_at_its_start_is_reported_with_its_last_words(lab: Run) -> None:
    program = lab.start("broken", ("/bin/sh", "-c", "echo no such key >&2; exit 3"))
    with pytest.raises(LabError, match="broken ended with 3 at its start: no such key"):
        program.wait_ready(lambda: False, 5)


def test_a_failed_command_says_which_and_why(lab: Run) -> None:
    with pytest.raises(LabError, match=r"ip addr show dev nowhere: exit 1: .*does not exist"):
        Topology.up(lab).laptop.run("/usr/sbin/ip", "addr", "show", "dev", "nowhere")


def _pids_of(opened: Run) -> list[int]:
    return [int(line.split()[0]) for line in (opened.folder / "pids").read_text().splitlines()]


def _assert_gone(name: str, pids: list[int]) -> None:
    assert list(Path("/run/netns").glob(f"{name}-*")) == []
    assert not (run.ROOT / name).exists()
    wait_until(lambda: not any(_runs(pid) for pid in pids), f"the end of {pids}", 20)
    assert name not in Path("/proc/self/mountinfo").read_text()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


CRASH = """
import os, signal
from tests.lab.laptop import Laptop
from tests.lab.namespaces import Topology
from tests.lab.run import Run

run = Run.open()
town = Topology.up(run)
laptop = Laptop.boot(run, town.laptop)
programs = [laptop.start("inside", ("/bin/sleep", "600")), run.start("outside", ("/bin/sleep", "600"))]
print(run.name, *(program.pid for program in programs), laptop.anchor.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
