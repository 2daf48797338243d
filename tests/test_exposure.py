"""What strangers could use of a laptop: seen on the real kernel, in networks of the test's own."""

import asyncio
import resource
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Exposure, Firewall, Observed, Told, Unseen
from agent.posture.facts.network import Transport
from agent.probes.exposure import ExposureSource
from agent.probes.firewall.packet import Packet
from agent.probes.firewall.passage import Passage
from agent.probes.firewall.reading import TOOLS, Tools, read_rules
from agent.probes.netlink import attributes, split
from agent.probes.ours import Ours
from agent.probes.sockets import read_waiting
from tests.network_sandbox import alone
from tests.strangers import LAPTOP, STRANGERS, Try, Wire, ip, nft

OURS = Ours("sekisho0", 0x5E, 0x5E)
WHOLE = """table inet w { chain i { type filter hook input priority 0; policy drop;
    ct state established accept
    iif lo accept
}; }"""
lab = pytest.mark.lab


def look(source: ExposureSource | None = None) -> Mapping[str, Observed | Unseen]:
    return asyncio.run((source or ExposureSource(OURS)).read())


def exposure(source: ExposureSource | None = None) -> Exposure:
    seen = look(source)["exposure"]
    assert isinstance(seen, Observed), seen
    return seen.value


def firewall(source: ExposureSource | None = None) -> Firewall:
    seen = look(source)["firewall"]
    assert isinstance(seen, Observed), seen
    return seen.value


def told(seen: Exposure) -> dict[tuple[str, int], Told]:
    return {(one.transport.value, one.port): one.reachable for one in seen.listeners}


def listen(address: str, port: int, kind: int = socket.SOCK_STREAM, **options: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    if "only" in options:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options["only"])
    if "mark" in options:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, options["mark"])
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen()
    return made


def on_a_wire(body: Callable[[Wire], None]) -> None:
    wire = Wire()
    try:
        body(wire)
    finally:
        wire.close()


def switch(name: str, value: int) -> None:
    Path("/proc/sys/net", name).write_text(str(value))


def listeners(wire: Wire) -> None:
    held = [
        listen("0.0.0.0", 22),
        listen("127.0.0.1", 631),
        listen("::1", 632),
        listen("::", 445, only=0),
        listen("::", 446, only=1),
        listen("::ffff:192.168.77.10", 447),
        listen("0.0.0.0", 161, socket.SOCK_DGRAM),
        listen("0.0.0.0", 4500, socket.SOCK_DGRAM, mark=OURS.mark),
    ]
    bound = listen("0.0.0.0", 8123)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("192.168.77.1", 53))
    ports = {("tcp", 22), ("tcp", 445), ("tcp", 446), ("tcp", 447), ("udp", 161)}
    assert told(exposure()) == dict.fromkeys(ports, Told.YES)
    assert firewall() == Firewall(Told.NO)
    waiting = {one.port: one for one in read_waiting(OURS.mark)}
    assert (waiting[445].versions, waiting[446].versions, waiting[447].versions) == ((6, 4), (6,), (4,))
    assert waiting[447].address == ip_address("192.168.77.10")

    nft(WHOLE)
    assert told(exposure()) == dict.fromkeys(ports, Told.NO)
    assert firewall() == Firewall(Told.YES)

    nft("add rule inet w i ip6 saddr fd77::/64 tcp dport 445 accept; add rule inet w i meta mark 5 tcp dport 22 accept")
    seen = told(exposure())
    assert (seen["tcp", 445], seen["tcp", 446], seen["tcp", 22]) == (Told.YES, Told.NO, Told.UNTOLD)
    for each in (*held, bound, client):
        each.close()
    assert exposure().listeners == ()


@lab
def test_who_waits_for_others_is_told_with_what_the_firewall_does_about_it():
    alone(on_a_wire, listeners)


def bound(wire: Wire) -> None:
    ip("link add inner0 type bridge", "addr add 172.17.0.1/16 dev inner0", "link set inner0 up")
    inside, here = listen("172.17.0.1", 53), listen("0.0.0.0", 80)
    here.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"inner0")
    nft("table ip w { chain i { type filter hook input priority 0; policy drop; ip daddr 192.168.77.10 accept; }; }")
    assert told(exposure()) == {("tcp", 53): Told.NO, ("tcp", 80): Told.NO}
    nft("flush ruleset")
    # a packet for an inner address is taken at any link, unless a rule says otherwise
    assert told(exposure()) == {("tcp", 53): Told.YES, ("tcp", 80): Told.NO}
    inside.close()
    here.close()


