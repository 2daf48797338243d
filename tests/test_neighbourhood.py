"""The neighbourhood as it is seen on a real kernel, with real DHCP, name servers, pages and machines that lie."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from agent.posture.facts import Neighbourhood, Observed, Told, Unseen
from agent.posture.facts.network import DhcpServer, OnLink, Route
from agent.probes.neighbourhood import WIRE_PROBE, NeighbourhoodSource, Questions
from agent.probes.neighbourhood.kernel import KernelError
from agent.probes.ours import Ours
from tests.hostile_network import Link, Machine, lan, run, told, wait_for
from tests.network_sandbox import alone

pytestmark = pytest.mark.lab

OURS = Ours("sekisho0", 0x5E, 0x5E)
ROUTER, HOSPITAL = ip_address("192.168.77.1"), ip_network("10.20.0.0/16")
LAN = OnLink("lan0", ip_network("192.168.77.0/24"))
NO_QUESTION = Questions()
NO_BUS = "unix:path=/nonexistent/bus"
Scene = Callable[[NeighbourhoodSource], Awaitable[None]]


def meet(
    scene: Scene, questions: Questions = NO_QUESTION, root: Path = Path("/nonexistent"), bus: str = NO_BUS
) -> None:
    async def play() -> None:
        source = NeighbourhoodSource(OURS, lambda: questions, root=root, bus=bus)
        try:
            async with asyncio.timeout(60):
                await scene(source)
        finally:
            await source.close()

    asyncio.run(play())


def value(seen: Mapping[str, Observed[Neighbourhood] | Unseen]) -> Neighbourhood:
    fact = seen["neighbourhood"]
    assert isinstance(fact, Observed), fact
    return fact.value


def look(questions: Questions = NO_QUESTION, root: Path = Path("/nonexistent"), bus: str = NO_BUS) -> Neighbourhood:
    found = []

    async def scene(source: NeighbourhoodSource) -> None:
        found.append(value(await source.read()))

    meet(scene, questions, root, bus)
    return found[0]


def settle(link: Link) -> Machine:
    """Give the laptop an address and a router that has been spoken to."""
    router = link.plug("192.168.77.1/24", mac="02:00:00:00:00:01")
    run("ip", "addr", "add", "192.168.77.10/24", "dev", "lan0")
    run("ip", "route", "add", "default", "via", "192.168.77.1")
    run("ping", "-c", "1", "-W", "20", "192.168.77.1")
    return router


async def until(changes: AsyncGenerator[Mapping[str, Observed[Neighbourhood] | Unseen], None], sign) -> Neighbourhood:
    async for seen in changes:
        if sign(value(seen)):
            return value(seen)
    pytest.fail("the watch ended")


def test_prefixes_routes_and_the_router_are_seen_and_the_tunnel_and_containers_are_not(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            run("ip", "tuntap", "add", "sekisho0", "mode", "tun")
            run("ip", "addr", "add", "10.60.0.5/32", "dev", "sekisho0")
            run("ip", "link", "set", "sekisho0", "up")
            run("ip", "route", "add", "10.20.0.0/16", "dev", "sekisho0", "table", "94")
            run("ip", "link", "add", "docker0", "type", "bridge")
            run("ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
            run("ip", "link", "set", "docker0", "up")
            run("ip", "route", "add", "10.21.0.0/16", "via", "192.168.77.1", "table", "94")
            run("ip", "route", "add", "10.30.0.0/16", "via", "192.168.77.7", "table", "77")
            seen = look()
            assert seen.on_link == (LAN,)
            assert set(seen.routes) == {
                Route("lan0", ip_network("0.0.0.0/0"), ROUTER),
                Route("lan0", ip_network("10.30.0.0/16"), ip_address("192.168.77.7")),
            }
            assert [(one.address, one.macs, one.contested) for one in seen.gateways] == [
                (ROUTER, ("02:00:00:00:00:01",), Told.UNTOLD)
            ]
            assert (seen.dhcp_servers, seen.portal, seen.canary) == ((), Told.UNTOLD, Told.UNTOLD)

    alone(body)


def test_routes_with_several_next_hops_and_the_kernels_mark_of_dhcp_are_read(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            hops = ("nexthop", "via", "192.168.77.1", "nexthop", "via", "192.168.77.2")
            run("ip", "route", "add", "10.20.0.0/16", "proto", "dhcp", *hops)
            run("ip", "route", "add", "10.21.0.0/16", "proto", "dhcp", "via", "192.168.77.1")
            run("ip", "route", "add", "10.22.0.0/16", "proto", "static", "via", "inet6", "fe80::1", "dev", "lan0")
            pushed = [(str(route.prefix), str(route.gateway)) for route in look().routes if route.pushed]
            assert sorted(pushed) == [
                ("10.20.0.0/16", "192.168.77.1"),
                ("10.20.0.0/16", "192.168.77.2"),
                ("10.21.0.0/16", "192.168.77.1"),
            ]
            (other,) = [route for route in look().routes if route.prefix == ip_network("10.22.0.0/16")]
            assert (other.gateway, other.pushed) == (ip_address("fe80::1"), False)

    alone(body)


ADVERTISE = """
from scapy.layers.inet6 import IPv6, ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, ICMPv6NDOptRouteInfo, ICMPv6NDOptSrcLLAddr
from scapy.layers.l2 import Ether
from scapy.sendrecv import sendp
packet = Ether(src="02:00:00:00:00:01", dst="33:33:00:00:00:01") / IPv6(src="fe80::ff:fe00:1", dst="ff02::1", hlim=255)
packet /= ICMPv6ND_RA(routerlifetime=1800) / ICMPv6NDOptSrcLLAddr(lladdr="02:00:00:00:00:01")
packet /= ICMPv6NDOptPrefixInfo(prefix="fd77::", prefixlen=64, L=1, A=1)
packet /= ICMPv6NDOptRouteInfo(prefix="fd50::", plen=48, rtlifetime=1800)
sendp(packet, iface="eth0", verbose=False)
"""


def test_a_route_in_a_routers_advertisement_is_pushed_and_its_own_prefix_and_default_route_are_not(
    tmp_path: Path,
) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            Path("/proc/sys/net/ipv6/conf/lan0/accept_ra_rt_info_max_plen").write_text("64")
            router = link.plug("192.168.77.1/24", mac="02:00:00:00:00:01")
            router.run(sys.executable, "-I", "-c", ADVERTISE)
            wait_for(
                lambda: "fd50::/48" in subprocess.run(["ip", "-6", "route"], capture_output=True, text=True).stdout
            )
            seen = look()
            assert [str(route.prefix) for route in seen.routes if route.pushed and route.prefix.prefixlen] == [
                "fd50::/48"
            ]
            assert OnLink("lan0", ip_network("fd77::/64")) in seen.on_link
            assert [(str(one.address), one.macs) for one in seen.gateways] == [
                ("fe80::ff:fe00:1", ("02:00:00:00:00:01",))
            ]

    alone(body)


DHCLIENT_CONF = """
option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;
request subnet-mask, routers, rfc3442-classless-static-routes;
"""
DHCLIENT_SCRIPT = """#!/bin/sh
[ "$reason" = BOUND ] || exit 0
ip addr add "$new_ip_address/24" dev "$interface"
ip route add default via 192.168.77.1
"""


def obtain(root: Path) -> None:
    """Obtain a lease by a real dhclient, which writes it where Debian has it, and obeys the usual options only."""
    (root / "var/lib/dhcp").mkdir(parents=True)
    (root / "script").write_text(DHCLIENT_SCRIPT)
    (root / "script").chmod(0o755)
    (root / "conf").write_text(DHCLIENT_CONF)
    files = ("-cf", root / "conf", "-sf", root / "script", "-pf", root / "pid")
    run("/usr/sbin/dhclient", "-1", "-lf", str(root / "var/lib/dhcp/dhclient.lan0.leases"), *map(str, files), "lan0")
    os.kill(int((root / "pid").read_text()), 15)


def test_option_121_of_a_real_lease_is_pushed_whether_the_client_obeyed_or_not(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            router = link.plug("192.168.77.1/24", mac="02:00:00:00:00:01")
            option = "--dhcp-option=121,10.20.0.0/16,192.168.77.1,0.0.0.0/0,192.168.77.1"
            router.serve_dhcp("192.168.77.50", "192.168.77.60", option)
            obtain(tmp_path)
            seen = look(root=tmp_path)
            assert set(seen.routes) == {
                Route("lan0", HOSPITAL, ROUTER, pushed=True),
                Route("lan0", ip_network("0.0.0.0/0"), ROUTER, pushed=True),
            }
            assert [(server.interface, server.address) for server in seen.dhcp_servers] == [("lan0", ROUTER)]

    alone(body)


def test_a_way_to_a_name_server_that_the_client_added_is_not_pushed_where_the_lease_tells(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            run("ip", "route", "add", "10.20.0.53/32", "via", "192.168.77.1", "proto", "dhcp")
            index = str(socket.if_nametoindex("lan0"))
            assert [route.pushed for route in look().routes if route.prefix.prefixlen == 32] == [True]
            (tmp_path / "run/systemd/netif/leases").mkdir(parents=True)
            lease = "ADDRESS=192.168.77.10\nSERVER_ADDRESS=192.168.77.1\n"
            (tmp_path / "run/systemd/netif/leases" / index).write_text(lease)
            assert [route.pushed for route in look(root=tmp_path).routes if route.prefix.prefixlen == 32] == [False]

    alone(body)


def test_another_machine_that_takes_the_routers_place_is_told_until_the_link_is_left(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource, link: Link, router: Machine) -> None:
        async with aclosing(source.watch()) as changes:
            assert (await until(changes, lambda seen: seen.gateways)).gateways[0].macs == ("02:00:00:00:00:01",)
            run("ip", "link", "set", router.port, "down")
            link.plug("192.168.77.1/24", mac="02:00:00:00:00:66")
            run("ip", "neigh", "flush", "dev", "lan0")
            run("ping", "-c", "1", "-W", "20", "192.168.77.1")
            seen = await until(changes, lambda seen: len(seen.gateways[0].macs) > 1)
            assert seen.gateways[0].macs == ("02:00:00:00:00:01", "02:00:00:00:00:66")
        assert len(value(await source.read()).gateways[0].macs) == 2, "what was seen on this link stays"
        run("ip", "link", "set", "socket", "down")
        run("ip", "link", "set", "socket", "up")
        wait_for(lambda: "state UP" in told("ip", "link", "show", "lan0"))
        run("ping", "-c", "3", "-W", "20", "192.168.77.1")
        seen = value(await source.read())
        assert seen.gateways[0].macs == ("02:00:00:00:00:66",), "after a loss of the carrier it is another link"

    def body() -> None:
        with lan(tmp_path) as link:
            router = settle(link)
            meet(lambda source: scene(source, link, router))

    alone(body)


def test_a_new_prefix_is_another_place(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        assert value(await source.read()).gateways[0].macs == ("02:00:00:00:00:01",)
        run("ip", "addr", "add", "10.0.0.10/8", "dev", "lan0")
        run("ip", "neigh", "replace", "192.168.77.1", "lladdr", "02:00:00:00:00:66", "dev", "lan0", "nud", "reachable")
        assert value(await source.read()).gateways[0].macs == ("02:00:00:00:00:66",)

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            meet(scene)

    alone(body)


def test_each_change_of_routes_and_addresses_is_told(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        async with aclosing(source.watch()) as changes:
            await until(changes, lambda seen: True)
            run("ip", "route", "add", "10.20.0.0/16", "via", "192.168.77.1", "proto", "dhcp")
            await until(changes, lambda seen: any(route.pushed for route in seen.routes))
            run("ip", "addr", "add", "10.0.0.10/8", "dev", "lan0")
            await until(changes, lambda seen: len(seen.on_link) == 2)
            run("ip", "link", "set", "lan0", "down")
            assert (await until(changes, lambda seen: not seen.on_link)).gateways == ()

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            meet(scene)

    alone(body)


@pytest.mark.parametrize(
    ("options", "meaning"),
    [
        (("--address=/#/192.168.77.1",), Told.NO),
        (("--local=/example/",), Told.YES),
        (("--server=192.168.77.99",), Told.UNTOLD),
    ],
    ids=["liar", "honest", "mute"],
)
def test_a_name_server_that_lies_is_told(tmp_path: Path, options: tuple[str, ...], meaning: Told) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            router = settle(link)
            router.serve_names(*options)
            (tmp_path / "resolv.conf").write_text("nameserver 192.168.77.1\n")
            asked = Questions(canary="does-not-exist.example", resolver_file=tmp_path / "resolv.conf")
            assert look(asked).canary is meaning

    alone(body)


def test_the_hospitals_own_name_server_is_not_asked_through_the_tunnel(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            router = settle(link)
            router.serve_names("--address=/#/192.168.77.1")
            run("ip", "tuntap", "add", "sekisho0", "mode", "tun")
            run("ip", "link", "set", "sekisho0", "up")
            run("ip", "addr", "add", "10.60.0.5/32", "dev", "sekisho0")
            run("ip", "route", "add", "192.168.77.1/32", "dev", "lan0", "src", "10.60.0.5")
            (tmp_path / "resolv.conf").write_text("nameserver 192.168.77.1\n")
            asked = Questions(canary="does-not-exist.example", resolver_file=tmp_path / "resolv.conf")
            assert look(asked).canary is Told.UNTOLD

    alone(body)


@pytest.mark.parametrize(("status", "meaning"), [(204, Told.NO), (302, Told.YES), (200, Told.YES), (500, Told.UNTOLD)])
def test_a_login_page_is_told(tmp_path: Path, status: int, meaning: Told) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link).serve_page(status)
            assert look(Questions(portal="http://192.168.77.1:8080/empty")).portal is meaning

    alone(body)


def test_an_answer_that_comes_late_holds_up_no_look_and_is_told_when_it_comes(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        async with aclosing(source.watch()) as changes:
            assert (await until(changes, lambda seen: True)).portal is Told.UNTOLD
            assert (await until(changes, lambda seen: seen.portal is not Told.UNTOLD)).portal is Told.YES

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link).serve_page(302, after=2.0)
            meet(scene, Questions(portal="http://192.168.77.1:8080/empty"))

    alone(body)


def sent() -> dict[str, str]:
    """Count what this machine began by itself; the kernel's own group messages are no question."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    counts: dict[str, str] = {}
    for names, row in zip(lines[0::2], lines[1::2], strict=True):
        counts |= {names[0] + name: count for name, count in zip(names, row, strict=True)}
    return {name: counts[name] for name in ("Udp:OutDatagrams", "Tcp:ActiveOpens", "Icmp:OutEchos")}


