"""How a tunnel ends, and what it survives: deletes, dead gateways, changed ports, forged messages."""

import gc
import os
import re
import socket
from dataclasses import dataclass, replace
from struct import Struct
from typing import Self

import pytest

from ike.effects import Configure, Up
from ike.message import Header, encode
from ike.payloads import Delete, Notify, Payload
from ike.registry import ExchangeType, NotifyType, ProtocolId
from tests.interop.client import BRISK, Client, key_of
from tests.interop.hospital import Hospital
from tests.lab import road
from tests.lab.namespaces import GATEWAY, LAPTOP
from tests.lab.run import wait_until
from tests.lab.strongswan_conf import GATEWAY_SIDE

pytestmark = pytest.mark.lab

LIVENESS = 0.5


def test_when_we_close_the_gateway_holds_nothing(hospital: Hospital) -> None:
    client = hospital.connect()
    hospital.wait_same(client)
    client.close()
    assert client.end() is None
    assert hospital.gateway.sas() == ""
    assert not client.pings(1, 0.2)
    hospital.connect()


def test_closing_before_the_gateway_answered_is_no_problem(hospital: Hospital) -> None:
    road.drop_answers(hospital.town)
    client = hospital.client()
    hospital.wait_for_log("generating IKE_SA_INIT response")
    client.close()
    assert client.end() is None
    assert not client.of(Up, Configure)
    road.heal(hospital.town)
    hospital.connect()


def test_ten_tunnels_leave_no_thread_and_no_descriptor(hospital: Hospital) -> None:
    def in_use(kind: str) -> int:
        gc.collect()
        return len(os.listdir(f"/proc/self/{kind}"))

    def connect_and_close() -> None:
        with Client(hospital.run, hospital.town.laptop, hospital.config, key_of(hospital.papers.device)) as client:
            client.connect()
            assert client.pings(1)

    connect_and_close()
    threads, descriptors = in_use("task"), in_use("fd")
    for _ in range(10):
        connect_and_close()
    wait_until(lambda: in_use("task") <= threads, "as few threads as before", 10)  # one that was joined may still end
    wait_until(lambda: in_use("fd") <= descriptors, "as few descriptors as before", 10)
    assert hospital.gateway.sas() == ""


@pytest.mark.parametrize("what", ["IKE SA", "Child SA"])
def test_when_the_gateway_deletes_we_end_and_it_holds_nothing(hospital: Hospital, what: str) -> None:
    client = hospital.connect()
    {"IKE SA": hospital.gateway.delete_ike, "Child SA": hospital.gateway.delete_child}[what]()
    assert client.end() == "peer.closed"
    hospital.wait_empty()
    assert not client.pings(1, 0.2)
    hospital.connect()


def test_a_gateway_that_is_stopped_in_order_says_so(hospital: Hospital) -> None:
    client = hospital.connect()
    hospital.gateway.stop()
    assert client.end() == "peer.closed"
    hospital.gateway.restart()
    hospital.connect()


def test_a_killed_gateway_is_lost_within_the_liveness_bound_and_found_again(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, liveness=LIVENESS)))
    hospital.gateway.kill()
    probing = hospital.config.timers.probing
    assert client.end(LIVENESS + probing.first * probing.tries + 3.0) == "peer.lost"
    hospital.gateway.restart()
    hospital.connect()


def test_a_gateway_that_restarted_and_knows_nothing_of_us_is_lost_too(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, liveness=LIVENESS)))
    hospital.gateway.kill()
    hospital.gateway.restart()
    assert client.end() == "peer.lost"
    hospital.connect()


def test_a_second_tunnel_of_the_same_laptop_takes_the_place_of_the_first(hospital: Hospital) -> None:
    first = hospital.connect(hospital.timed(replace(BRISK, liveness=LIVENESS)))
    second = hospital.client()
    second.connect()
    assert first.end() == "peer.lost"  # RFC 7296 §2.4: INITIAL_CONTACT ends the others without a delete
    assert second.pings()
    hospital.wait_same(second)


def test_traffic_goes_on_after_the_router_changed_its_ports(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, liveness=LIVENESS)))
    hospital.town.rebind("50000-50999")
    client.wait_ping()
    assert re.search(r"198\.51\.100\.2\[50\d{3}\]", hospital.gateway.sas())
    assert client.pings()
    hospital.wait_same(client)


def test_we_ask_an_idle_gateway_whether_it_lives(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, liveness=0.2)))
    hospital.wait_for_log("parsed INFORMATIONAL request", 3)
    assert client.pings()
    hospital.wait_same(client)