@lab
def test_an_inner_address_can_be_reached_from_outside_but_an_inner_link_cannot():
    alone(on_a_wire, bound)


def ways(wire: Wire) -> None:
    assert exposure().ways_out == ("wlan0",)
    ip("tuntap add mode tun other0", "tuntap add mode tun sekisho0", "link set other0 up", "link set sekisho0 up")
    assert exposure().tunnels == ()
    ip("route add 10.99.0.0/16 dev other0", "route add 10.20.0.0/16 dev sekisho0")
    assert exposure().tunnels == ("other0",)
    ip("link set other0 down")
    assert exposure().tunnels == ()

    ip("link add second0 link wlan0 type macvlan", "link set second0 up", "addr add 10.1.1.2/24 dev second0")
    ip("route add default via 10.1.1.1 dev second0 metric 200")
    assert exposure().ways_out == ("wlan0", "second0")

    ip("link add br0 type bridge", "link set br0 up", "link set second0 master br0")
    assert exposure().bridges == ()
    ip("tuntap add mode tap guest0", "link set guest0 up", "link set guest0 master br0")
    assert (exposure().bridges, exposure().tunnels) == (("br0",), ())


@lab
def test_other_tunnels_second_ways_out_and_bridges_are_told():
    alone(on_a_wire, ways)


def forwarding(wire: Wire) -> None:
    assert (exposure().routers, exposure().untold) == ((), ())
    switch("ipv4/conf/wlan0/forwarding", 1)
    assert exposure().routers == ("wlan0",)
    nft("table inet f { chain f { type filter hook forward priority 0; policy drop; ct state established accept; }; }")
    assert (exposure().routers, exposure().untold) == ((), ())
    nft('add rule inet f f oifname "docker0" accept')
    assert exposure().routers == ()
    nft("add rule inet f f meta mark 5 accept")
    assert (exposure().routers, exposure().untold) == ((), ("routers",))
    nft('add rule inet f f iifname "wlan0" oifname "sekisho0" accept')
    assert exposure().routers == ("wlan0",)
    nft("flush ruleset")
    switch("ipv4/conf/wlan0/forwarding", 0)
    assert exposure().routers == ()
    switch("ipv6/conf/all/forwarding", 1)
    assert exposure().routers == ("wlan0",)


@lab
def test_forwarding_counts_unless_the_rules_stop_what_would_be_forwarded():
    alone(on_a_wire, forwarding)


def published(wire: Wire) -> None:
    nft(HANDED_ON)
    seen = exposure()
    assert (seen.published, seen.untold) == ((81, 8080), ())
    nft("add rule ip n p ip daddr 192.168.77.10 meta mark 5 dnat to 172.17.0.3")
    seen = exposure()
    assert (seen.published, seen.untold) == ((81, 8080), ("published",))
    nft("flush ruleset; table ip n { chain p { type nat hook prerouting priority dstnat; dnat to 172.17.0.3; }; }")
    assert exposure().published == (0,)


@lab
def test_ports_that_are_handed_on_are_told():
    alone(on_a_wire, published)


def redirected(wire: Wire) -> None:
    """The listener's own port is shut, but another one leads to it."""
    nft(f"""{WHOLE}
        add rule inet w i ct status dnat accept
        table ip n {{ chain p {{ type nat hook prerouting priority dstnat; tcp dport 80 redirect to :8080; }}; }}""")
    held = [listen("0.0.0.0", 8080), listen("0.0.0.0", 8081)]
    assert told(exposure()) == {("tcp", 8080): Told.UNTOLD, ("tcp", 8081): Told.NO}
    for each in held:
        each.close()


@lab
def test_a_listener_that_another_port_leads_to_is_not_said_to_be_shut():
    alone(on_a_wire, redirected)


def restore(family: str, rules: str) -> None:
    subprocess.run([f"/usr/sbin/{family}-nft-restore"], input=rules.encode(), check=True)


def rules_now() -> Passage:
    rules = read_rules(Path("/proc"), TOOLS)
    return Passage(rules, map(ip_address, LAPTOP.values()))


