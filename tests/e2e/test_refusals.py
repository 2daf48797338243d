"""The laptop does not pass the check: one sentence, whose move it is, what to do, and nothing set up."""

import pytest

from tests.e2e.visit import Visit
from tests.lab.unapproved import Unapproved
from tests.lab.wifi import Security

pytestmark = pytest.mark.lab
REFUSED = 3


def test_a_program_that_nobody_approved_is_named_and_closing_it_cures(visit: Visit) -> None:
    visit.start()
    stranger = Unapproved.start(visit.scene.laptop)
    told = visit.refused("apps.unapproved", REFUSED)
    assert (told.outcome, told.who) == ("fail", "you")
    assert stranger.path in told.seen
    assert "Close it" in told.remedy
    assert visit.why() == [told]
    stranger.end()
    assert visit.connect()["reasons"] == []


def test_a_forbidden_program_is_refused_although_its_package_is_approved(visit: Visit) -> None:
    forbidden = "  forbidden:\n    - title: Sleepy Remote\n      path: /usr/bin/sleep\n"
    visit.start(visit.scene.policy + forbidden)
    sleeper = visit.scene.laptop.start_as_doctor("sleeper", ("/usr/bin/sleep", "3600"))
    told = visit.refused("apps.forbidden", REFUSED)
    assert (told.outcome, told.who) == ("fail", "you")
    assert "Sleepy Remote" in told.seen
    sleeper.stop()
    visit.connect()


@pytest.mark.parametrize("security", [Security.OPEN, Security.OWE, Security.WEP, Security.WPA1_TKIP])
def test_wifi_that_anybody_can_read_is_named_and_refused(visit: Visit, security: Security) -> None:
    visit.start()
    visit.scene.wifi.switch_to(visit.scene.wifi.network("Café Free", security))
    told = visit.refused("wifi.trust", REFUSED)
    assert (told.outcome, told.who) == ("fail", "you")
    assert "'Café Free'" in told.seen
    assert "cable" in told.remedy


@pytest.mark.parametrize("security", [Security.WPA2_PSK, Security.WPA2_WPA3, Security.ENTERPRISE])
def test_wifi_with_a_password_is_let_through(visit: Visit, security: Security) -> None:
    visit.start()
    visit.scene.wifi.switch_to(visit.scene.wifi.network("Clinic", security))
    visit.connect()


def test_without_networkmanager_the_wifi_is_unknown_and_refused(visit: Visit) -> None:
    visit.start()
    visit.scene.wifi.end_manager()
    told = visit.refused("wifi.trust", REFUSED)
    assert (told.outcome, told.who) == ("unknown", "help_desk")
    assert "NetworkManager" in told.seen


def test_two_reasons_are_told_at_once(visit: Visit) -> None:
    visit.start()
    stranger = Unapproved.start(visit.scene.laptop)
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("Free"))
    assert {told.code for told in visit.refused_for(REFUSED)} == {"apps.unapproved", "wifi.trust"}
    stranger.end()


def test_the_refusal_is_printed_for_people_in_their_language(visit: Visit) -> None:
    visit.start()
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("CafeFree"))
    english, japanese = visit.sekisho("connect"), visit.sekisho("connect", "--language", "ja")
    assert (english.code, japanese.code) == (REFUSED, REFUSED)
    assert "The Wi-Fi 'CafeFree' has no password." in english.errors
    assert "[wifi.trust: refused]" in english.errors
    assert "Wi-Fi「CafeFree」にはパスワードが設定されていません。" in japanese.errors
    assert "[wifi.trust: 拒否]" in japanese.errors


def test_the_events_tell_the_check_but_neither_the_networks_name_nor_a_path_at_home(visit: Visit) -> None:
    visit.start()
    stranger = Unapproved.start(visit.scene.laptop)
    visit.scene.wifi.switch_to(visit.scene.wifi.open_network("CafeFree"))
    visit.refused_for(REFUSED)
    stranger.end()
    refusal = next(event for event in visit.endpoint.events() if event["event"] == "refused")
    assert refusal["user"] == visit.scene.laptop.uid
    written = visit.endpoint.events_file.read_text()
    assert "CafeFree" not in written
    assert "desk-remote" not in written
    assert "/home" not in written
