"""A laptop and a stranger on one wire, each in a network of its own; to be used inside `alone`.

The stranger sends first packets from several addresses, and the laptop's kernel counts which of them
come through all hooks. No socket takes them: a packet that arrives is counted and then goes nowhere.
"""

import ctypes
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

from agent.posture.facts.network import Transport
from tests.network_sandbox import CLONE_NEWNET

LAPTOP = {4: "192.168.77.10", 6: "fd77::10"}
STRANGERS = {
    4: ("192.168.77.1", "192.168.77.5", "192.168.77.20", "192.168.77.99", "10.1.2.3", "10.9.9.9", "172.16.5.5"),
    6: ("fd77::1", "fd77::20", "fd99::5", "fd88::8"),
}
MAC = "02:00:00:00:00:10"
WAIT = 10.0


@dataclass(frozen=True)
class Try:
    """One first packet."""

    transport: Transport
    port: int
    source: str

    @property
    def version(self) -> int:
        return ip_address(self.source).version

    @property
    def counted(self) -> str:
        family = "ip" if self.version == 4 else "ip6"
        syn = "tcp flags & (syn | ack) == syn " if self.transport is Transport.TCP else ""
        return f"{family} saddr {self.source} {syn}{self.transport} dport {self.port} counter"


class Wire:
    """The wire: `wlan0` on the laptop's side, which is the namespace of whoever makes this."""

    def __init__(self) -> None:
        self._stranger = ThreadPoolExecutor(1, initializer=_leave)
        there = self._stranger.submit(threading.get_native_id).result()
        ip(f"link add wlan0 address {MAC} type veth peer name wire netns {there}")
        for link in ("all", "default", "wlan0"):
            os.system(f"echo 0 > /proc/sys/net/ipv4/conf/{link}/rp_filter")
        ip(
            "addr add 192.168.77.10/24 dev wlan0",
            "addr add fd77::10/64 dev wlan0 nodad",
            "link set wlan0 up",
            "route add default via 192.168.77.1",
            "-6 route add default via fd77::1",
        )
        self.at_stranger(_settle_stranger)
        until(lambda: b"UP" in subprocess.check_output(["ip", "-o", "link", "show", "dev", "wlan0", "up"]))

    def at_stranger(self, work: Callable[[], None]) -> None:
        """Do something in the stranger's network."""
        self._stranger.submit(work).result(WAIT)

    def arrivals(self, tries: Iterable[Try]) -> set[Try]:
        """Send one packet each, and tell which were let in by the rules that are in force."""
        tries = list(tries)
        nft(_counters(tries))
        held: list[socket.socket] = []
        self.at_stranger(lambda: held.extend(_send(one) for one in tries))
        until(lambda: all(counts("early")))
        passed = counts("late")
        for each in held:
            each.close()
        nft("delete table inet count")
        return {one for one, count in zip(tries, passed, strict=True) if count}

    def close(self) -> None:
        self._stranger.shutdown()


def nft(rules: str) -> None:
    loaded = load(rules)
    assert loaded == "", loaded


def load(rules: str) -> str:
    """Load rules, all or none; give what nft complains of."""
    ended = subprocess.run(["/usr/sbin/nft", "-f", "-"], input=rules.encode(), stderr=subprocess.PIPE)
    return ended.stderr.decode() if ended.returncode else ""


def ip(*lines: str) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True)


def ruleset() -> bytes:
    return subprocess.check_output(["/usr/sbin/nft", "-j", "list", "ruleset"])


def counts(chain: str) -> list[int]:
    told = json.loads(subprocess.check_output(["/usr/sbin/nft", "-j", "list", "chain", "inet", "count", chain]))
    rules = [one["rule"]["expr"] for one in told["nftables"] if "rule" in one]
    return [each["counter"]["packets"] for rule in rules for each in rule if "counter" in each]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


def _counters(tries: list[Try]) -> str:
    counted = "\n".join(one.counted for one in tries)
    return f"""table inet count {{
        chain early {{ type filter hook prerouting priority -460; policy accept;
            {counted}
        }}
        chain late {{ type filter hook input priority 1000; policy accept;
            {counted}
        }}
    }}"""


def _send(one: Try) -> socket.socket:
    """Send a first packet; a TCP socket must live until it was counted, or nothing is sent again either way."""
    family = socket.AF_INET if one.version == 4 else socket.AF_INET6
    kind = socket.SOCK_STREAM if one.transport is Transport.TCP else socket.SOCK_DGRAM
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    made.bind((one.source, 0))
    made.connect_ex((LAPTOP[one.version], one.port))
    if one.transport is Transport.UDP:
        made.send(b"knock")
    return made


def _leave() -> None:
    assert ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0


def _settle_stranger() -> None:
    ip(
        *(f"addr add {address}/24 dev wire" for address in STRANGERS[4]),
        *(f"addr add {address}/64 dev wire nodad" for address in STRANGERS[6]),
        "link set lo up",
        "link set wire up",
        f"neigh add fd77::10 lladdr {MAC} dev wire",  # else rules that stop every packet stop the search for it, too
    )