def iptables(wire: Wire) -> None:
    """Rules as ufw has them, and as Docker has them: every answer is certain, and a packet's fate agrees."""
    restore("iptables", AS_UFW.format(icmp="icmp"))
    restore("ip6tables", AS_UFW.format(icmp="ipv6-icmp"))
    tries = [
        Try(transport, port, source)
        for transport in Transport
        for port in (22, 445, 1900, 8123)
        for sources in STRANGERS.values()
        for source in sources
    ]
    arrived, passage = wire.arrivals(tries), rules_now()
    for one in tries:
        packet = Packet(one.transport, one.port, one.version, "wlan0", (int(ip_address(LAPTOP[one.version])),))
        assert passage.passes(packet) is (Told.YES if one in arrived else Told.NO), one
    assert {(one.transport, one.port) for one in arrived} == {(Transport.TCP, 22)}
    assert firewall() == Firewall(Told.YES)

    without = ExposureSource(OURS, tools=Tools(saves=()))
    assert firewall(without).turns_away is Told.UNTOLD

    restore("iptables", AS_DOCKER)
    switch("ipv4/conf/wlan0/forwarding", 1)
    seen = exposure()
    assert (seen.published, seen.routers, seen.untold) == ((8080,), (), ())


@lab
def test_rules_of_iptables_are_understood_as_ufw_and_docker_write_them():
    alone(on_a_wire, iptables)


def legacy(wire: Wire) -> None:
    subprocess.run(["/usr/sbin/iptables-legacy", "-P", "INPUT", "DROP"], check=True)
    held = listen("0.0.0.0", 22)
    seen = firewall()
    assert (seen.turns_away, "older firewall" in seen.why_untold) == (Told.UNTOLD, True)
    assert told(exposure()) == {("tcp", 22): Told.UNTOLD}
    held.close()


@lab
def test_rules_of_the_older_firewall_leave_it_open():
    alone(on_a_wire, legacy)


def program(folder: Path, body: str) -> Tools:
    made = folder / "nft"
    made.write_text(f"#!/bin/sh\n{body}\n")
    made.chmod(0o755)
    return Tools(nft=made)


def bad_tools(wire: Wire, folder: Path) -> None:
    assert firewall(ExposureSource(OURS, tools=Tools(nft=folder / "missing"))) == Firewall(Told.NO)  # no rules: no nft
    nft(WHOLE)
    held = listen("0.0.0.0", 22)
    for body, why in BAD_PROGRAMS.items():
        source = ExposureSource(OURS, tools=program(folder, body))
        seen = look(source)
        assert isinstance(seen["firewall"], Unseen)
        assert why in seen["firewall"].why
        assert told(exposure(source)) == {("tcp", 22): Told.UNTOLD}
    missing = look(ExposureSource(OURS, tools=Tools(nft=folder / "gone")))["firewall"]
    assert isinstance(missing, Unseen)
    assert "could not be started" in missing.why
    held.close()


@lab
def test_an_nft_that_is_missing_or_lies_or_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.probes.firewall.reading.LONGEST_RUN", 0.5)
    monkeypatch.setattr("agent.probes.firewall.reading.LONGEST_ANSWER", 1 << 20)
    alone(lambda: on_a_wire(lambda wire: bad_tools(wire, tmp_path)))


def test_a_proc_that_cannot_be_read_is_told(tmp_path: Path):
    for name in ("net/ip_tables_names", "sys/net/ipv4/conf/all/forwarding"):
        (tmp_path / name).mkdir(parents=True)
    seen = look(ExposureSource(OURS, proc=tmp_path))["firewall"]
    assert isinstance(seen, Unseen)
    assert "could not be read" in seen.why


def unreadable(wire: Wire, proc: Path) -> None:
    (proc / "sys/net/ipv4/conf/wlan0/forwarding").mkdir(parents=True)
    seen = look(ExposureSource(OURS, proc=proc))["exposure"]
    assert isinstance(seen, Unseen)
    assert "passes on" in seen.why


@lab
def test_switches_that_cannot_be_read_are_told(tmp_path: Path):
    alone(lambda: on_a_wire(lambda wire: unreadable(wire, tmp_path)))


