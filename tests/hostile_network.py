"""A laptop's link and the machines on it, made inside a network sandbox: routers, DHCP servers, name servers, pages.

Every machine is a network namespace of its own on one bridge; all of them die with the sandbox. Never used outside one.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Link:
    """The link `lan0`, held by a bridge to which machines are plugged; `folder` takes what servers write."""

    folder: Path
    machines: int = 0
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def plug(self, *addresses: str, mac: str | None = None) -> "Machine":
        """Plug in a machine with these addresses, and wait until packets can pass."""
        self.machines += 1
        machine = Machine(self, self._space(), f"m{self.machines}")
        run("ip", "link", "add", machine.port, "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid))
        run("ip", "link", "set", machine.port, "master", "switch", "up")
        if mac is not None:
            machine.run("ip", "link", "set", "eth0", "address", mac)
        for address in addresses:
            machine.run("ip", "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
        machine.run("ip", "link", "set", "lo", "up")
        machine.run("ip", "link", "set", "eth0", "up")
        wait_for(lambda: "state forwarding" in told("bridge", "-d", "link", "show", "dev", machine.port))
        return machine

    def _space(self) -> int:
        """Start a process that only holds a network namespace."""
        holder = self.start("/usr/bin/unshare", "-n", "/bin/sh", "-c", "echo ready; exec sleep infinity")
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        return holder.pid

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a program that runs until the link is taken away."""
        program = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.started.append(program)
        return program

    def end(self, program: subprocess.Popen[bytes]) -> None:
        """End one program now."""
        program.kill()
        program.communicate()
        self.started.remove(program)


@dataclass
class Machine:
    """One machine on the link, by the process that holds its namespace."""

    link: Link
    pid: int
    port: str

    @property
    def enter(self) -> tuple[str, ...]:
        return ("/usr/bin/nsenter", f"--net=/proc/{self.pid}/ns/net", "--")

    def run(self, *argv: str) -> None:
        run(*self.enter, *argv)

    def serve_dhcp(self, first: str, last: str, *options: str) -> subprocess.Popen[bytes]:
        """Hand out addresses of a range by dnsmasq, with more of its options."""
        folder = self.link.folder / self.port
        folder.mkdir(exist_ok=True)
        server = self.link.start(
            *self.enter,
            *("/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"),
            *("--user=root", f"--dhcp-leasefile={folder}/leases", "--pid-file", "--log-facility=-"),
            *(f"--dhcp-range={first},{last},255.255.255.0,1h", "--dhcp-authoritative", *options),
        )
        wait_for(lambda: b":0043 " in Path(f"/proc/{self.pid}/net/udp").read_bytes())
        return server

    def serve_names(self, *options: str) -> None:
        """Answer names by dnsmasq, as its options say, and ask nobody else."""
        self.link.start(
            *self.enter,
            *("/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"),
            *("--user=root", "--pid-file", "--log-facility=-", *options),
        )
        wait_for(lambda: b":0035 " in Path(f"/proc/{self.pid}/net/udp").read_bytes())

    def serve_page(self, status: int, after: float = 0.0) -> None:
        """Answer every request at port 8080 with one status, some seconds late."""
        self.link.start(*self.enter, sys.executable, "-I", "-c", PAGE, str(status), str(after))
        wait_for(lambda: b":1F90 " in Path(f"/proc/{self.pid}/net/tcp").read_bytes())


@contextlib.contextmanager
def lan(folder: Path) -> Iterator[Link]:
    """Make the link, up and without an address."""
    run("ip", "link", "add", "switch", "type", "bridge")
    Path("/proc/sys/net/ipv6/conf/switch/disable_ipv6").write_text("1")  # it is no part of the laptop
    run("ip", "link", "set", "switch", "up")
    run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "socket")
    run("ip", "link", "set", "socket", "master", "switch", "up")
    run("ip", "link", "set", "lan0", "up")
    wait_for(lambda: "state forwarding" in told("bridge", "-d", "link", "show", "dev", "socket"))
    link = Link(folder)
    try:
        yield link
    finally:
        for program in list(link.started):
            link.end(program)


def run(*argv: str) -> None:
    """Run a command to its good end."""
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)


def told(*argv: str) -> str:
    """Run a command and give what it wrote."""
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so; 'not hung' is all that the limit says."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail("it never came to be")
        time.sleep(0.01)


PAGE = """
import http.server, sys, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(sys.argv[2]))
        self.send_response(int(sys.argv[1]))
        self.send_header("Location", "http://login.example/")
        self.end_headers()
http.server.HTTPServer(("192.168.77.1", 8080), Page).serve_forever()
"""
