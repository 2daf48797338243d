"""What a DHCP server gave, as the machine's DHCP clients keep it in files; and how they write routes.

It reads the files of systemd-networkd and of dhclient, bounded, and believes none of them: a lease counts
only for an interface that holds its address now. NetworkManager's are asked over D-Bus.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from heapq import nlargest
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from pathlib import Path

from agent.posture.facts.network import DhcpServer, Route
from agent.probes.neighbourhood.around import Around


class LeaseError(ValueError):
    """A lease that is not written as its client writes it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An interface's address, the server that gave it, and the routes that it asked for (options 121 and 249)."""

    interface: str
    address: IPv4Address
    server: DhcpServer | None
    routes: tuple[Route, ...]


def in_force(found: Iterable[Lease], around: Around) -> tuple[Lease, ...]:
    """Choose the first lease of each interface, where it holds the lease's address; others are of another time."""
    first: dict[str, Lease] = {}
    for one in found:
        first.setdefault(one.interface, one)
    return tuple(one for one in first.values() if around.holds(one.interface, one.address))


def read_leases(root: Path, around: Around) -> tuple[Lease, ...]:
    """Read the leases in force that clients keep in files; one that cannot be read is none."""
    kept = chain.from_iterable((root / folder).glob(pattern) for folder, pattern in DHCLIENT)
    of_dhclient = (lease for file in _find_newest(kept) for lease in read_dhclient(_read_tail(file)))
    return in_force(chain(_read_networkd(root / NETWORKD, around), of_dhclient), around)


def read_networkd(interface: str, text: str) -> Lease:
    """Read a lease of systemd-networkd: `KEY=value` lines; raise `LeaseError`."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    pairs = " ".join(fields.get(key, "") for key in ("CLASSLESS_ROUTES", "ROUTES")).replace(",", " ")
    server = fields.get("SERVER_ADDRESS"), fields.get("ROUTER", ""), fields.get("DNS", "")
    return lease(interface, fields.get("ADDRESS", ""), server, written_routes(pairs))


def read_dhclient(text: str) -> tuple[Lease, ...]:
    """Read a file of dhclient, a value a line: the last lease of each interface counts."""
    leases: dict[str, Lease] = {}
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if line == BEGIN:
            fields = {}
        elif (field := FIELD.match(line)) is not None:
            fields[field[1]] = field[2]
        elif line == END:
            with suppress(LeaseError):
                read = _read_block(fields)
                leases[read.interface] = read
    return tuple(leases.values())


def lease(interface: str, address: str, server: "Server", routes: "Ways") -> Lease:
    """Put a lease together from texts; raise `LeaseError`."""
    by, *named = server
    try:
        given = IPv4Address(address)
        routers, resolvers = (tuple(map(IPv4Address, re.findall(r"[^,\s]+", text))) for text in named)
        told = DhcpServer(interface, IPv4Address(by), routers, resolvers) if by else None
    except ValueError as error:
        raise LeaseError("an address is none") from error
    return Lease(interface, given, told, tuple(Route(interface, prefix, via, pushed=True) for prefix, via in routes))


def written_routes(text: str) -> "Ways":
    """Read `10.20.0.0/16 192.168.1.1 ...`; raise `LeaseError`."""
    words = text.split()
    try:
        found = [
            (IPv4Network(prefix, strict=False), IPv4Address(via))
            for prefix, via in zip(words[0::2], words[1::2], strict=True)
        ]
    except ValueError as error:
        raise LeaseError("the routes are not pairs of a prefix and a router") from error
    return tuple((prefix, via if int(via) else None) for prefix, via in found)


def packed_routes(octets: bytes) -> "Ways":
    """Read the bytes of option 121 or 249 (RFC 3442); raise `LeaseError`.

    Each route is the prefix's length, as many bytes of the prefix as that needs, and the router.
    """
    found: list[tuple[IPv4Network, IPv4Address | None]] = []
    while octets:
        bits = octets[0]
        if bits > LONGEST_PREFIX:
            raise LeaseError(f"a prefix of {bits} bits")
        router_at = 1 + (bits + 7) // 8
        prefix, router = octets[1:router_at], octets[router_at : router_at + 4]
        if len(router) < ADDRESS_BYTES:
            raise LeaseError("a route is cut off")
        network = IPv4Network((prefix.ljust(ADDRESS_BYTES, b"\0"), bits), strict=False)
        found.append((network, IPv4Address(router) if any(router) else None))
        octets = octets[router_at + ADDRESS_BYTES :]
    return tuple(found)


def counted_routes(text: str) -> "Ways":
    """Read the bytes of the option as numbers, `16,10,20,192,168,1,1` or `10:a:14:c0:a8:1:1`; raise `LeaseError`."""
    base = 16 if ":" in text else 10
    try:
        return packed_routes(bytes(int(number, base) for number in re.split(r"[,:\s]+", text.strip()) if number))
    except ValueError as error:
        raise LeaseError("the option's bytes are none") from error


def _read_block(fields: Mapping[str, str]) -> Lease:
    routes = [way for key in ROUTES_OF_DHCLIENT for way in counted_routes(fields.get(key, ""))]
    named = fields.get("routers", ""), fields.get("domain-name-servers", "")
    return lease(
        fields.get("interface", "").strip('"'),
        fields.get("fixed-address", ""),
        (fields.get("dhcp-server-identifier"), *named),
        tuple(routes),
    )


def _read_networkd(folder: Path, around: Around) -> Iterator[Lease]:
    for link in around.links:
        try:
            yield read_networkd(link.name, _read_tail(folder / str(link.index)))
        except LeaseError:
            continue


def _find_newest(files: Iterator[Path]) -> list[Path]:
    """Choose the files that were written last, for some clients keep one of each network that they ever joined."""
    times = []
    for file in files:
        with suppress(OSError):
            times.append((file.lstat().st_mtime_ns, file))
    return [file for _, file in nlargest(MOST_FILES, times)]


def _read_tail(file: Path) -> str:
    """Read the end of a file, where the newest lease is; nothing where it cannot be read."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, 2) - LARGEST_FILE))
            return opened.read(LARGEST_FILE).decode("ascii", "replace")
    except OSError:
        return ""


Ways = tuple[tuple[IPv4Network, IPv4Address | None], ...]
Server = tuple[str | None, str, str]  # its address if told, and the routers and the name servers that it named

# Fixed by RFC 3442, by systemd and by dhclient.
ADDRESS_BYTES, LONGEST_PREFIX = 4, 32
NETWORKD = "run/systemd/netif/leases"
DHCLIENT = (
    ("var/lib/dhcp", "dhclient*.leases"),
    ("var/lib/dhclient", "dhclient*.leases"),
    ("var/lib/NetworkManager", "dhclient-*.lease"),
)
BEGIN, END = "lease {", "}"
FIELD = re.compile(r" *(?:option )?([a-z0-9-]+) ([^;]*);")
ROUTES_OF_DHCLIENT = ("rfc3442-classless-static-routes", "unknown-121", "ms-classless-static-routes", "unknown-249")

# Our choices.
LARGEST_FILE = 256 << 10
MOST_FILES = 64
