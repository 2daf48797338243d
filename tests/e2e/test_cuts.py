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


def test_an_unapproved_program_cuts_the_tunnel_within_a_second(visit: Visit) -> None:
    visit.start().connect()
    watch = visit.watch()
    path = Unapproved.install(visit.scene.laptop)
    with EchoRow(visit.scene.town.laptop, "sekisho0", PACS) as row:
        row.first_answer(5)
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        stranger = visit.scene.laptop.start_as_doctor("stranger", (path, "3600"))
        told = visit.is_cut("apps.unapproved", 1.0)
        assert row.last_answer() - began < 1.0
    assert path in told.seen
    assert watch.states() == ["open", "closing", "refused"]
    watch.program.stop()
    stranger.stop()
    visit.connect()


def test_joining_open_wifi_cuts_the_tunnel(visit: Visit) -> None:
    visit.start().connect()
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("StationFree"))
    assert "'StationFree'" in visit.is_cut("wifi.trust").seen


def test_wifi_that_drops_its_password_while_in_use_cuts_the_tunnel(visit: Visit) -> None:
    visit.start().connect()
    visit.scene.wifi.set_security(visit.scene.home, Security.OPEN)
    assert visit.is_cut("wifi.trust").outcome == "fail"


def test_moving_to_other_protected_wifi_does_not_cut(visit: Visit) -> None:
    visit.start().connect()
    visit.scene.wifi.switch_to(visit.scene.wifi.protected_network("Clinic", Security.WPA2_PSK))
    visit.scene.wifi.set_security(visit.scene.home, Security.WPA3_SAE)
    assert visit.state() == "open"


def test_networkmanager_that_ends_makes_the_wifi_unknown_and_cuts(visit: Visit) -> None:
    visit.start().connect()
    visit.scene.wifi.end_manager()
    assert visit.is_cut("wifi.trust", 5).outcome == "unknown"


def test_a_killed_look_helper_cuts_the_tunnel_and_a_new_one_lets_in_again(visit: Visit) -> None:
    visit.start().connect()
    visit.endpoint.stop_look(signal.SIGKILL)
    assert visit.is_cut("look.lost").who == "laptop"
    visit.refused("look.lost")
    visit.endpoint.start_look()
    visit.connect()


def test_a_gateway_that_closes_is_told(visit: Visit) -> None:
    visit.start().connect()
    visit.scene.gateway.delete_ike()
    assert visit.is_cut("peer.closed").who == "gateway"
    visit.connect()
