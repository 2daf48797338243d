"""What NetworkManager says of the network in use, asked over a real message bus."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
from dbus_fast import Message, Variant
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Links, Observed, Security, Unseen, Wireless
from agent.probes.access_points import read_security
from agent.probes.link_source import LinkSource
from tests.lab.laptop import Laptop
from tests.lab.namespaces import Namespace
from tests.lab.run import Run, run_command
from tests.lab.wifi import DBUS_DAEMON, DBUS_SEND, MANAGER, NM, Wifi, _bus_config
from tests.lab.wifi import Security as Announced
from tests.message_bus import Claims, impostor
from tests.test_interfaces import add

NO_SYSFS = Path("/nonexistent")
EXPECTED = {
    Announced.OPEN: Security.OPEN,
    Announced.OWE: Security.OWE,
    Announced.WEP: Security.WEP,
    Announced.WPA1_TKIP: Security.WPA_TKIP,
    Announced.WPA2_PSK: Security.WPA2_PSK,
    Announced.WPA2_WPA3: Security.WPA2_WPA3_MIXED,
    Announced.WPA3_SAE: Security.SAE,
    Announced.ENTERPRISE: Security.ENTERPRISE,
}


@dataclass(frozen=True)
class Here(Laptop):
    """Stands in for the lab's laptop: programs start on this machine, which has no namespace to enter."""

    @property
    def enter(self) -> tuple[str, ...]:
        return ()


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as run:
        yield run


@pytest.fixture
def wifi(run: Run) -> Wifi:
    anchor = run.start("anchor", ("/bin/sleep", "600"))
    return Wifi.start(run, Here(run, Namespace("none"), anchor, 0))


@pytest.fixture
def bus(run: Run) -> str:
    """A message bus on which nobody is NetworkManager yet."""
    path = run.path("bus", "bare")
    daemon = run.start("bus", (DBUS_DAEMON, f"--config-file={_bus_config(run, path)}", "--nofork"))
    daemon.wait_ready(lambda: answers(path), 10.0)
    return f"unix:path={path}"


