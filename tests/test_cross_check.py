"""Several sources about one radio: each adds what the first cannot tell, and takes nothing away by being absent."""

from dataclasses import replace

from agent.posture.facts import Links, Security, Told, Wireless
from agent.probes.cross_check import with_seconds
from agent.probes.nl80211 import Radios

HOME = Wireless("wlan0", b"Home", "02:00:00:00:00:01", Security.WPA2_WPA3_MIXED)
UNTOLD = Wireless("wlan0", b"", "", Security.UNKNOWN)
BY_KERNEL = replace(HOME, negotiated=Security.WPA2_PSK, management=Told.NO)
BY_SUPPLICANT = replace(HOME, negotiated=Security.SAE, management=Told.UNTOLD)


def seen(*networks: Wireless, radios: Radios | None = None, spoken: tuple[Wireless, ...] = ()) -> tuple[Wireless, ...]:
    links = with_seconds(Links(networks, wired=("eth0",)), radios, spoken)
    assert links.wired == ("eth0",)
    return links.wireless


def test_without_other_sources_everything_stays():
    assert seen(HOME) == (HOME,)
    assert seen(UNTOLD) == (UNTOLD,)
    assert seen(HOME, radios=Radios()) == (HOME,)


def test_the_supplicant_tells_what_was_negotiated_and_the_kernel_whether_the_link_is_guarded():
    (network,) = seen(HOME, radios=Radios((BY_KERNEL,)), spoken=(BY_SUPPLICANT,))
    assert (network.negotiated, network.management) == (Security.SAE, Told.NO)
    (network,) = seen(HOME, radios=Radios((BY_KERNEL,)))
    assert (network.negotiated, network.management) == (Security.WPA2_PSK, Told.NO)


def test_what_is_told_of_another_radio_or_access_point_counts_for_nothing():
    elsewhere = replace(BY_SUPPLICANT, bssid="02:00:00:00:00:02")
    assert seen(HOME, spoken=(elsewhere, replace(BY_SUPPLICANT, interface="wlan1"))) == (HOME,)


def test_a_radio_that_has_left_for_another_access_point_is_where_the_kernel_says():
    double = replace(HOME, bssid="02:00:00:00:00:02", security=Security.OPEN)
    assert seen(HOME, radios=Radios((double,))) == (double,)
    both_links = Radios((double, BY_KERNEL))
    assert [one.security for one in seen(HOME, radios=both_links)] == [HOME.security]


def test_a_roam_within_the_hospitals_own_network_keeps_what_its_server_must_prove():
    ward = replace(HOME, security=Security.ENTERPRISE, pinned=("radius.hospital.example",))
    roamed = replace(ward, bssid="02:00:00:00:00:02", pinned=())
    (network,) = seen(ward, radios=Radios((roamed,)))
    assert (network.bssid, network.pinned) == (roamed.bssid, ward.pinned)
    (elsewhere,) = seen(ward, radios=Radios((replace(roamed, ssid=b"Other"),)))
    assert elsewhere.pinned == ()


def test_a_protection_that_the_first_source_cannot_name_is_named_by_another():
    (network,) = seen(replace(HOME, security=Security.UNKNOWN), radios=Radios((BY_KERNEL,)))
    assert network.security is Security.WPA2_WPA3_MIXED


def test_a_radio_that_networkmanager_does_not_manage_is_told_by_the_kernel():
    assert seen(UNTOLD, radios=Radios((BY_KERNEL,))) == (BY_KERNEL,)
    assert seen(UNTOLD, radios=Radios(idle=("wlan0",))) == ()
    assert seen(UNTOLD, radios=Radios(idle=("wlan1",))) == (UNTOLD,)


def test_a_network_in_use_of_which_only_the_kernel_knows_is_not_missed():
    other = replace(HOME, interface="wlan1", security=Security.OPEN)
    assert seen(HOME, radios=Radios((other,))) == (HOME, other)


def test_a_network_that_networkmanager_names_is_kept_even_where_the_kernel_sees_an_idle_radio():
    assert seen(HOME, radios=Radios(idle=("wlan0",))) == (HOME,)