def test_we_answer_when_the_gateway_asks_whether_we_live(hospital: Hospital) -> None:
    hospital.serve(replace(GATEWAY_SIDE, liveness="1s"))
    client = hospital.connect()
    hospital.wait_for_log("parsed INFORMATIONAL response", 2)
    assert "retransmit" not in hospital.log()
    assert client.pings()
    hospital.wait_same(client)


def test_while_packets_come_in_nobody_is_asked(hospital: Hospital) -> None:
    client = hospital.connect(hospital.timed(replace(BRISK, liveness=1.0)))
    row = client.row()
    asked = hospital.log().count("INFORMATIONAL")
    row.wait_past(800)
    assert hospital.log().count("INFORMATIONAL") == asked
    assert row.lost() == 0


FORGED: dict[str, tuple[Payload, ...]] = {
    "delete of the IKE SA": (Delete(ProtocolId.IKE),),
    "invalid IKE SPI": (Notify(NotifyType.INVALID_IKE_SPI),),
    "invalid SPI": (Notify(NotifyType.INVALID_SPI, b"\x11\x22\x33\x44"),),
    "authentication failed": (Notify(NotifyType.AUTHENTICATION_FAILED),),
    "nothing": (),
}


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("response", [False, True], ids=["request", "response"])
def test_an_unprotected_message_in_the_gateways_name_does_nothing(
    hospital: Hospital, what: str, response: bool
) -> None:
    client = hospital.connect()
    before = client.spis
    forger = Forger.against(hospital, client)
    for message_id in range(4):
        forger.send(_clear(hospital, FORGED[what], message_id, response))
    client.wait(lambda: "peer.unprotected" in client.notes(), "a note of the forgery")
    hospital.wait_for_log("parsed INFORMATIONAL request", 1)  # at most, it makes us ask
    assert client.pings()
    assert client.spis == before
    hospital.wait_same(client)


def test_an_unprotected_delete_of_the_child_does_nothing(hospital: Hospital) -> None:
    client = hospital.connect()
    ((spi_in, spi_out),) = client.spis
    forger = Forger.against(hospital, client)
    for spi in (spi_in, spi_out):
        forger.send(_clear(hospital, (Delete(ProtocolId.ESP, (spi.to_bytes(4),)),), 0, False))
    client.wait(lambda: "peer.unprotected" in client.notes(), "a note of the forgery")
    assert client.pings()
    hospital.wait_same(client)


def test_garbage_in_the_gateways_name_does_nothing(hospital: Hospital) -> None:
    client = hospital.connect()
    forger = Forger.against(hospital, client)
    ((spi_in, _),) = client.spis
    for size in range(64):
        forger.send(MARKER + bytes(size))
        forger.send(MARKER + b"\xff" * size)
    for datagram in (b"", b"\0", b"\xff", spi_in.to_bytes(4), spi_in.to_bytes(4) + bytes(100)):
        forger.send(datagram)
    assert client.pings()
    hospital.wait_same(client)


def _clear(hospital: Hospital, payloads: tuple[Payload, ...], message_id: int, response: bool) -> bytes:
    """Write what somebody on the path, who sees both SPIs, could send."""
    found = re.search(r"([0-9a-f]{16})_i\*? ([0-9a-f]{16})_r", hospital.gateway.sas())
    assert found is not None
    spi_i, spi_r = map(bytes.fromhex, found.groups())
    exchange = ExchangeType.INFORMATIONAL
    return MARKER + encode(Header(spi_i, spi_r, exchange, message_id, initiator=False, response=response), payloads)


@dataclass(frozen=True)
class Forger:
    """A raw socket in the router that speaks in the gateway's name to one client."""

    raw: socket.socket
    port: int

    @classmethod
    def against(cls, hospital: Hospital, client: Client) -> Self:
        """Open the socket; it is closed when the test ends."""
        raw = hospital.town.router.inside(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
        return cls(hospital.keep(raw), client.port)

    def send(self, datagram: bytes) -> None:
        """Send a datagram from the gateway's address and port 4500."""
        udp = UDP_HEADER.pack(4500, self.port, UDP_HEADER.size + len(datagram), 0) + datagram
        length = IP_HEADER.size + len(udp)
        addresses = socket.inet_aton(GATEWAY), socket.inet_aton(LAPTOP)
        self.raw.sendto(IP_HEADER.pack(0x45, 0, length, 0, 0, 64, socket.IPPROTO_UDP, 0, *addresses) + udp, (LAPTOP, 0))


# Fixed by RFC 791 §3.1, RFC 768, RFC 3948 §2.2
IP_HEADER = Struct("!BBHHHBBH4s4s")
UDP_HEADER = Struct("!HHHH")
MARKER = bytes(4)
