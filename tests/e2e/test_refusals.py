"""The laptop does not pass the check: one sentence, whose move it is, what to do, and nothing set up."""

import pytest

from tests.e2e.visit import Visit
from tests.lab.unapproved import Unapproved
from tests.lab.wifi import Security

pytestmark = pytest.mark.lab
REFUSED = 3


def test_a_program_that_nobody_approved_is_named_and_closing_it_cures(running: Visit) -> None:
    with Unapproved.start(running.scene.laptop) as stranger:
        told = running.refused("apps.unapproved", REFUSED)
        assert (told.outcome, told.who) == ("fail", "you")
        assert stranger.path in told.seen
        assert "Close it" in told.remedy
        assert running.why() == [told]
    assert running.connect()["reasons"] == []


@pytest.mark.parametrize("security", [Security.OPEN, Security.OWE, Security.WEP, Security.WPA1_TKIP])
def test_wifi_that_anybody_can_read_is_named_and_refused(running: Visit, security: Security) -> None:
    running.scene.wifi.switch_to(running.scene.wifi.network(f"Café {security.name}", security))
    told = running.refused("wifi.trust", REFUSED)
    assert (told.outcome, told.who) == ("fail", "you")
    assert f"'Café {security.name}'" in told.seen
    assert "cable" in told.remedy


@pytest.mark.parametrize("security", [Security.WPA2_PSK, Security.WPA2_WPA3, Security.ENTERPRISE])
def test_wifi_with_a_password_is_let_through(running: Visit, security: Security) -> None:
    running.scene.wifi.switch_to(running.scene.wifi.network(f"Clinic {security.name}", security))
    running.connect()


def test_while_networkmanager_does_not_answer_the_wifi_is_unknown_and_refused(running: Visit) -> None:
    with running.scene.wifi.silence():
        told = running.refused("wifi.trust", REFUSED)
    assert (told.outcome, told.who) == ("unknown", "help_desk")
    assert "NetworkManager" in told.seen


def test_two_reasons_are_told_at_once(running: Visit) -> None:
    with Unapproved.start(running.scene.laptop):
        running.scene.wifi.switch_to(running.scene.wifi.open_network("Free"))
        assert {told.code for told in running.refused_for(REFUSED)} == {"apps.unapproved", "wifi.trust"}


def test_the_refusal_is_printed_for_people_in_their_language(running: Visit) -> None:
    running.scene.wifi.switch_to(running.scene.wifi.open_network("CafeFree"))
    english, japanese = running.sekisho("connect"), running.sekisho("connect", "--language", "ja")
    assert (english.code, japanese.code) == (REFUSED, REFUSED)
    assert "The Wi-Fi 'CafeFree' has no password." in english.errors
    assert "[wifi.trust: refused]" in english.errors
    assert "Wi-Fi「CafeFree」にはパスワードが設定されていません。" in japanese.errors
    assert "[wifi.trust: 拒否]" in japanese.errors


def test_the_events_tell_the_check_but_neither_the_networks_name_nor_a_path_at_home(running: Visit) -> None:
    with Unapproved.start(running.scene.laptop):
        running.scene.wifi.switch_to(running.scene.wifi.open_network("CafeFree"))
        running.refused_for(REFUSED)
    refusals = [event for event in running.endpoint.events() if event["event"] == "refused"]
    assert refusals[-1]["user"] == running.scene.laptop.uid
    written = running.endpoint.events_file.read_text()
    assert "CafeFree" not in written
    assert "desk-remote" not in written
    assert "/home" not in written


def test_a_forbidden_program_is_refused_although_its_package_is_approved(visit: Visit) -> None:
    forbidden = "  forbidden:\n    - title: Sleepy Remote\n      path: /usr/bin/sleep\n"
    visit.start(visit.scene.policy + forbidden)
    sleeper = visit.scene.laptop.start_as_doctor("sleeper", ("/usr/bin/sleep", "3600"))
    told = visit.refused("apps.forbidden", REFUSED)
    assert (told.outcome, told.who) == ("fail", "you")
    assert "Sleepy Remote" in told.seen
    sleeper.stop()
    visit.connect()
