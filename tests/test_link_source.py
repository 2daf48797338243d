"""Links, air and stored networks over a real message bus: NetworkManager, wpa_supplicant, and who lies there."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from dbus_fast import Variant

from agent.posture.facts import (
    AccessPoint,
    Air,
    Links,
    Observed,
    Saved,
    SavedNetwork,
    Security,
    Told,
    Unseen,
    Wireless,
)
from agent.probes.air import LASTING, MOST_JOINED, Joined
from agent.probes.bus import Properties
from agent.probes.link_source import LinkSource
from agent.probes.saved import MOST_NAMES, pinned_names
from agent.probes.supplicant import NAME as SUPPLICANT
from agent.probes.supplicant import read_mode
from tests.lab.namespaces import Namespace
from tests.lab.run import Run
from tests.lab.wifi import DBUS_DAEMON, MANAGER, NM, Wifi, _bus_config
from tests.lab.wifi import Security as Announced
from tests.message_bus import Claims, Settings, impostor
from tests.test_rsn import rsn
from tests.test_wifi_probe import Here, answers

Seen = Mapping[str, Observed[object] | Unseen]
DEVICE, POINT, TWIN = f"{MANAGER}/Devices/1", f"{MANAGER}/AccessPoint/1", f"{MANAGER}/AccessPoint/2"
STORED = f"{MANAGER}/Settings/1"
INTERFACE, BSS = "/fi/w1/wpa_supplicant1/Interfaces/0", "/fi/w1/wpa_supplicant1/Interfaces/0/BSSs/0"
HERE, THERE = "02:00:00:00:00:aa", "02:00:00:00:00:bb"
BY_CERTIFICATE = {"ca-cert": Variant("ay", b"file:///etc/ssl/hospital.pem\0"), "eap": Variant("as", ["peap"])}


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as run:
        yield run


@pytest.fixture
def bus(run: Run) -> str:
    path = run.path("bus", "bare")
    daemon = run.start("bus", (DBUS_DAEMON, f"--config-file={_bus_config(run, path)}", "--nofork"))
    daemon.wait_ready(lambda: answers(path), 10.0)
    return f"unix:path={path}"


def point(ssid: bytes, bssid: str, rsn_flags: int) -> dict[str, Variant]:
    return {
        "Ssid": Variant("ay", ssid),
        "HwAddress": Variant("s", bssid.upper()),
        "Flags": Variant("u", int(rsn_flags != 0)),
        "WpaFlags": Variant("u", 0),
        "RsnFlags": Variant("u", rsn_flags),
    }


def claims(rsn_flags: int = 0x588) -> Claims:
    """A laptop that uses 'Home', with an open double in range, as both services tell it."""
    return {
        (MANAGER, NM): {"Devices": Variant("ao", [DEVICE])},
        (DEVICE, f"{NM}.Device"): {
            "Interface": Variant("s", "wlan0"),
            "DeviceType": Variant("u", 2),
            "State": Variant("u", 100),
        },
        (DEVICE, f"{NM}.Device.Wireless"): {
            "ActiveAccessPoint": Variant("o", POINT),
            "AccessPoints": Variant("ao", [POINT, TWIN]),
        },
        (POINT, f"{NM}.AccessPoint"): point(b"Home", HERE, rsn_flags),
        (TWIN, f"{NM}.AccessPoint"): point(b"Home", THERE, 0),
        (f"{MANAGER}/Settings", f"{NM}.Settings"): {"Connections": Variant("ao", [STORED])},
        ("/fi/w1/wpa_supplicant1", SUPPLICANT): {"Interfaces": Variant("ao", [INTERFACE])},
        (INTERFACE, f"{SUPPLICANT}.Interface"): {
            "Ifname": Variant("s", "wlan0"),
            "State": Variant("s", "completed"),
            "CurrentBSS": Variant("o", BSS),
            "CurrentAuthMode": Variant("s", "SAE"),
        },
        (BSS, f"{SUPPLICANT}.BSS"): {
            "SSID": Variant("ay", b"Home"),
            "BSSID": Variant("ay", bytes.fromhex(HERE.replace(":", ""))),
            "Privacy": Variant("b", True),
            "IEs": Variant("ay", rsn((2, 8), capabilities=0xC0)),
        },
    }


def stored(**sections: dict[str, Variant]) -> dict[str, dict[str, Variant]]:
    wireless = {"ssid": Variant("ay", b"Cafe"), "mode": Variant("s", "infrastructure")}
    return {"connection": {"type": Variant("s", "802-11-wireless")}, "802-11-wireless": wireless} | {
        name.replace("_", "-"): section for name, section in sections.items()
    }


def settings(**sections: dict[str, Variant]) -> Settings:
    return {(STORED, "GetSettings"): stored(**sections)}


async def look(bus: str, told: Claims | None, chosen: Settings, *names: str) -> Seen:
    peer, source = await impostor(bus, told, *(names or (NM, SUPPLICANT)), settings=chosen), LinkSource(bus)
    try:
        return await source.read()
    finally:
        await source.close()
        peer.disconnect()


def value(seen: Seen, name: str) -> object:
    fact = seen[name]
    assert isinstance(fact, Observed), fact
    return fact.value


@pytest.mark.lab
def test_all_three_facts_are_told_and_the_supplicant_says_what_was_negotiated(bus: str):
    seen = asyncio.run(look(bus, claims(), settings()))
    network = Wireless("wlan0", b"Home", HERE, Security.WPA2_WPA3_MIXED, negotiated=Security.SAE, management=Told.YES)
    assert value(seen, "links") == Links((network,))
    home = AccessPoint(b"Home", HERE, Security.WPA2_WPA3_MIXED)
    assert value(seen, "air") == Air((home, AccessPoint(b"Home", THERE, Security.OPEN)), (home,))
    assert value(seen, "saved") == Saved((SavedNetwork(b"Cafe", Security.OPEN, True),))
    links = seen["links"]
    assert isinstance(links, Observed)
    assert links.method == "NetworkManager over D-Bus, wpa_supplicant"


@pytest.mark.lab
def test_a_supplicant_that_is_absent_takes_nothing_away(bus: str):
    seen = asyncio.run(look(bus, claims(), settings(), NM))
    assert value(seen, "links") == Links((Wireless("wlan0", b"Home", HERE, Security.WPA2_WPA3_MIXED),))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("path", "interface", "name", "lie"),
    [
        ("/fi/w1/wpa_supplicant1", SUPPLICANT, "Interfaces", Variant("s", "none")),
        (INTERFACE, f"{SUPPLICANT}.Interface", "Ifname", Variant("s", "w" * 16)),
        (INTERFACE, f"{SUPPLICANT}.Interface", "CurrentBSS", Variant("o", "/elsewhere")),
        (BSS, f"{SUPPLICANT}.BSS", "BSSID", Variant("ay", b"\2")),
        (BSS, f"{SUPPLICANT}.BSS", "IEs", Variant("ay", b"x" * 20_000)),
        (BSS, f"{SUPPLICANT}.BSS", "SSID", Variant("s", "text")),
    ],
)
def test_a_supplicant_that_lies_takes_nothing_away(bus: str, path: str, interface: str, name: str, lie: Variant):
    told = claims()
    told[path, interface][name] = lie
    links = value(asyncio.run(look(bus, told, settings())), "links")
    assert links == Links((Wireless("wlan0", b"Home", HERE, Security.WPA2_WPA3_MIXED),))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("path", "interface", "name", "lie", "unseen"),
    [
        (DEVICE, f"{NM}.Device.Wireless", "AccessPoints", Variant("ao", [f"/a/b{n}" for n in range(513)]), {"air"}),
        (TWIN, f"{NM}.AccessPoint", "Ssid", Variant("ay", b"x" * 33), {"air"}),
        (TWIN, f"{NM}.AccessPoint", "HwAddress", Variant("s", "\x1b[2J"), {"air"}),
        (POINT, f"{NM}.AccessPoint", "RsnFlags", Variant("s", "0"), {"air", "links"}),
        (f"{MANAGER}/Settings", f"{NM}.Settings", "Connections", Variant("as", ["/"]), {"saved"}),
        (MANAGER, NM, "Devices", Variant("ao", ["/x/y"] * 65), {"air", "links"}),
    ],
)
def test_a_lie_of_networkmanager_makes_only_what_rests_on_it_unseen(
    bus: str, path: str, interface: str, name: str, lie: Variant, unseen: set[str]
):
    told = claims()
    told[path, interface][name] = lie
    seen = asyncio.run(look(bus, told, settings()))
    assert {name for name, fact in seen.items() if isinstance(fact, Unseen)} == unseen


@pytest.mark.lab
@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({}, SavedNetwork(b"Cafe", Security.OPEN, True)),
        ({"connection": {"autoconnect": Variant("b", False)}}, SavedNetwork(b"Cafe", Security.OPEN, False)),
        ({"802-11-wireless-security": {"key-mgmt": Variant("s", "none")}}, SavedNetwork(b"Cafe", Security.WEP, True)),
        ({"802-11-wireless-security": {"key-mgmt": Variant("s", "owe")}}, SavedNetwork(b"Cafe", Security.OWE, True)),
        ({"802-11-wireless-security": {"key-mgmt": Variant("s", "sae")}}, SavedNetwork(b"Cafe", Security.SAE, True)),
        (
            {"802-11-wireless-security": {"key-mgmt": Variant("s", "new")}},
            SavedNetwork(b"Cafe", Security.UNKNOWN, True),
        ),
        ({"802-11-wireless": {"ssid": Variant("ay", b"x"), "mode": Variant("s", "ap")}}, None),
    ],
)
def test_stored_networks_are_told_by_their_settings(
    bus: str, sections: dict[str, dict[str, Variant]], expected: SavedNetwork | None
):
    seen = asyncio.run(look(bus, claims(), settings(**sections)))
    assert value(seen, "saved") == Saved((expected,) if expected else ())


@pytest.mark.lab
@pytest.mark.parametrize(
    "sections",
    [
        {"connection": {"autoconnect": Variant("s", "no")}},
        {"802-11-wireless": {"ssid": Variant("ay", b"x" * 33)}},
        {"802-11-wireless-security": {"key-mgmt": Variant("s", "x" * 1000)}},
        {f"section{number}": {} for number in range(65)},
    ],
)
def test_settings_of_another_shape_are_unseen(bus: str, sections: dict[str, dict[str, Variant]]):
    assert isinstance(asyncio.run(look(bus, claims(), settings(**sections)))["saved"], Unseen)


@pytest.mark.lab
def test_the_names_that_an_802_1x_server_must_prove_are_those_in_effect(bus: str):
    chosen = settings()
    pins = {**BY_CERTIFICATE, "domain-suffix-match": Variant("s", "Hospital.example")}
    chosen[DEVICE, "GetAppliedConnection"] = stored(**{"802-1x": pins})
    links = value(asyncio.run(look(bus, claims(0x288), chosen)), "links")
    assert isinstance(links, Links)
    assert (links.wireless[0].security, links.wireless[0].pinned) == (Security.ENTERPRISE, ("hospital.example",))
    without = value(asyncio.run(look(bus, claims(0x288), settings())), "links")
    assert isinstance(without, Links)
    assert without.wireless[0].pinned == ()


@pytest.mark.parametrize(
    ("pins", "expected"),
    [
        ({"domain-match": Variant("s", "a.example; B.example;")}, ("a.example", "b.example")),
        ({"domain-suffix-match": Variant("s", "example")}, ("example",)),
        ({"altsubject-matches": Variant("as", ["DNS:a.example", "URI:x"])}, ("a.example", "uri:x")),
        ({"subject-match": Variant("s", "a.example")}, ()),
        ({"domain-match": Variant("s", "a.example"), "system-ca-certs": Variant("b", True)}, ()),
        ({"domain-match": Variant("s", ";".join(["a.example"] * (MOST_NAMES + 1)))}, ()),
        ({"domain-match": Variant("s", "a.example"), "eap": Variant("as", ["tls", "ttls"])}, ("a.example",)),
        ({"domain-match": Variant("s", "a.example"), "eap": Variant("as", ["tls", "leap"])}, ()),
        ({"domain-match": Variant("s", "a.example"), "eap": Variant("as", ["pwd"])}, ()),
        ({"domain-match": Variant("s", "a.example"), "eap": Variant("as", [])}, ()),
        ({}, ()),
    ],
)
def test_only_names_under_a_pinned_authority_are_a_pin(pins: dict[str, Variant], expected: tuple[str, ...]):
    assert pinned_names({"802-1x": Properties({**BY_CERTIFICATE, **pins})}) == expected
    assert pinned_names({"802-1x": Properties(dict(pins))}) == ()
    assert pinned_names({}) == ()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("WPA2-PSK", Security.WPA2_PSK),
        ("WPA2-PSK-SHA256", Security.WPA2_PSK),
        ("FT-PSK", Security.WPA2_PSK),
        ("WPA-PSK", Security.WPA_TKIP),
        ("SAE", Security.SAE),
        ("FT-SAE", Security.SAE),
        ("WPA2/IEEE 802.1X/EAP", Security.ENTERPRISE),
        ("EAP-PEAP", Security.ENTERPRISE),
        ("WPA2-EAP-SUITE-B-192", Security.ENTERPRISE),
        ("OWE", Security.OWE),
        ("NONE", Security.OPEN),
        ("INACTIVE", None),
        ("", None),
    ],
)
def test_the_supplicants_words_name_the_protection(mode: str, expected: Security | None):
    assert read_mode(mode, privacy=False) is expected


def test_without_a_password_but_with_privacy_it_is_wep():
    assert read_mode("NONE", privacy=True) is Security.WEP


def test_what_was_joined_is_remembered_once_and_the_longest_unused_is_forgotten():
    joined = Joined()
    first = Wireless("wlan0", b"a", HERE, Security.SAE)
    assert joined.remember([first], 1.0) == joined.remember([first], 2.0) == (AccessPoint(b"a", HERE, Security.SAE),)
    assert joined.remember([Wireless("wlan0", b"a", HERE, Security.UNKNOWN)], 3.0) == joined.remember([], 3.0)
    others = [Wireless("wlan0", str(number).encode(), HERE, Security.SAE) for number in range(MOST_JOINED)]
    kept = joined.remember(others[:-1], 4.0)
    assert len(kept) == MOST_JOINED
    assert AccessPoint(b"a", HERE, Security.SAE) not in joined.remember(others[-1:], 5.0)


def test_what_was_left_long_ago_is_compared_with_nothing_in_the_next_hospital():
    joined = Joined()
    staff = Wireless("wlan0", b"staff", HERE, Security.ENTERPRISE)
    assert joined.remember([staff], 0.0) == joined.remember([], LASTING)
    there = Wireless("wlan0", b"staff", THERE, Security.WPA2_PSK)
    assert joined.remember([there], LASTING + 1.0) == (AccessPoint(b"staff", THERE, Security.WPA2_PSK),)


@pytest.mark.lab
def test_services_that_never_answer_are_unseen_in_time(bus: str):
    async def ask() -> tuple[Seen, float]:
        begin = asyncio.get_running_loop().time()
        return await look(bus, None, {}), asyncio.get_running_loop().time() - begin

    seen, seconds = asyncio.run(ask())
    assert all(isinstance(fact, Unseen) for fact in seen.values())
    assert seconds < 10


def test_no_bus_is_unseen_with_its_reason(tmp_path: Path):
    seen = asyncio.run(LinkSource(f"unix:path={tmp_path}/none", sysfs=tmp_path).read())
    assert seen.keys() == LinkSource.facts
    for name in ("air", "saved"):
        fact = seen[name]
        assert isinstance(fact, Unseen)
        assert fact.why.startswith("NetworkManager could not be asked: the system bus cannot be reached")


@pytest.mark.lab
def test_a_roam_to_a_weaker_double_and_a_new_neighbour_are_told_as_they_come(run: Run):
    anchor = run.start("anchor", ("/bin/sleep", "600"))
    wifi = Wifi.start(run, Here(run, Namespace("none"), anchor, 0))

    async def follow() -> None:
        source = LinkSource(wifi.address)
        async with aclosing(source.watch()) as changes:

            async def until(security: tuple[Security, ...], in_range: int) -> Air:
                async with asyncio.timeout(15):
                    async for seen in changes:
                        links, air = value(seen, "links"), value(seen, "air")
                        assert isinstance(links, Links)
                        assert isinstance(air, Air)
                        if tuple(one.security for one in links.wireless) == security and len(air.in_range) == in_range:
                            return air
                raise AssertionError("the watch ended")

            await until((), 0)
            home = await asyncio.to_thread(wifi.network, "home", Announced.WPA3_SAE)
            await asyncio.to_thread(wifi.switch_to, home)
            await until((Security.SAE,), 1)
            double = await asyncio.to_thread(wifi.network, "home", Announced.OPEN)
            await until((Security.SAE,), 2)
            await asyncio.to_thread(wifi.switch_to, double)
            air = await until((Security.OPEN,), 2)
            assert {one.security for one in air.joined} == {Security.SAE, Security.OPEN}
        await source.close()

    asyncio.run(follow())
