"""Knows a hospital's beacon: a TLS server at an address of its own on the laptop's network, which comes and goes.

Never says a word besides the handshake, and counts who asked.
"""

import hashlib
import sys
from dataclasses import dataclass, field
from typing import Self

from tests.lab.namespaces import LAPTOP, ROUTER_LAN, Topology
from tests.lab.pki import Papers
from tests.lab.run import Program, Run


@dataclass(frozen=True)
class Beacon:
    """A beacon that listens in the router; it is reached only after `stand`."""

    town: Topology = field(repr=False)
    program: Program = field(repr=False)
    sha256: str

    @classmethod
    def start(cls, run: Run, town: Topology, papers: Papers, name: str) -> Self:
        """Start it with a certificate that nobody else has."""
        papers_of_its_own = papers.authority.issue("beacon.hospital.test")
        files = [run.path(name, f"{part}.pem") for part in ("certificate", "key")]
        for file, content in zip(files, (papers_of_its_own.pem, papers_of_its_own.key_pem), strict=True):
            file.write_bytes(content)
        argv = (sys.executable, "-I", "-u", "-c", SERVER, str(PORT), *map(str, files))
        program = run.start(name, argv, enter=town.router.enter)
        program.wait_ready(lambda: b"ready" in program.log.read_bytes(), START_SECONDS)
        return cls(town, program, hashlib.sha256(papers_of_its_own.der).hexdigest())

    @property
    def asked(self) -> int:
        """Count the connections up to now."""
        return self.program.log.read_bytes().count(b"asked")

    def stand(self) -> None:
        """Be on the laptop's network from now on, which the laptop joins anew."""
        self.town.router.ip(f"addr add {ADDRESS}/24 dev lan")
        self.join_anew()

    def leave(self) -> None:
        """Be there no longer; the laptop joins another network, which looks the same but for the beacon."""
        self.town.router.ip(f"addr del {ADDRESS}/24 dev lan")
        self.join_anew()

    def stop(self) -> None:
        """End, and leave the network as it was."""
        self.program.stop()
        self.town.router.attempt("/usr/sbin/ip", "addr", "del", f"{ADDRESS}/24", "dev", "lan")

    def join_anew(self) -> None:
        """Take the laptop off its network and put it on one where it gets the same address."""
        self.town.laptop.ip("link set wlan0 down")
        self.town.laptop.ip(
            "link set wlan0 up", f"addr replace {LAPTOP}/24 dev wlan0", f"route add default via {ROUTER_LAN}"
        )


# Our choices
ADDRESS, PORT = "192.168.77.53", 8443
START_SECONDS = 10.0
SERVER = """
import socket, ssl, sys
port, certificate, key = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("0.0.0.0", int(port)))
print("ready")
while True:
    connection, _ = listener.accept()
    print("asked")
    connection.settimeout(2)
    try:
        context.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()
"""
