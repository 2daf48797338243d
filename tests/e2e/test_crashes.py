"""Programs that die or are stopped half-way: the laptop is restored, and whoever asked is told."""

import signal
import subprocess

import pytest

from tests.e2e.visit import Visit
from tests.lab import road
from tests.lab.run import try_command, wait_until

pytestmark = pytest.mark.lab


def test_ctrl_c_while_the_gateway_is_silent_takes_the_request_back(running: Visit) -> None:
    road.cut(running.scene.town)
    watch = running.watch()
    asking = running.beside("connect")
    wait_until(lambda: watch.states()[-1] == "opening", "the way to the gateway", 20)
    assert asking.stop(by=signal.SIGINT) == 4
    assert "Stopped; nothing is connected." in asking.log.read_text()
    assert watch.states() == ["idle", "looking", "opening", "closing", "idle"]
    running.is_as_before()
    watch.program.stop()


def test_a_disconnect_stops_a_connect_that_is_under_way(running: Visit) -> None:
    road.cut(running.scene.town)
    watch = running.watch()
    asking = running.beside("connect", "--json")
    wait_until(lambda: watch.states()[-1] == "opening", "the way to the gateway", 20)
    assert running.sekisho("disconnect").code == 0
    assert asking.wait() == 4
    assert "withdrawn" in asking.log.read_text()
    running.is_as_before()
    watch.program.stop()


def test_a_killed_daemons_network_is_restored_by_the_next_one(visit: Visit) -> None:
    visit.start().connect()
    visit.endpoint.stop_daemon(signal.SIGKILL)
    assert visit.sekisho("status").code == 6
    visit.endpoint.start_daemon()
    visit.is_as_before()
    assert visit.state() == "idle"
    visit.connect()


def test_a_daemon_killed_while_connecting_is_told_to_the_asker(visit: Visit) -> None:
    visit.start()
    road.cut(visit.scene.town)
    watch = visit.watch()
    asking = visit.beside("connect", "--json")
    wait_until(lambda: watch.states()[-1] == "opening", "the way to the gateway", 20)
    visit.endpoint.stop_daemon(signal.SIGKILL)
    assert asking.wait() == 1
    assert "daemon.lost" in asking.log.read_text()
    assert watch.program.wait() == 1
    visit.is_as_before()


def test_a_second_daemon_says_so_in_one_sentence_and_the_first_goes_on(visit: Visit) -> None:
    visit.start().connect()
    second = try_command(visit.endpoint.daemon_argv(), enter=visit.scene.laptop.enter, seconds=15)
    assert second.returncode == 1
    assert_one_sentence(second, "daemon.second")
    assert visit.state() == "open"


def test_a_daemon_without_rights_says_so_in_one_sentence(visit: Visit) -> None:
    done = try_command(visit.endpoint.daemon_argv(), enter=visit.scene.laptop.enter_as_doctor, seconds=15)
    assert done.returncode == 1
    assert_one_sentence(done, "root")


def assert_one_sentence(done: subprocess.CompletedProcess[bytes], holds: str) -> None:
    said = done.stderr.decode()
    assert holds in said
    assert said.startswith("sekishod: ")
    assert said.count("\n") == 1