def answers(path: Path) -> bool:
    """Tell whether somebody listens at a socket; its file is there a moment earlier."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def look(address: str, sysfs: Path = NO_SYSFS) -> Observed[object] | Unseen:
    async def once() -> Observed[object] | Unseen:
        network = LinkSource(address, sysfs=sysfs)
        try:
            return (await network.read())["links"]
        finally:
            await network.close()

    return asyncio.run(once())


def seen(address: str, sysfs: Path = NO_SYSFS) -> Links:
    observed = look(address, sysfs)
    assert isinstance(observed, Observed), observed
    assert isinstance(observed.value, Links)
    return observed.value


def why(address: str) -> str:
    unseen = look(address)
    assert isinstance(unseen, Unseen), unseen
    return unseen.why


@pytest.mark.parametrize(("announced", "expected"), EXPECTED.items(), ids=lambda one: one.name)
def test_the_protection_is_told_by_the_flags(announced: Announced, expected: Security) -> None:
    assert read_security(*announced.value) is expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((1, 0x144, 0x188), Security.WPA_TKIP),
        ((1, 0, 0x1CC), Security.WPA_TKIP),
        ((1, 0, 0x112), Security.WEP),
        ((0, 0, 0x1088), Security.OPEN),
        ((1, 0, 0x388), Security.WPA2_PSK),
        ((1, 0, 0x2288), Security.ENTERPRISE),
        ((1, 0, 0x2088), Security.ENTERPRISE),
        ((1, 0, 0x688), Security.SAE),
        ((1, 0, 0x88), Security.UNKNOWN),
        ((1, 0, 0x80000088), Security.UNKNOWN),
    ],
)
def test_the_weakest_accepted_protection_counts(flags: tuple[int, int, int], expected: Security) -> None:
    assert read_security(*flags) is expected


@given(st.tuples(*(st.integers(0, 2**32 - 1) for _ in range(3))))
def test_every_combination_of_flags_has_an_answer(flags: tuple[int, int, int]) -> None:
    assert read_security(*flags) in Security


@pytest.mark.lab
def test_a_machine_that_is_not_on_wifi_has_no_wireless_link(wifi: Wifi) -> None:
    assert seen(wifi.address) == Links(wireless=())


@pytest.mark.lab
def test_each_network_that_is_joined_is_seen_with_its_protection(wifi: Wifi) -> None:
    for announced, expected in EXPECTED.items():
        wifi.switch_to(wifi.network(announced.name, announced))
        (wireless,) = seen(wifi.address).wireless
        assert (wireless.interface, wireless.ssid, wireless.security) == ("wlan0", announced.name.encode(), expected)
        assert wireless.bssid.startswith("02:5e:c1:50:00:")
        assert not wireless.hidden


@pytest.mark.lab
def test_a_network_without_a_name_is_hidden(wifi: Wifi) -> None:
    wifi.switch_to(wifi.network("", Announced.WPA2_PSK))
    (wireless,) = seen(wifi.address).wireless
    assert wireless.hidden
    assert wireless.ssid == b""


@pytest.mark.lab
def test_wired_and_other_links_are_told_apart_and_idle_ones_left_out(wifi: Wifi) -> None:
    add_wired(wifi, "eth0", 100)
    add_wired(wifi, "eth1", 20)
    add_wired(wifi, "tun0", 100)
    set_number(wifi, f"{MANAGER}/Devices/tun0", f"{NM}.Device", "DeviceType", 16)
    links = seen(wifi.address)
    assert (links.wired, links.other) == (("eth0",), ("tun0",))


@pytest.mark.lab
def test_a_cable_that_networkmanager_does_not_manage_is_in_use_where_it_is_plugged_in(wifi: Wifi) -> None:
    for name, flags in (("eth0", 0x10003), ("eth1", 0x1)):
        add_wired(wifi, name, 10)
        words = (f"string:{NM}.Device", "string:InterfaceFlags", f"variant:uint32:{flags}")
        send(wifi, f"{MANAGER}/Devices/{name}", "org.freedesktop.DBus.Mock.AddProperty", *words)
    add_wired(wifi, "eth2", 10)
    assert seen(wifi.address).wired == ("eth0", "eth2")


@pytest.mark.lab
def test_wifi_that_networkmanager_does_not_manage_is_unknown_not_absent(wifi: Wifi) -> None:
    set_number(wifi, f"{MANAGER}/Devices/wlan0", f"{NM}.Device", "State", 10)
    assert seen(wifi.address).wireless == (Wireless("wlan0", b"", "", Security.UNKNOWN),)


@pytest.mark.lab
def test_every_change_is_told_after_the_state_at_the_start(wifi: Wifi) -> None:
    async def follow() -> None:
        network = LinkSource(wifi.address)
        async with aclosing(network.watch()) as changes:

            async def until(*expected: Security) -> None:
                async with asyncio.timeout(10):
                    async for told in changes:
                        links = told["links"]
                        assert isinstance(links, Observed)
                        if tuple(one.security for one in links.value.wireless) == expected:
                            return

            await until()
            home = await asyncio.to_thread(wifi.network, "home", Announced.WPA2_PSK)
            await asyncio.to_thread(wifi.switch_to, home)
            await until(Security.WPA2_PSK)
            await asyncio.to_thread(wifi.set_security, home, Announced.OPEN)
            await until(Security.OPEN)
            await asyncio.to_thread(wifi.leave)
            await until()
        await network.close()

    asyncio.run(follow())


@pytest.mark.lab
def test_without_networkmanager_or_a_bus_the_kernel_tells_the_links(bus: str, tmp_path: Path) -> None:
    add(tmp_path, "eth0", driver="e1000e")
    add(tmp_path, "eth1", driver="e1000e", state="down")
    for address in (bus, f"unix:path={tmp_path}/none"):
        assert seen(address, tmp_path) == Links((), wired=("eth0",))
    (add(tmp_path, "wlan0", driver="iwlwifi") / "wireless").mkdir()
    assert seen(bus, tmp_path).wireless == (Wireless("wlan0", b"", "", Security.UNKNOWN),)


def test_nobody_at_all_is_unseen_with_the_reason(tmp_path: Path) -> None:
    assert why(f"unix:path={tmp_path}/none") == "the interfaces could not be listed: No such file or directory"


@pytest.mark.lab
def test_networkmanager_that_comes_later_is_told(bus: str) -> None:
    async def follow() -> None:
        network = LinkSource(bus, sysfs=NO_SYSFS)
        async with aclosing(network.watch()) as changes:
            assert isinstance((await anext(changes))["links"], Unseen)
            manager = await impostor(bus, {(MANAGER, NM): {"Devices": Variant("ao", [])}}, NM)
            async with asyncio.timeout(5):
                assert isinstance(back := (await anext(changes))["links"], Observed)
            assert back.value == Links(wireless=())
            manager.disconnect()
            async with asyncio.timeout(5):
                assert isinstance((await anext(changes))["links"], Unseen)
        await network.close()

    asyncio.run(follow())


@pytest.mark.lab
def test_a_lost_bus_is_told(run: Run) -> None:
    path = run.path("bus", "mortal")
    daemon = run.start("mortal", (DBUS_DAEMON, f"--config-file={_bus_config(run, path)}", "--nofork"))
    daemon.wait_ready(lambda: answers(path), 10.0)

    async def follow() -> None:
        network = LinkSource(f"unix:path={path}", sysfs=NO_SYSFS)
        manager = await impostor(f"unix:path={path}", {(MANAGER, NM): {"Devices": Variant("ao", [])}}, NM)
        async with aclosing(network.watch()) as changes:
            assert isinstance((await anext(changes))["links"], Observed)
            await asyncio.to_thread(daemon.stop)
            async with asyncio.timeout(5):
                assert isinstance(lost := (await anext(changes))["links"], Unseen)
        assert "could not be listed" in lost.why
        await network.close()
        manager.disconnect()

    asyncio.run(follow())


@pytest.mark.lab
def test_signals_without_end_are_looked_after_a_few_times_a_second(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.probes.link_source.REST", 600.0)

    async def follow() -> None:
        manager = await impostor(bus, {(MANAGER, NM): {"Devices": Variant("ao", [])}}, NM)
        network = LinkSource(bus)
        async with aclosing(network.watch()) as changes:
            await anext(changes)
            for _ in range(100):
                await manager.send(Message.new_signal(MANAGER, NM, "StateChanged", "u", [70]))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await anext(changes)
        await network.close()
        manager.disconnect()

    asyncio.run(follow())


DEVICE, POINT = f"{MANAGER}/Devices/1", f"{MANAGER}/AccessPoint/1"


def honest() -> Claims:
    return {
        (MANAGER, NM): {"Devices": Variant("ao", [DEVICE])},
        (DEVICE, f"{NM}.Device"): {
            "Interface": Variant("s", "wlan0"),
            "DeviceType": Variant("u", 2),
            "State": Variant("u", 100),
        },
        (DEVICE, f"{NM}.Device.Wireless"): {"ActiveAccessPoint": Variant("o", POINT)},
        (POINT, f"{NM}.AccessPoint"): {
            "Ssid": Variant("ay", b"\xff\n\xe2\x80\xae"),
            "HwAddress": Variant("s", "02:00:00:00:00:AA"),
            "Flags": Variant("u", 1),
            "WpaFlags": Variant("u", 0),
            "RsnFlags": Variant("u", 0x188),
        },
    }


@pytest.mark.lab
def test_a_name_of_any_bytes_is_kept_as_bytes(bus: str) -> None:
    links = asyncio.run(ask_impostor(bus, honest()))
    assert isinstance(links, Observed)
    assert links.value.wireless == (Wireless("wlan0", b"\xff\n\xe2\x80\xae", "02:00:00:00:00:aa", Security.WPA2_PSK),)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("path", "interface", "name", "lie"),
    [
        (MANAGER, NM, "Devices", Variant("s", "none")),
        (MANAGER, NM, "Devices", Variant("ao", [f"{MANAGER}/Devices/{n}" for n in range(65)])),
        (DEVICE, f"{NM}.Device", "Interface", Variant("s", "w" * 16)),
        (DEVICE, f"{NM}.Device", "DeviceType", Variant("s", "2")),
        (DEVICE, f"{NM}.Device", "State", Variant("i", -1)),
        (DEVICE, f"{NM}.Device.Wireless", "ActiveAccessPoint", Variant("s", "/")),
        (DEVICE, f"{NM}.Device.Wireless", "ActiveAccessPoint", Variant("o", "/elsewhere")),
        (POINT, f"{NM}.AccessPoint", "Ssid", Variant("ay", b"x" * 33)),
        (POINT, f"{NM}.AccessPoint", "Ssid", Variant("ay", b"x" * 20_000_000)),
        (POINT, f"{NM}.AccessPoint", "Ssid", Variant("s", "text")),
        (POINT, f"{NM}.AccessPoint", "HwAddress", Variant("s", "\x1b[2J-not-a-mac-")),
        (POINT, f"{NM}.AccessPoint", "RsnFlags", Variant("t", 0x188)),
    ],
)
def test_an_answer_of_another_shape_is_unseen(bus: str, path: str, interface: str, name: str, lie: Variant) -> None:
    claims = honest()
    claims[path, interface][name] = lie
    assert isinstance(asyncio.run(ask_impostor(bus, claims)), Unseen)


@pytest.mark.lab
def test_networkmanager_that_never_answers_is_unseen_in_time(bus: str) -> None:
    async def ask() -> tuple[Observed[object] | Unseen, float]:
        manager = await impostor(bus, None, NM)
        network = LinkSource(bus)
        begin = asyncio.get_running_loop().time()
        links = (await network.read())["links"]
        seconds = asyncio.get_running_loop().time() - begin
        await network.close()
        manager.disconnect()
        return links, seconds

    links, seconds = asyncio.run(ask())
    assert isinstance(links, Unseen)
    assert links.why == "NetworkManager could not be asked: it gave no answer in time"
    assert seconds < 4


async def ask_impostor(bus: str, claims: Claims) -> Observed[object] | Unseen:
    manager = await impostor(bus, claims, NM)
    network = LinkSource(bus)
    try:
        return (await network.read())["links"]
    finally:
        await network.close()
        manager.disconnect()


def add_wired(wifi: Wifi, name: str, state: int) -> None:
    send(
        wifi,
        MANAGER,
        "org.freedesktop.DBus.Mock.AddEthernetDevice",
        f"string:{name}",
        f"string:{name}",
        f"int32:{state}",
    )


def set_number(wifi: Wifi, path: str, interface: str, name: str, value: int) -> None:
    words = (f"string:{interface}", f"string:{name}", f"variant:uint32:{value}")
    send(wifi, path, "org.freedesktop.DBus.Properties.Set", *words)


def send(wifi: Wifi, path: str, method: str, *words: str) -> None:
    run_command((DBUS_SEND, f"--bus={wifi.address}", "--print-reply=literal", f"--dest={NM}", path, method, *words))
