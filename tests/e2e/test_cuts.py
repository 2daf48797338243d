"""What ends an open tunnel: programs, Wi-Fi, a lost helper, a gateway that goes; each says why and restores."""

import signal
import time

import pytest

from tests.e2e.visit import Visit
from tests.lab.namespaces import PACS
from tests.lab.traffic import EchoRow
from tests.lab.unapproved import Unapproved
from tests.lab.wifi import Security

pytestmark = pytest.mark.lab


def test_an_unapproved_program_cuts_the_tunnel_within_a_second(running: Visit) -> None:
    running.connect()
    watch = running.watch()
    path = Unapproved.install(running.scene.laptop)
    with EchoRow(running.scene.town.laptop, "sekisho0", PACS) as row:
        row.first_answer(20)
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        stranger = running.scene.laptop.start_as_doctor("stranger", (path, "3600"))
        told = running.is_cut("apps.unapproved")
        assert row.last_answer() - began < 1.0
    assert path in told.seen
    assert watch.states() == ["open", "closing", "refused"]
    watch.program.stop()
    stranger.stop()
    running.connect()


def test_joining_open_wifi_cuts_the_tunnel(running: Visit) -> None:
    running.connect()
    running.scene.wifi.switch_to(running.scene.wifi.open_network("StationFree"))
    assert "'StationFree'" in running.is_cut("wifi.trust").seen


def test_wifi_that_drops_its_password_while_in_use_cuts_the_tunnel(running: Visit) -> None:
    running.connect()
    running.scene.wifi.set_security(running.scene.home, Security.OPEN)
    running.endpoint.wait_for_state("refused", 20)
    assert {(told.code, told.outcome) for told in running.why()} == {("wifi.trust", "fail"), ("wifi.twin", "fail")}
    running.is_as_before()


def test_moving_to_other_protected_wifi_does_not_cut(running: Visit) -> None:
    running.connect()
    running.scene.wifi.switch_to(running.scene.wifi.protected_network("Clinic", Security.WPA2_PSK))
    running.scene.wifi.set_security(running.scene.home, Security.WPA3_SAE)
    assert running.state() == "open"


def test_networkmanager_that_is_replaced_by_an_upgrade_cuts_nothing_that_the_kernel_can_tell(running: Visit) -> None:
    running.connect()
    running.scene.wifi.end_manager()
    assert running.state() == "open"


def test_a_gateway_that_closes_is_told(running: Visit) -> None:
    running.connect()
    running.scene.gateway.delete_ike()
    assert running.is_cut("peer.closed").who == "gateway"
    running.connect()


def test_a_killed_look_helper_cuts_the_tunnel_and_a_new_one_lets_in_again(visit: Visit) -> None:
    visit.start().connect()
    visit.endpoint.stop_look(signal.SIGKILL)
    assert visit.is_cut("look.lost").who == "laptop"
    visit.refused("look.lost")
    visit.endpoint.start_look()
    visit.connect()
