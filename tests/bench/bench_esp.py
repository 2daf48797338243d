"""How fast the pump is: bare wire and tunnel in one run, medians of several rounds.

Both pumps are threads of this process. Congestion control is pinned to cubic.
"""

import argparse
import json
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
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--cipher", choices=list(Cipher), default=Cipher.AES_256_GCM)
    parser.add_argument("--least", type=float, default=0.0, help="fail below this many Gbit/s through the tunnel")
    options = parser.parse_args()
    with two_ends(vnet_hdr=True) as (near, far), served(far):
        for end in (near, far):
            end.tell(0x1000, bytes(KEY_SIZES[Cipher(options.cipher)]), Cipher(options.cipher))
        figures: dict[str, Callable[[], float]] = {
            "bare veth, Gbit/s": lambda: tcp(near, far.outer, options.seconds),
            "tunnel, Gbit/s": lambda: tcp(near, far.inner, options.seconds),
            "tunnel back, Gbit/s": lambda: tcp(near, far.inner, options.seconds, "-R"),
            "bare round trip, us": lambda: round_trip(near, far.outer),
            "tunnel round trip, us": lambda: round_trip(near, far.inner),
        }
        samples = {name: [measure() for _ in range(options.rounds)] for name, measure in figures.items()}
        for name, values in samples.items():
            print(f"{name:24} {statistics.median(values):8.2f}   {' '.join(f'{value:.2f}' for value in values)}")
        for end in (near, far):
            print({name: count for name, count in end.pump.stats().drops.items() if count})
    if statistics.median(samples["tunnel, Gbit/s"]) < options.least:
        sys.exit(f"the tunnel is slower than {options.least} Gbit/s")


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
