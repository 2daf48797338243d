"""Real access points, seen by our own probes in a guest: protection, negotiation, protected frames, and a double.

It takes about a minute and fetches packages, so it is asked for by name and not among the other tests.
"""

from collections.abc import Mapping

import pytest

from tests.wifi_guest.guest import Told, ask_guest

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Told]:
    return ask_guest(tmp_path_factory.mktemp("guest"))


EXPECTED = {
    "open": ("open", "open", "no"),
    "wpa2": ("wpa2-psk", "wpa2-psk", "no"),
    "tkip": ("wpa-tkip", None, "no"),
    "wpa3": ("sae", "sae", "yes"),
    "mixed": ("wpa2-wpa3-mixed", "wpa2-psk", "no"),
    "hospital": ("802.1x", "802.1x", "yes"),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_network_is_told_with_what_it_offers_what_is_in_use_and_whether_it_is_guarded(
    told: Mapping[str, Told], name: str
) -> None:
    (network,) = links(told[name], "links")
    security, negotiated, management = EXPECTED[name]
    assert (network["ssid"], network["security"], network["management"]) == (name, security, management)
    assert network["negotiated"] == (negotiated or network["negotiated"])
    assert told[name]["method"] == "sysfs, nl80211, wpa_supplicant"


@pytest.mark.parametrize("name", EXPECTED)
def test_the_kernel_alone_tells_the_same(told: Mapping[str, Told], name: str) -> None:
    (network,), (alone,) = links(told[name], "links"), links(told[name], "kernel")
    for key in ("interface", "ssid", "bssid", "security", "management", "hidden"):
        assert alone[key] == network[key]


@pytest.mark.parametrize("name", EXPECTED)
def test_everything_in_range_is_seen_and_an_open_double_among_it(told: Mapping[str, Told], name: str) -> None:
    in_range = [(name, offered) for name, (offered, _, _) in EXPECTED.items()] + [("wpa2", "open")]
    assert told[name]["air"] == sorted(map(list, in_range))


@pytest.mark.parametrize("name", EXPECTED)
def test_joining_and_leaving_are_heard_from_the_kernel(told: Mapping[str, Told], name: str) -> None:
    assert told[name]["events"] != 0
    idle = told[name]["idle_after"]
    assert isinstance(idle, list)
    assert sorted(idle) == [f"wlan{number}" for number in range(8)]


def links(told: Told, key: str) -> list[dict[str, object]]:
    found = told[key]
    assert isinstance(found, list), found
    return found


def test_networkmanager_itself_tells_the_pinned_server_and_what_it_would_join(told: Mapping[str, Told]) -> None:
    managed = told["managed"]
    (network,) = links(managed, "links")
    assert (network["ssid"], network["security"], network["negotiated"]) == ("hospital", "802.1x", "802.1x")
    assert (network["management"], network["pinned"]) == ("yes", ["hospital.example"])
    assert managed["method"] == "NetworkManager over D-Bus, nl80211, wpa_supplicant"
    saved = sorted(links(managed, "saved"), key=lambda one: str(one["ssid"]))
    assert [(one["ssid"], one["security"], one["by_itself"]) for one in saved] == [
        ("cafe", "open", True),
        ("home", "sae", False),
        ("hospital", "802.1x", True),
    ]
