"""What others tell of the network, in any shape: leases, name servers, login pages, the program on the wire."""

import json
import os
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Told
from agent.posture.facts.network import DhcpServer, Route
from agent.probes.neighbourhood.around import Around, Link
from agent.probes.neighbourhood.canary import answer, question, read_servers
from agent.probes.neighbourhood.leases import (
    LARGEST_FILE,
    Lease,
    LeaseError,
    counted_routes,
    packed_routes,
    read_dhclient,
    read_leases,
    read_networkd,
    written_routes,
)
from agent.probes.neighbourhood.portal import read_status
from agent.probes.neighbourhood.wire import DONE, Wire, read_wire

HERE, ROUTER = IPv4Address("192.168.77.50"), IPv4Address("192.168.77.1")
HOSPITAL = (IPv4Network("10.20.0.0/16"), ROUTER)
ways = st.lists(
    st.tuples(
        st.builds(
            lambda address, bits: IPv4Network((address, bits), strict=False),
            st.ip_addresses(v=4).map(int),
            st.integers(0, 32),
        ),
        st.ip_addresses(v=4).filter(int),
    ),
    max_size=8,
).map(tuple)


def packed(routes: tuple[tuple[IPv4Network, IPv4Address], ...]) -> bytes:
    """Write option 121 by the words of RFC 3442: the significant octets of the prefix only."""
    return b"".join(
        bytes([prefix.prefixlen]) + prefix.network_address.packed[: -(-prefix.prefixlen // 8)] + router.packed
        for prefix, router in routes
    )


@given(ways)
def test_routes_are_read_as_they_were_written_in_each_clients_way(routes):
    octets = packed(routes)
    assert packed_routes(octets) == routes
    assert counted_routes(", ".join(map(str, octets))) == routes
    assert written_routes(" ".join(f"{prefix} {router}" for prefix, router in routes)) == routes


def test_the_examples_of_the_rfc_are_read():
    assert packed_routes(bytes([8, 10, 192, 168, 77, 1])) == ((IPv4Network("10.0.0.0/8"), ROUTER),)
    assert packed_routes(bytes([0, 192, 168, 77, 1])) == ((IPv4Network("0.0.0.0/0"), ROUTER),)
    assert packed_routes(bytes([25, 10, 17, 0, 0, 0, 0, 0, 0])) == ((IPv4Network("10.17.0.0/25"), None),)
    assert counted_routes("10:a:14:c0:a8:4d:1:0:c0:a8:4d:1") == (
        (IPv4Network("10.20.0.0/16"), ROUTER),
        (IPv4Network("0.0.0.0/0"), ROUTER),
    )


@given(st.binary(max_size=300))
def test_any_bytes_of_the_option_are_read_whole_or_refused(octets: bytes):
    try:
        routes = packed_routes(octets)
    except LeaseError:
        return
    assert sum(1 + -(-prefix.prefixlen // 8) + 4 for prefix, _ in routes) == len(octets)


@given(st.text(max_size=200))
def test_any_text_of_a_lease_is_read_or_refused(text: str):
    for read in (written_routes, counted_routes, read_dhclient, lambda text: read_networkd("eth0", text)):
        try:
            read(text)
        except LeaseError:
            continue


def test_a_lease_of_networkd_is_read():
    text = (
        "# This is private data. Do not parse.\nADDRESS=192.168.77.50\nNETMASK=255.255.255.0\n"
        "ROUTER=192.168.77.1\nSERVER_ADDRESS=192.168.77.1\nDNS=192.168.77.1 192.0.2.53\n"
        "CLASSLESS_ROUTES=10.20.0.0/16,192.168.77.1 0.0.0.0/0,192.168.77.1\n"
    )
    routes = (
        Route("eth0", IPv4Network("10.20.0.0/16"), ROUTER, pushed=True),
        Route("eth0", IPv4Network("0.0.0.0/0"), ROUTER, pushed=True),
    )
    server = DhcpServer("eth0", ROUTER, (ROUTER,), (ROUTER, IPv4Address("192.0.2.53")))
    assert read_networkd("eth0", text) == Lease("eth0", HERE, server, routes)


DHCLIENT = """\
lease {
  interface "eth0";
  fixed-address 192.168.77.49;
  option dhcp-server-identifier 192.168.77.9;
}
lease {
  interface "eth0";
  fixed-address 192.168.77.50;
  option domain-name "a}; lease { b";
  option dhcp-server-identifier 192.168.77.1;
  option routers 192.168.77.1;
  option domain-name-servers 192.168.77.1, 192.0.2.53;
  option rfc3442-classless-static-routes 16,10,20,192,168,77,1;
  option unknown-249 18:a:15:0:c0:a8:4d:1;
  expire 5 2027/01/15 08:00:00;
}
"""


def test_of_dhclients_leases_the_last_one_counts_and_no_text_in_it_hides_its_routes():
    (lease,) = read_dhclient(DHCLIENT)
    assert lease.address == HERE
    assert lease.server == DhcpServer("eth0", ROUTER, (ROUTER,), (ROUTER, IPv4Address("192.0.2.53")))
    assert [str(route.prefix) for route in lease.routes] == ["10.20.0.0/16", "10.21.0.0/24"]


def standing(address: str = "192.168.77.50/24") -> Around:
    return Around((Link(7, "eth0", 0),), {7: (IPv4Interface(address),)}, (), {})


def keep(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def servers(root: Path, around: Around) -> list[str]:
    return [str(lease.server.address) for lease in read_leases(root, around) if lease.server]


def test_a_lease_counts_only_for_an_interface_that_holds_its_address(tmp_path: Path):
    keep(tmp_path, "var/lib/dhcp/dhclient.eth0.leases", DHCLIENT.encode())
    assert servers(tmp_path, standing()) == ["192.168.77.1"]
    assert servers(tmp_path, standing("192.168.78.50/24")) == []


def test_a_lease_of_another_place_with_the_same_address_is_no_second_server_and_asks_for_nothing(tmp_path: Path):
    old = "var/lib/NetworkManager/dhclient-last-year-eth0.lease"
    keep(tmp_path, old, DHCLIENT.replace("identifier 192.168.77.1", "identifier 192.168.77.9").encode())
    os.utime(tmp_path / old, (1e9, 1e9))
    keep(tmp_path, "var/lib/dhcp/dhclient.eth0.leases", DHCLIENT.encode())
    assert servers(tmp_path, standing()) == ["192.168.77.1"]
    keep(tmp_path, "run/systemd/netif/leases/7", b"ADDRESS=192.168.77.50\nSERVER_ADDRESS=192.168.77.3\n")
    assert servers(tmp_path, standing()) == ["192.168.77.3"]


def test_files_that_are_garbage_endless_or_gone_hold_no_lease(tmp_path: Path):
    assert servers(tmp_path, standing()) == []
    keep(tmp_path, "run/systemd/netif/leases/7", b"ADDRESS=\xff\n=\n")
    keep(tmp_path, "var/lib/dhcp/dhclient.leases", b"lease {\n" * 100_000)
    (tmp_path / "var/lib/dhcp/dhclient.folder.leases").mkdir()
    assert servers(tmp_path, standing()) == []


def test_of_a_long_history_the_newest_lease_is_read(tmp_path: Path):
    keep(tmp_path, "var/lib/dhcp/dhclient.leases", b"# old\n" * LARGEST_FILE + DHCLIENT.encode())
    assert servers(tmp_path, standing()) == ["192.168.77.1"]


ASKED = question(0x1234, "does-not-exist.example")
RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc6\x33\x64\x09"


def told(flags: int, records: int, body: bytes = b"", asked: bytes = ASKED) -> bytes:
    return asked[:2] + flags.to_bytes(2) + b"\0\1" + records.to_bytes(2) + b"\0\0\0\0" + asked[12:] + body


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (told(0x8183, 0), Told.YES),
        (told(0x8180, 1, RECORD), Told.NO),
        (told(0x8180, 0), Told.UNTOLD),
        (told(0x8182, 0), Told.UNTOLD),
        (told(0x8185, 0), Told.UNTOLD),
        (told(0x8180, 1), Told.UNTOLD),
        (told(0x0100, 0), None),
        (told(0x8183, 0)[:20], None),
        (told(0x8183, 0, asked=question(0x1235, "does-not-exist.example")), None),
        (told(0x8183, 0, asked=question(0x1234, "other-name-here.example")), None),
        (b"", None),
    ],
)
def test_what_a_name_server_says_of_a_name_that_does_not_exist(reply: bytes, meaning: Told | None):
    assert answer(ASKED, reply) is meaning


@given(st.binary(max_size=600))
def test_any_datagram_has_a_meaning_and_none_that_does_not_repeat_the_question(datagram: bytes):
    repeats = datagram[:2] == ASKED[:2] and datagram[12 : len(ASKED)].lower() == ASKED[12:]
    assert repeats or answer(ASKED, datagram) is None
    answer(ASKED, ASKED[:2] + datagram[2:12].ljust(10, b"\0") + ASKED[12:] + datagram[12:])


def test_the_first_name_servers_of_a_resolver_file_are_read(tmp_path: Path):
    (tmp_path / "resolv.conf").write_text(
        "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver x\n nameserver fe80::1%eth0\n"
    )
    assert [str(server) for server in read_servers(tmp_path / "resolv.conf")] == ["127.0.0.53", "fe80::1%eth0"]
    assert read_servers(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (b"HTTP/1.1 204 No Content\r\n", Told.NO),
        (b"HTTP/1.0 204\r\n", Told.NO),
        (b"HTTP/1.1 302 Found\r\n", Told.YES),
        (b"HTTP/1.1 200 OK\r\n", Told.YES),
        (b"HTTP/1.1 511 Network Authentication Required\r\n", Told.YES),
        (b"HTTP/1.1 503 Busy\r\n", Told.UNTOLD),
        (b"HTTP/1.1 404 Not Found\r\n", Told.UNTOLD),
        (b"SSH-2.0-OpenSSH\r\n", Told.UNTOLD),
        (b"HTTP/1.1 2040\r\n", Told.UNTOLD),
        (b"\n", Told.UNTOLD),
    ],
)
def test_only_204_is_the_page_itself_and_an_error_of_a_server_tells_nothing(line: bytes, meaning: Told):
    assert read_status(line) is meaning


def test_what_the_program_on_the_wire_writes_is_read():
    offer = {"dhcp": "192.168.77.1", "routers": ["192.168.77.1"], "resolvers": []}
    lines = [{"gateway": "02:00:00:00:00:01"}, offer, {"gateway": "02:00:00:00:00:02"}]
    output = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    both = ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert read_wire(output + DONE + b"\n", "eth0") == Wire(both, (DhcpServer("eth0", ROUTER, (ROUTER,)),))
    assert (Wire().contested, Wire(("a",)).contested, Wire(("a", "b")).contested) == (Told.UNTOLD, Told.NO, Told.YES)


def test_a_flood_of_answers_hides_no_second_router_and_makes_one_alone_no_proof():
    lines = b'{"gateway": "02:00:00:00:00:01"}\n', b'{"gateway": "02:00:00:00:00:02"}\n'
    two, one = read_wire(b"".join(lines), "eth0"), read_wire(lines[0], "eth0")
    assert two is not None
    assert one is not None
    assert (two.contested, one.contested) == (Told.YES, Told.UNTOLD)


WRONG = (b"[" * 100_000, b'{"gateway": 5}', b'{"dhcp": "1"}', b'{"dhcp": "10.0.0.1", "routers": [[]], "resolvers": []}')


@given(st.binary(max_size=200) | st.sampled_from(WRONG))
def test_any_other_output_is_no_answer(output: bytes):
    assert read_wire(output, "eth0") == (Wire() if output.strip() == DONE else None)
    assert read_wire(output + b"\n" + DONE, "eth0") in (None, Wire())
