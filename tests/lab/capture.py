"""Knows what passed on a wire: a tcpdump in the router's namespace, and the sort of every packet in its file.

Never trusts a capture that lost packets, and counts a packet it cannot read as one in clear.
"""

import itertools
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from struct import Struct, error
from typing import Self

from tests.lab.namespaces import GATEWAY, ROUTER_WAN, Namespace
from tests.lab.run import LabError, Program, Run, wait_until


class Sort(StrEnum):
    """What a packet on the hotel's uplink is, seen from outside."""

    IKE = "udp 500"
    NAT_TRAVERSAL = "udp 4500"
    NEIGHBOUR = "arp/nd"
    CLEAR = "clear"


@dataclass(frozen=True)
class Packet:
    """One captured packet."""

    at: float
    sort: Sort
    words: str


@dataclass(frozen=True)
class Capture:
    """A running tcpdump; `packets` can be read at any time, `stop` proves that none was lost."""

    program: Program = field(repr=False)
    file: Path

    @classmethod
    def start(cls, run: Run, space: Namespace, link: str = "wan", snap: int = 65535) -> Self:
        """Start to capture the first `snap` bytes of every packet and return once packets are seen."""
        name = f"{space.part}-{link}-{next(_numbers)}"  # a log of its own: an earlier one says "listening on" already
        file = run.path(f"capture-{name}.pcap")
        argv = (TCPDUMP, "-n", "-i", link, "-s", str(snap), "-B", "32768", "-U", "-Z", "root", "-w", str(file))
        program = run.start(f"tcpdump-{name}", (*argv, "--immediate-mode"), enter=space.enter_network)
        program.wait_ready(lambda: b"listening on" in program.log.read_bytes(), START_SECONDS)
        return cls(program, file)

    def packets(self) -> tuple[Packet, ...]:
        """Return what was captured up to now."""
        return tuple(read(self.file.read_bytes()))

    def wait_for(self, sort: Sort, since: int = 0, seconds: float = 20.0) -> Packet:
        """Wait until a packet of a sort is in the file, after the first `since` packets."""
        found: list[Packet] = []

        def happened() -> bool:
            found.extend(packet for packet in self.packets()[since:] if packet.sort is sort)
            return bool(found)

        wait_until(happened, f"a packet of sort {sort} on the wire", seconds)
        return found[0]

    def holds(self, words: bytes) -> bool:
        """Tell whether some bytes were readable on the wire (within one packet)."""
        return words in self.file.read_bytes()

    def stop(self) -> tuple[Packet, ...]:
        """End the capture and return everything; a capture that lost packets is refused."""
        self.program.stop(by=signal.SIGINT)
        said = self.program.log.read_text()
        if "\n0 packets dropped by kernel" not in said:
            raise LabError(f"the capture is not complete: {said.strip()}")
        return self.packets()


def handshake_seconds(packets: tuple[Packet, ...]) -> float:
    """Measure from the first IKE_SA_INIT request to the last IKE_AUTH answer on the wire."""
    times = [packet.at for packet in packets if packet.words.endswith((" exchange 34", " exchange 35"))]
    return times[-1] - times[0]


def tally(packets: tuple[Packet, ...]) -> Counter[Sort]:
    """Count the packets of each sort."""
    return Counter(packet.sort for packet in packets)


def in_clear(packets: tuple[Packet, ...]) -> tuple[Packet, ...]:
    """Keep what should not be there."""
    return tuple(packet for packet in packets if packet.sort is Sort.CLEAR)


def read(pcap: bytes) -> Iterator[Packet]:
    """Read a pcap file of Ethernet frames; a last record that is still being written is left out."""
    offset = FILE_HEADER.size
    while offset + RECORD.size <= len(pcap):
        seconds, micros, length, _ = RECORD.unpack_from(pcap, offset)
        offset += RECORD.size
        if offset + length > len(pcap):
            return
        yield _sort(seconds + micros / 1e6, pcap[offset : offset + length])
        offset += length


def _sort(at: float, frame: bytes) -> Packet:
    try:
        sort, words = _look(frame)
    except (error, IndexError, ValueError):
        sort, words = Sort.CLEAR, f"unreadable frame {frame[:40].hex()}"
    return Packet(at, sort, words)


def _look(frame: bytes) -> tuple[Sort, str]:
    (kind,) = U16.unpack_from(frame, 12)
    if kind == ARP:
        return Sort.NEIGHBOUR, "arp"
    if kind == IPV6:
        return _look_ipv6(frame[14:])
    if kind == IPV4:
        return _look_ipv4(frame[14:])
    return Sort.CLEAR, f"ethertype {kind:#06x}"


def _look_ipv4(packet: bytes) -> tuple[Sort, str]:
    source, destination = (str(IPv4Address(packet[at : at + 4])) for at in (12, 16))
    protocol, body = packet[9], packet[(packet[0] & 15) * 4 :]
    (fragment,) = U16.unpack_from(packet, 6)
    words = f"{source} > {destination} protocol {protocol}"
    if protocol not in (TCP, UDP) or fragment & 0x1FFF:
        return Sort.CLEAR, words
    ports = PORTS.unpack_from(body)
    words = f"{words} ports {ports[0]} > {ports[1]}"
    outer = dict(zip((source, destination), ports, strict=True))
    if protocol == UDP and outer.keys() == {GATEWAY, ROUTER_WAN} and outer[GATEWAY] in GATEWAY_PORTS:
        sort = GATEWAY_PORTS[outer[GATEWAY]]
        return sort, words + _inside(body[UDP_HEADER:], sort)
    return Sort.CLEAR, words


def _inside(datagram: bytes, sort: Sort) -> str:
    """Say what a datagram between the two ends is (RFC 3948 §2)."""
    if sort is Sort.NAT_TRAVERSAL and datagram == b"\xff":
        return " keepalive"
    if sort is Sort.NAT_TRAVERSAL and not datagram.startswith(NON_ESP_MARKER):
        return " esp"
    message = datagram.removeprefix(NON_ESP_MARKER) if sort is Sort.NAT_TRAVERSAL else datagram
    return f" exchange {message[18]}"


def _look_ipv6(packet: bytes) -> tuple[Sort, str]:
    source, destination = (IPv6Address(packet[at : at + 16]) for at in (8, 24))
    header, body = packet[6], packet[40:]
    if header == HOP_BY_HOP:  # multicast listener reports carry a router alert
        header, body = body[0], body[(body[1] + 1) * 8 :]
    words = f"{source} > {destination} header {header}"
    if header == ICMPV6 and body[0] in NEIGHBOUR_TYPES:
        return Sort.NEIGHBOUR, words
    return Sort.CLEAR, words


# Fixed by libpcap, IEEE and IANA
FILE_HEADER = Struct("<IHHiIII")
RECORD = Struct("<IIII")
U16 = Struct("!H")
PORTS = Struct("!HH")
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
TCP, UDP, ICMPV6, HOP_BY_HOP = 6, 17, 58, 0
NEIGHBOUR_TYPES = frozenset({133, 134, 135, 136, 137, 143})  # discovery, and joining its groups (RFC 4861 §7.2.1)
UDP_HEADER = 8
NON_ESP_MARKER = b"\0\0\0\0"
GATEWAY_PORTS = {500: Sort.IKE, 4500: Sort.NAT_TRAVERSAL}

# Our choices
TCPDUMP = "/usr/bin/tcpdump"
START_SECONDS = 10.0
_numbers = itertools.count()
