"""Knows the four namespaces: laptop - hotel router - gateway - PACS, their addresses, routes and packet filters.

Never touches the machine's own network: every command runs inside a namespace that this run made itself.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from subprocess import CompletedProcess
from typing import Self, TypeVar

from tests.lab.run import IP, NAMESPACES, LabError, Run, remove_namespace, run_command, try_command, wait_until

Result = TypeVar("Result")
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of this run; `enter` goes in front of any command."""

    name: str

    @property
    def enter(self) -> tuple[str, ...]:
        return (IP, "netns", "exec", self.name)

    @property
    def enter_network(self) -> tuple[str, ...]:
        """Enter the network alone: `ip netns exec` also makes a mount namespace with another /sys."""
        return ("/usr/bin/nsenter", f"--net={NAMESPACES}/{self.name}", "--")

    @property
    def part(self) -> str:
        """Name the role: laptop, router, gateway or pacs."""
        return self.name.rpartition("-")[2]

    def run(self, *argv: str, stdin: bytes | None = None, seconds: float = 30.0) -> str:
        """Run a command inside to its end and return its output; a failure raises LabError."""
        return run_command(argv, enter=self.enter, stdin=stdin, seconds=seconds)

    def attempt(self, *argv: str, stdin: bytes | None = None, seconds: float = 30.0) -> CompletedProcess[bytes]:
        """Run a command inside to its end, whatever it answers."""
        return try_command(argv, enter=self.enter, stdin=stdin, seconds=seconds)

    def ip(self, *lines: str) -> None:
        """Carry out several `ip` commands in one go."""
        run_command((IP, "-n", self.name, "-batch", "-"), stdin="\n".join(lines).encode())

    def inside(self, work: Callable[[], Result]) -> Result:
        """Call a function in a thread that is inside; a socket that it opens stays inside for good."""
        thread = ThreadPoolExecutor(1, initializer=move_thread, initargs=(self.name,))
        result = thread.submit(work).result(10)
        thread.shutdown()
        return result

    def has_links(self, number: int) -> bool:
        """Tell whether so many wires pass packets; the kernel says so a moment after both their ends are up."""
        return self.run(IP, "-o", "link", "show", "type", "veth").count("state UP") == number

    def nft(self, rules: str) -> None:
        """Load packet filter rules, all or none."""
        self.run(NFT, "-f", "-", stdin=rules.encode())

    def pings(self, address: str, seconds: float = 1.0) -> bool:
        """Tell whether one echo request is answered in time."""
        return self.attempt(PING, "-n", "-c", "1", "-W", str(seconds), address).returncode == 0


@dataclass(frozen=True, slots=True)
class Topology:
    """laptop wlan0 .10 -- router lan .1 | wan 198.51.100.2 -- gateway wan .1 | lan 10.50.0.1 -- pacs 10.50.0.10"""

    laptop: Namespace
    router: Namespace
    gateway: Namespace
    pacs: Namespace

    @classmethod
    def up(cls, run: Run) -> Self:
        """Make the namespaces and the wires, and have them removed when the run closes."""
        town = cls(*(_make(run, part) for part in ("laptop", "router", "gateway", "pacs")))
        town._wire()
        town.router.nft(hotel_nat())
        town.gateway.nft(GATEWAY_FILTER)
        return town

    def rebind(self, ports: str) -> None:
        """Give the router new source ports and forget the old ones, as a restarted hotel router does."""
        self.router.nft("delete table ip nat\n" + hotel_nat(ports))
        self.router.ip(f"addr del {ROUTER_WAN}/24 dev wan", f"addr add {ROUTER_WAN}/24 dev wan", *_ROUTER_ROUTES)

    def send_clear_probe(self) -> None:
        """Send one datagram from the laptop to the PACS by whatever way its routes show."""
        self.laptop.run("/bin/bash", "-c", f"printf {PROBE_WORDS} > /dev/udp/{PACS}/{PROBE_PORT}")

    def _wire(self) -> None:
        laptop, router, gateway, pacs = self.laptop, self.router, self.gateway, self.pacs
        laptop.ip(f"link add wlan0 type veth peer name lan netns {router.name}")
        gateway.ip(
            f"link add wan type veth peer name wan netns {router.name}",
            f"link add lan type veth peer name eth0 netns {pacs.name}",
        )
        _configure(laptop, {"wlan0": (LAPTOP,)}, f"route add default via {ROUTER_LAN}")
        _configure(router, {"lan": (ROUTER_LAN,), "wan": (ROUTER_WAN,)}, *_ROUTER_ROUTES)
        _configure(gateway, {"wan": (GATEWAY,), "lan": (GATEWAY_LAN,)})
        _configure(pacs, {"eth0": (PACS, DNS)}, f"route add default via {GATEWAY_LAN}")
        for forwarder in (router, gateway):
            forwarder.run("/bin/sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for space, links in ((laptop, 1), (router, 2), (gateway, 2), (pacs, 1)):
            wait_until(partial(space.has_links, links), f"the links of {space.part}", 20)


def hotel_nat(ports: str = "20000-40000") -> str:
    """Write the router's address translation; random source ports, for plain masquerading would keep port 500."""
    return (
        "table ip nat { chain post { type nat hook postrouting priority srcnat; "
        f'oifname "wan" meta l4proto {{ tcp, udp }} masquerade to :{ports} random; }}; }}\n'
    )


def move_thread(name: str) -> None:
    """Move the calling thread into a namespace, for good."""
    with (NAMESPACES / name).open() as space:
        if LIBC.setns(space.fileno(), CLONE_NEWNET) != 0:
            raise LabError(f"entering the namespace {name}: {os.strerror(ctypes.get_errno())}")


def _make(run: Run, part: str) -> Namespace:
    name = f"{run.name}-{part}"
    run.undo.callback(remove_namespace, name)
    run_command((IP, "netns", "add", name))
    space = Namespace(name)
    space.run("/bin/sh", "-c", f"test ! -e {ADDRESS_PROBING} || echo 0 > {ADDRESS_PROBING}")
    return space


def _configure(space: Namespace, links: dict[str, Sequence[str]], *more: str) -> None:
    lines = ["link set lo up"]
    for link, addresses in links.items():
        lines += [f"addr add {address}/24 dev {link}" for address in addresses]
        lines += [f"link set {link} up"]
    space.ip(*lines, *more)


# Fixed by Linux
CLONE_NEWNET = 0x40000000

# Fixed by the lab's plan of addresses
LAPTOP = "192.168.77.10"
ROUTER_LAN = "192.168.77.1"
ROUTER_WAN = "198.51.100.2"
GATEWAY = "198.51.100.1"
GATEWAY_LAN = "10.50.0.1"
PACS = "10.50.0.10"
DNS = "10.50.0.53"
HOSPITAL = "10.50.0.0/24"
POOL = "10.60.0.0/24"

# Our choices
NFT = "/usr/sbin/nft"
PING = "/usr/bin/ping"
PROBE_PORT = 9
PROBE_WORDS = "sekisho-clear-probe"
ADDRESS_PROBING = "/proc/sys/net/ipv6/conf/default/accept_dad"  # off: a link is ready when it is up
_ROUTER_ROUTES = (f"route add {HOSPITAL} via {GATEWAY}",)  # else "no clear packet seen" would prove nothing
GATEWAY_FILTER = """
table inet hospital {
    chain forward {
        type filter hook forward priority filter; policy drop;
        iifname "ipsec0" oifname "lan" accept
        iifname "lan" oifname "ipsec0" ct state established,related accept
    }
}
"""
