"""What NetworkManager tells of leases and login pages, asked over a real message bus, and from one that lies."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from ipaddress import IPv4Address, ip_network

import pytest
from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

from agent.posture.facts import Told
from agent.posture.facts.network import DhcpServer
from agent.probes.neighbourhood.manager import MANAGER, NAME, Heard, Manager
from tests.lab.run import Run
from tests.lab.wifi import DBUS_DAEMON, _bus_config
from tests.message_bus import Claims, impostor

pytestmark = pytest.mark.lab

NO_OPTIONS: Mapping[str, str] = {}
DEVICE, CONFIG = f"{MANAGER}/Devices/1", f"{MANAGER}/DHCP4Config/1"
HERE, ROUTER = IPv4Address("192.168.77.50"), IPv4Address("192.168.77.1")


@pytest.fixture
def bus() -> Iterator[str]:
    with Run.open() as run:
        path = run.path("bus", "bare")

        def listens() -> bool:
            with socket.socket(socket.AF_UNIX) as connection:
                return connection.connect_ex(str(path)) == 0

        daemon = run.start("bus", (DBUS_DAEMON, f"--config-file={_bus_config(run, path)}", "--nofork"))
        daemon.wait_ready(listens, 10.0)
        yield f"unix:path={path}"


def honest(connectivity: int = 4, checks: bool = True, options: Mapping[str, str] = NO_OPTIONS) -> Claims:
    named = {"routers": str(ROUTER), "domain_name_servers": f"{ROUTER} 192.0.2.53"}
    lease = {"ip_address": str(HERE), "dhcp_server_identifier": str(ROUTER), **named, **options}
    return {
        (MANAGER, NAME): {
            "Devices": Variant("ao", [DEVICE]),
            "Connectivity": Variant("u", connectivity),
            "ConnectivityCheckEnabled": Variant("b", checks),
            "ConnectivityCheckAvailable": Variant("b", True),
        },
        (DEVICE, f"{NAME}.Device"): {"Interface": Variant("s", "wlan0"), "Dhcp4Config": Variant("o", CONFIG)},
        (CONFIG, f"{NAME}.DHCP4Config"): {
            "Options": Variant("a{sv}", {name: Variant("s", text) for name, text in lease.items()})
        },
    }


def heard(bus: str, claims: Claims | None) -> Heard:
    async def ask() -> Heard:
        peer = await impostor(bus, claims, NAME)
        manager = Manager(bus, lambda: None)
        try:
            return await manager.read()
        finally:
            await manager.close()
            peer.disconnect()

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "options",
    [
        {"rfc3442_classless_static_routes": "10.20.0.0/16 192.168.77.1 0.0.0.0/0 192.168.77.1"},
        {"rfc3442_classless_static_routes": "16 10 20 192 168 77 1 0 192 168 77 1"},
        {"ms_classless_static_routes": "10.20.0.0/16 192.168.77.1 0.0.0.0/0 192.168.77.1"},
    ],
    ids=["by its own client", "by dhclient", "option 249"],
)
def test_a_lease_is_read_with_the_routes_that_it_asks_for(bus: str, options: dict[str, str]) -> None:
    (lease,) = heard(bus, honest(options=options)).leases
    assert (lease.interface, lease.address) == ("wlan0", HERE)
    assert lease.server == DhcpServer("wlan0", ROUTER, (ROUTER,), (ROUTER, IPv4Address("192.0.2.53")))
    told = {(route.prefix, route.gateway, route.pushed) for route in lease.routes}
    assert told == {(ip_network("10.20.0.0/16"), ROUTER, True), (ip_network("0.0.0.0/0"), ROUTER, True)}


@pytest.mark.parametrize(
    ("connectivity", "checks", "portal"),
    [
        (2, True, Told.YES),
        (2, False, Told.YES),
        (4, True, Told.NO),
        (4, False, Told.UNTOLD),
        (3, True, Told.UNTOLD),
        (0, True, Told.UNTOLD),
        (99, True, Told.UNTOLD),
    ],
)
def test_a_login_page_is_told_and_full_connectivity_only_where_it_was_checked(
    bus: str, connectivity: int, checks: bool, portal: Told
) -> None:
    assert heard(bus, honest(connectivity, checks)).portal is portal


@pytest.mark.parametrize(
    ("path", "interface", "name", "lie"),
    [
        (DEVICE, f"{NAME}.Device", "Dhcp4Config", Variant("o", "/")),
        (DEVICE, f"{NAME}.Device", "Dhcp4Config", Variant("o", "/elsewhere")),
        (DEVICE, f"{NAME}.Device", "Dhcp4Config", Variant("s", "text")),
        (DEVICE, f"{NAME}.Device", "Interface", Variant("s", "w" * 16)),
        (CONFIG, f"{NAME}.DHCP4Config", "Options", Variant("s", "text")),
        (CONFIG, f"{NAME}.DHCP4Config", "Options", Variant("a{sv}", {})),
        (CONFIG, f"{NAME}.DHCP4Config", "Options", Variant("a{sv}", {"ip_address": Variant("u", 5)})),
        (CONFIG, f"{NAME}.DHCP4Config", "Options", Variant("a{sv}", {"ip_address": Variant("s", "\x1b[2J")})),
        (CONFIG, f"{NAME}.DHCP4Config", "Options", Variant("a{sv}", {"x": Variant("s", "x" * 1_000_000)})),
        (
            CONFIG,
            f"{NAME}.DHCP4Config",
            "Options",
            Variant("a{sv}", {str(number): Variant("s", "") for number in range(300)}),
        ),
    ],
)
def test_a_lease_of_another_shape_is_none_and_the_rest_is_still_told(
    bus: str, path: str, interface: str, name: str, lie: Variant
) -> None:
    claims = honest(connectivity=2)
    claims[path, interface][name] = lie
    assert heard(bus, claims) == Heard((), Told.YES)


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("Devices", Variant("ao", [f"{MANAGER}/Devices/{number}" for number in range(65)])),
        ("Connectivity", Variant("s", "portal")),
        ("ConnectivityCheckEnabled", Variant("u", 1)),
    ],
)
def test_a_manager_of_another_shape_is_as_good_as_none(bus: str, name: str, lie: Variant) -> None:
    claims = honest()
    claims[MANAGER, NAME][name] = lie
    assert heard(bus, claims) == Heard()


def test_a_manager_that_never_answers_or_has_nothing_and_no_bus_at_all_know_nothing(bus: str) -> None:
    assert heard(bus, None) == Heard()
    assert heard(bus, {}) == Heard()
    assert asyncio.run(Manager("unix:path=/nonexistent/bus", lambda: None).read()) == Heard()


def test_a_change_of_connectivity_is_heard(bus: str) -> None:
    async def scene(tell: Callable[[MessageBus], Awaitable[None]]) -> None:
        changed = asyncio.Event()
        peer, manager = await impostor(bus, honest(), NAME), Manager(bus, changed.set)
        await manager.read()
        await tell(peer)
        async with asyncio.timeout(10):
            await changed.wait()
        await manager.close()
        peer.disconnect()

    async def connectivity(peer: MessageBus) -> None:
        body = [NAME, {"Connectivity": Variant("u", 2)}, []]
        interface = "org.freedesktop.DBus.Properties"
        await peer.send(Message.new_signal(MANAGER, interface, "PropertiesChanged", "sa{sv}as", body))

    async def leaving(peer: MessageBus) -> None:
        await peer.release_name(NAME)

    asyncio.run(scene(connectivity))
    asyncio.run(scene(leaving))
