"""How long our handshake takes on the wire beside strongSwan's own client: one gateway, by turns, medians of one run.

Both clients run on the lab's laptop with the same certificate; a capture on the hotel's uplink times both.
"""

import argparse
import json
import statistics
import time
from bisect import bisect
from collections.abc import Callable

from tests.interop.client import Client, config_of, key_of
from tests.lab import preflight
from tests.lab.capture import Capture, Packet, handshake_seconds
from tests.lab.namespaces import Topology
from tests.lab.pki import Papers
from tests.lab.run import Run, wait_until
from tests.lab.strongswan import StrongSwan

Figures = dict[str, int | float]


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="handshakes of each client")
    options = parser.parse_args()
    preflight.require()
    with Run.open() as run:
        print(json.dumps(measure(run, options.rounds)))


def measure(run: Run, rounds: int) -> Figures:
    """Let both clients connect by turns and sum up, in milliseconds."""
    town, papers = Topology.up(run), Papers.issue()
    gateway = StrongSwan.gateway(run, town.gateway, papers)
    theirs = StrongSwan.client(run, town.laptop, papers)
    wire = Capture.start(run, town.router, snap=128)

    def connect_ours() -> None:
        with Client(run, town.laptop, config_of(papers), key_of(papers.device)) as client:
            client.connect()

    def connect_theirs() -> None:
        theirs.initiate()
        theirs.delete_ike()

    began: list[float] = []
    turns: tuple[Callable[[], None], ...] = (connect_ours, connect_theirs)
    for _ in range(rounds):
        for connect in turns:
            began.append(time.time())
            connect()
            wait_until(lambda: gateway.sas() == "", "the end of all SAs at the gateway", 5)
    times = [handshake_seconds(packets) * 1000 for packets in _split(wire.stop(), began)]
    return _figures(times[0::2], times[1::2])


def _split(packets: tuple[Packet, ...], began: list[float]) -> list[tuple[Packet, ...]]:
    """Give each attempt the packets seen from its beginning to the next one's."""
    sorted_in: list[list[Packet]] = [[] for _ in began]
    for packet in packets:
        if packet.at >= began[0]:
            sorted_in[bisect(began, packet.at) - 1].append(packet)
    return [tuple(part) for part in sorted_in]


def _figures(ours: list[float], theirs: list[float]) -> Figures:
    median_ours, median_theirs = statistics.median(ours), statistics.median(theirs)
    return {
        "handshakes": len(ours),
        "sekisho_ms": round(median_ours, 2),
        "sekisho_p95_ms": round(_p95(ours), 2),
        "strongswan_ms": round(median_theirs, 2),
        "strongswan_p95_ms": round(_p95(theirs), 2),
        "ratio": round(median_ours / median_theirs, 2),
    }


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


if __name__ == "__main__":
    main()