def test_nothing_is_asked_that_was_not_told_to_be_asked(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            before = sent()
            look()
            assert sent() == before

    alone(body)


def test_what_the_wire_answers_comes_after_the_first_look_and_is_kept(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        async with aclosing(source.watch()) as changes:
            first = await until(changes, lambda seen: True)
            assert (first.gateways[0].contested, first.dhcp_servers) == (Told.UNTOLD, ())
            seen = await until(changes, lambda seen: seen.gateways[0].contested is not Told.UNTOLD)
        assert seen.gateways[0].contested is Told.YES
        other = ip_address("192.168.77.3")
        assert set(seen.dhcp_servers) == {DhcpServer("lan0", one, (one,)) for one in (ROUTER, other)}
        assert value(await source.read()) == seen

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link).serve_dhcp("192.168.77.50", "192.168.77.60")
            link.plug("192.168.77.1/24", mac="02:00:00:00:00:66")
            link.plug("192.168.77.3/24").serve_dhcp("192.168.77.70", "192.168.77.80")
            meet(scene, Questions(wire_probe=WIRE_PROBE))

    alone(body)


@pytest.mark.parametrize(
    "program",
    ["exit 1", "echo garbage", 'yes \'{"dhcp": "192.168.77.1"}\'', "echo '{\"done\": true} '"],
)
def test_a_program_on_the_wire_that_fails_or_raves_is_ended_and_tells_nothing(tmp_path: Path, program: str) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        await source.read()
        await asyncio.gather(*source._asker._asking)
        seen = value(await source.read())
        assert (seen.gateways[0].contested, seen.dhcp_servers) == (Told.UNTOLD, ())

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            meet(scene, Questions(wire_probe=("/bin/sh", "-c", program)))

    alone(body)


def test_closing_ends_a_program_that_still_listens(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        await source.read()
        await asyncio.to_thread(wait_for, (tmp_path / "pid").exists)
        await asyncio.to_thread(wait_for, lambda: (tmp_path / "pid").read_text().endswith("\n"))
        await source.close()
        assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            meet(scene, Questions(wire_probe=("/bin/sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 600")))

    alone(body)


def test_a_kernel_that_cannot_be_asked_is_unseen_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(ours: Ours) -> None:
        raise KernelError("the kernel gave no usable answer (OSError)")

    monkeypatch.setattr("agent.probes.neighbourhood.source.look_around", refuse)

    async def scene(source: NeighbourhoodSource) -> None:
        fact = (await source.read())["neighbourhood"]
        assert isinstance(fact, Unseen)
        assert fact.why == "the kernel gave no usable answer (OSError)"

    meet(scene)


def test_thousands_of_routes_are_read_and_more_than_a_laptop_has_are_unseen(tmp_path: Path) -> None:
    async def scene(source: NeighbourhoodSource) -> None:
        fact = (await source.read())["neighbourhood"]
        assert isinstance(fact, Unseen)
        assert "more than 4096" in fact.why

    def add_routes(second: int) -> None:
        lines = [f"route add 10.{second + (n >> 8)}.{n & 255}.0/24 via 192.168.77.1" for n in range(3_000)]
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines).encode(), check=True)

    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            add_routes(0)
            assert len(look().routes) == 3_001
            add_routes(100)
            meet(scene)

    alone(body)
