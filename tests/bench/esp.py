"""How fast the pump is: bare wire and tunnel in one run, medians of several rounds.

Both pumps are threads of this process. Congestion control is pinned to cubic.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from esp import Cipher
from tests.esp_ends import End, two_ends

KEY_SIZES = {Cipher.AES_128_GCM: 20, Cipher.AES_256_GCM: 36, Cipher.CHACHA20_POLY1305: 36}


def main() -> None:
    """Measure, tell people every sample, and end with one JSON object of medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--cipher", type=Cipher, choices=list(Cipher), default=Cipher.AES_256_GCM)
    options = parser.parse_args()
    print(json.dumps(measure(options.rounds, options.seconds, options.cipher)))


def measure(rounds: int, seconds: int, cipher: Cipher = Cipher.AES_256_GCM) -> dict[str, float]:
    """Measure in turns, wire and tunnel side by side; give medians and the ratio of one stream to the bare wire."""
    with two_ends(vnet_hdr=True) as (near, far), served(far):
        for number, end in enumerate((near, far), 0x1000):
            end.tell(number, os.urandom(KEY_SIZES[cipher]), cipher)
        figures: dict[str, Callable[[], float]] = {
            "veth_gbit": lambda: tcp(near, far.outer, seconds),
            "tcp1_gbit": lambda: tcp(near, far.inner, seconds),
            "tcp1_back_gbit": lambda: tcp(near, far.inner, seconds, "-R"),
            "rtt_bare_us": lambda: round_trip(near, far.outer),
            "rtt_us": lambda: round_trip(near, far.inner),
        }
        turns = [{name: figure() for name, figure in figures.items()} for _ in range(rounds)]
        drops = [{cause: count for cause, count in end.pump.stats().drops.items() if count} for end in (near, far)]
    medians = {name: statistics.median(turn[name] for turn in turns) for name in figures}
    for name, median in medians.items():
        tell(f"{name:16} {median:8.2f}   {' '.join(f'{turn[name]:.2f}' for turn in turns)}")
    tell(f"dropped, near and far: {drops}")
    ratio = medians["tcp1_gbit"] / medians["veth_gbit"]
    return {name: round(figure, 3) for name, figure in {**medians, "tcp1_vs_veth": ratio}.items()}


def tell(line: str) -> None:
    """Tell people; the standard output is for machines."""
    print(line, file=sys.stderr)


@contextmanager
def served(end: End) -> Iterator[None]:
    """Run iperf3's server inside while the block lasts."""
    command = ["ip", "netns", "exec", end.namespace, "iperf3", "--server", "--forceflush"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    while "listening" not in server.stdout.readline():
        pass
    try:
        yield
    finally:
        server.terminate()
        server.communicate()


def tcp(end: End, address: str, seconds: int, *options: str) -> float:
    """Measure one TCP stream in Gbit/s."""
    done = end.run("iperf3", "-c", address, "-C", "cubic", "-t", str(seconds), "--omit", "1", "--json", *options)
    return float(json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e9


def round_trip(end: End, address: str) -> float:
    """Measure the mean round trip of small packets in microseconds."""
    told = end.run("ping", "-n", "-q", "-c", "200", "-i", "0.005", address).stdout
    found = re.search(r"= [\d.]+/([\d.]+)/", told)
    assert found, told
    return float(found[1]) * 1000


if __name__ == "__main__":
    main()
