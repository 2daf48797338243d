"""A doctor registers the Wi-Fi at home and takes it back, at a hospital that refuses what is not registered."""

import pytest

from tests.e2e.visit import Visit, read_reasons
from tests.lab.wifi import Security

pytestmark = pytest.mark.lab
ONLY_REGISTERED = "wifi: {protected: refuse, registrations: 1}\n"
REFUSED = 3


def test_a_network_is_registered_used_and_forgotten_again(visit: Visit) -> None:
    visit.start(visit.scene.policy + ONLY_REGISTERED)
    refused = visit.refused("wifi.trust", REFUSED)
    assert refused.seen == "The Wi-Fi 'Home' is not registered."
    assert "'sekisho network add'" in refused.remedy
    added = visit.sekisho("network", "add", "--title", "My flat")
    assert (added.code, added.errors) == (0, "")
    assert added.output.splitlines() == [
        "Registered: 'My flat'. It counts as yours while it is protected by WPA3 or better.",
        "To undo: sekisho network remove 1",
    ]
    assert "   1  'My flat' (name: Home), at least WPA3, since " in visit.sekisho("network", "list").output
    visit.connect()
    removed = visit.sekisho("network", "remove", "My flat")
    assert removed.output.splitlines()[-1] == "To undo, join it and run: sekisho network add --title 'My flat'"
    assert "is not registered" in visit.is_cut("wifi.trust").seen
    recorded = [event for event in visit.endpoint.events() if str(event["event"]).startswith("network-")]
    assert [event["event"] for event in recorded] == ["network-registered", "network-forgotten"]
    assert "My flat" not in visit.endpoint.events_file.read_text()


def test_a_registration_survives_a_restart_and_holds_the_network_to_its_protection(visit: Visit) -> None:
    visit.start(visit.scene.policy + ONLY_REGISTERED)
    assert visit.sekisho("network", "add").code == 0
    assert visit.endpoint.stop_daemon() == 0
    visit.endpoint.start_daemon()
    visit.connect()
    visit.scene.wifi.set_security(visit.scene.home, Security.WPA2_PSK)
    visit.endpoint.wait_for_state("refused", 20)
    (told,) = (one for one in visit.why() if one.code == "wifi.trust")
    assert "protected less well than was registered" in told.seen


@pytest.mark.parametrize(
    ("security", "code"), [(Security.OPEN, "registration.open"), (Security.WPA1_TKIP, "registration.weak")]
)
def test_what_does_not_protect_cannot_be_registered(running: Visit, security: Security, code: str) -> None:
    running.scene.wifi.switch_to(running.scene.wifi.network(f"Cafe {security.name}", security))
    assert not_registered(running) == code


def test_what_is_registered_once_is_not_registered_again_and_there_is_room_for_no_more(visit: Visit) -> None:
    visit.start(visit.scene.policy + ONLY_REGISTERED)
    assert visit.sekisho("network", "add").code == 0
    assert not_registered(visit) == "registration.known"
    visit.scene.wifi.switch_to(visit.scene.wifi.protected_network("Phone"))
    assert not_registered(visit) == "registration.full"
    visit.scene.wifi.leave()
    assert not_registered(visit) == "registration.no_wifi"


def not_registered(visit: Visit) -> str:
    """Try to register the Wi-Fi in use, and give the code of the one reason why that cannot be."""
    answer = visit.sekisho("network", "add", "--json")
    assert answer.code == REFUSED, answer
    (reason,) = read_reasons(answer.lines[-1])
    return reason.code