def crowded(wire: Wire) -> None:
    """Ten thousand sockets that talk are nothing; ten thousand that wait are too many to judge, and said to be."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    talking = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(10_000)]
    for one in talking:
        one.connect(("127.0.0.1", 9))
    assert exposure().listeners == ()
    for one in talking:
        one.close()
    waiting = [listen("0.0.0.0", 1024 + number, socket.SOCK_DGRAM) for number in range(10_000)]
    seen = look()
    assert isinstance(seen["exposure"], Unseen)
    assert "more than 2048" in seen["exposure"].why
    assert isinstance(seen["firewall"], Observed)
    for one in waiting:
        one.close()


@lab
def test_ten_thousand_sockets_are_bearable():
    alone(on_a_wire, crowded)


def watched(wire: Wire) -> None:
    async def scene() -> None:
        source = ExposureSource(OURS)
        watching = source.watch()
        seen: list[Mapping[str, Observed | Unseen]] = [await anext(watching)]
        following = asyncio.create_task(follow(watching, seen))
        held = listen("0.0.0.0", 8123)
        await until(lambda: told(seen[-1]["exposure"].value) == {("tcp", 8123): Told.YES})
        await in_thread(nft, WHOLE)
        await until(lambda: seen[-1]["firewall"].value == Firewall(Told.YES))
        assert told(seen[-1]["exposure"].value) == {("tcp", 8123): Told.NO}
        await in_thread(nft, "flush ruleset")
        await until(lambda: seen[-1]["firewall"].value == Firewall(Told.NO))
        await in_thread(switch, "ipv4/conf/wlan0/forwarding", 1)
        await until(lambda: seen[-1]["exposure"].value.routers == ("wlan0",))
        await in_thread(ip, "link set wlan0 down")
        await until(lambda: seen[-1]["exposure"].value.ways_out == ())
        held.close()
        await until(lambda: seen[-1]["exposure"].value.listeners == ())
        following.cancel()
        await asyncio.wait([following])
        await watching.aclose()
        await source.close()

    asyncio.run(scene())


@lab
def test_each_change_is_told():
    alone(on_a_wire, watched)


async def follow(watching, seen: list[Mapping[str, Observed | Unseen]]) -> None:
    async for each in watching:
        seen.append(each)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


def in_thread(work: Callable[..., None], *arguments: object) -> Awaitable[None]:
    return asyncio.to_thread(work, *arguments)


@given(st.binary(max_size=200))
def test_no_answer_of_the_kernel_breaks_the_reader(datagram: bytes):
    with suppress(OSError):
        for kind, body in split(datagram):
            assert isinstance(kind, int)
            assert len(list(attributes(body))) <= len(body)


HANDED_ON = """table ip n {
    chain p { type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local jump containers
        tcp dport 81 redirect to :82
        iifname "lo" tcp dport 83 redirect to :84
    }
    chain containers {
        ip daddr 127.0.0.1 tcp dport 9090 dnat to 172.17.0.2:90
        iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80
    }
}"""

AS_UFW = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:before - [0:0]
:log - [0:0]
:local - [0:0]
:user - [0:0]
-A INPUT -j before
-A INPUT -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW -j BLOCK] "
-A INPUT -p udp -m udp --dport 137:139 -j DROP
-A before -i lo -j ACCEPT
-A before -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A before -m conntrack --ctstate INVALID -j log
-A before -m conntrack --ctstate INVALID -j DROP
-A before -p {icmp} -j ACCEPT
-A before -p udp -m udp --sport 67 --dport 68 -j ACCEPT
-A before -j local
-A before -j user
-A local -m addrtype --dst-type LOCAL -j RETURN
-A local -m addrtype --dst-type MULTICAST -j RETURN
-A local -j DROP
-A user -p tcp -m tcp --dport 22 -m comment --comment "dapp_OpenSSH ! -j DROP" -j ACCEPT
-A user -p tcp -m multiport --dports 445,8000:8200 -m tcp --tcp-flags SYN,ACK SYN -j REJECT --reject-with tcp-reset
COMMIT
"""

AS_DOCKER = """*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 9090 -j DNAT --to-destination 172.17.0.2:90
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
COMMIT
"""

BAD_PROGRAMS = {
    "echo nonsense": "no JSON",
    "exit 1": "ended with an error",
    "exec sleep 60": "no answer in time",
    "exec yes": "more than 1 MB",
    "kill -9 $$": "ended with an error",
    "": "no JSON",
    "echo '[]'": "no list of rules",
}
