"""The program that asks on the wire, against real machines on a link: two routers, two DHCP servers, noise, silence."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from agent import wireprobe
from agent.probes.neighbourhood import WIRE_PROBE
from tests.hostile_network import Link, lan, run
from tests.network_sandbox import alone

ENDS = wireprobe.Ends("02:00:00:00:00:10", "192.168.77.10", "192.168.77.1", 0x5E5E)


def probe(gateway: str = "192.168.77.1") -> list[dict[str, object]]:
    done = subprocess.run([*WIRE_PROBE, "lan0", gateway, "192.168.77.10"], capture_output=True, cwd="/", env={})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def settle(link: Link) -> None:
    run("ip", "addr", "add", "192.168.77.10/24", "dev", "lan0")


@pytest.mark.lab
def test_one_router_and_one_dhcp_server_are_heard_once_each(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            router = link.plug("192.168.77.1/24", mac="02:00:00:00:00:01")
            router.serve_dhcp("192.168.77.50", "192.168.77.60", "--dhcp-option=option:dns-server,192.0.2.53")
            heard = probe()
            assert heard[-1] == {"done": True}
            assert {"gateway": "02:00:00:00:00:01"} in heard
            assert {"dhcp": "192.168.77.1", "routers": ["192.168.77.1"], "resolvers": ["192.0.2.53"]} in heard
            assert len(heard) == 3

    alone(body)


@pytest.mark.lab
def test_a_second_machine_that_answers_as_the_router_and_a_second_dhcp_server_are_heard(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            router = link.plug("192.168.77.1/24", mac="02:00:00:00:00:01")
            router.serve_dhcp("192.168.77.50", "192.168.77.60")
            link.plug("192.168.77.1/24", mac="02:00:00:00:00:66")
            link.plug("192.168.77.3/24").serve_dhcp("192.168.77.70", "192.168.77.80")
            heard = probe()[:-1]
            assert {one["gateway"] for one in heard if "gateway" in one} == {"02:00:00:00:00:01", "02:00:00:00:00:66"}
            assert {one["dhcp"] for one in heard if "dhcp" in one} == {"192.168.77.1", "192.168.77.3"}
            leases = [file.read_text() for file in tmp_path.glob("*/leases")]
            assert not any(leases), "no lease was requested"

    alone(body)


@pytest.mark.lab
def test_where_nobody_answers_nothing_is_heard_and_a_missing_link_ends_without_a_last_line(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            assert probe() == [{"done": True}]
        gone = subprocess.run([*WIRE_PROBE, "none0", "192.168.77.1", "192.168.77.10"], capture_output=True, cwd="/")
        assert (gone.returncode, gone.stdout) == (1, b"")

    alone(body)


@pytest.mark.lab
def test_while_it_listens_it_has_no_right_left(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            settle(link)
            link.plug("192.168.77.1/24")
            program = link.start(*WIRE_PROBE, "lan0", "192.168.77.1", "192.168.77.10")
            assert program.stdout is not None
            assert program.stdout.readline().startswith(b'{"gateway"')
            status = dict(
                line.split(":\t", 1)
                for line in Path(f"/proc/{program.pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
            assert (status["NoNewPrivs"], status["Uid"].split()) == ("1", ["65534"] * 4)

    alone(body)


@pytest.mark.lab
def test_only_what_a_dhcp_server_sends_to_a_client_passes_the_filter(tmp_path: Path) -> None:
    def body() -> None:
        with lan(tmp_path) as link:
            machine = link.plug("192.168.77.1/24")
            listening = wireprobe.open_socket("lan0", wireprobe.ETH_P_IP, wireprobe.ONLY_DHCP)
            send = (
                "import socket\n"
                "def send(a, b, words):\n"
                "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n"
                "    s.bind(('192.168.77.1', a)); s.sendto(words, ('192.168.77.255', b)); s.close()\n"
                "send(67, 69, b'a'); send(53, 68, b'b'); send(68, 67, b'c'); send(67, 68, b'x' * 5000)\n"
                "send(67, 68, b'!')\n"
            )
            machine.run(sys.executable, "-I", "-c", send)
            listening.settimeout(20)
            frames = [listening.recv(2048) for _ in range(2)]
            assert [frame[42:43] for frame in frames] == [b"x", b"!"]
            listening.setblocking(False)
            with pytest.raises(BlockingIOError):
                listening.recv(2048)
            listening.close()

    alone(body)


def offer(call: int, *options: object) -> bytes:
    return bytes(Ether() / IP() / UDP(sport=67, dport=68) / BOOTP(op=2, xid=call) / DHCP(options=list(options)))


def test_only_who_claims_the_gateways_address_and_who_answers_our_call_is_told() -> None:
    claim = ARP(op=2, hwsrc="02:00:00:00:00:AA", psrc="192.168.77.1")
    assert wireprobe.read(bytes(Ether() / claim), ENDS) == {"gateway": "02:00:00:00:00:aa"}
    assert wireprobe.read(bytes(Ether() / ARP(op=1, hwsrc="02:00:00:00:00:aa", psrc="192.168.77.2")), ENDS) is None
    server = ("server_id", "192.168.77.1")
    told = {"dhcp": "192.168.77.1", "routers": [], "resolvers": []}
    assert wireprobe.read(offer(0x5E5E, ("message-type", "offer"), server, "end"), ENDS) == told
    ways = ("router", *(f"192.168.77.{last}" for last in range(9, 30))), ("name_server", "192.0.2.53")
    told = {"dhcp": "192.168.77.1", "routers": sorted(ways[0][1:])[:8], "resolvers": ["192.0.2.53"]}
    assert wireprobe.read(offer(0x5E5E, ("message-type", "offer"), server, *ways, "end"), ENDS) == told
    assert wireprobe.read(offer(0x5E5F, ("message-type", "offer"), server, "end"), ENDS) is None
    assert wireprobe.read(offer(0x5E5E, ("message-type", "ack"), server, "end"), ENDS) is None
    assert wireprobe.read(offer(0x5E5E, ("message-type", "offer"), "end"), ENDS) is None


def test_what_is_asked_discovers_and_never_requests() -> None:
    asked = Ether(wireprobe.discover(ENDS))
    assert ("message-type", 1) in asked[DHCP].options
    assert {option[0] for option in asked[DHCP].options if isinstance(option, tuple)} == {
        "message-type",
        "param_req_list",
    }
    assert (asked[BOOTP].xid, asked[BOOTP].chaddr[:6]) == (0x5E5E, bytes.fromhex("020000000010"))
    who = Ether(wireprobe.who_has(ENDS))[ARP]
    assert (who.op, who.psrc, who.pdst) == (1, "192.168.77.10", "192.168.77.1")


@given(st.binary(max_size=400), st.sampled_from(["", "0806", "0800"]))
def test_any_frame_is_read_without_harm(body: bytes, kind: str) -> None:
    told = wireprobe.read(bytes(12) + bytes.fromhex(kind) + body, ENDS)
    assert told is None or {"gateway", "dhcp"} & told.keys()


def test_the_program_starts_for_three_words_only() -> None:
    assert wireprobe.main([]) == 2
