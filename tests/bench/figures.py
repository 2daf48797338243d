"""How long the doctor waits and what Sekisho costs while it waits: connect, status, cut, memory, idle processor time.

Everything runs in the lab through the command; times are of this machine, shared as it is.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence

import psutil

from tests.lab import preflight
from tests.lab.endpoint import Endpoint
from tests.lab.namespaces import PACS
from tests.lab.run import LabError, Run
from tests.lab.scene import Scene
from tests.lab.traffic import EchoRow
from tests.lab.unapproved import Unapproved

Figures = dict[str, float]


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to watch idle programs")
    options = parser.parse_args()
    preflight.require()
    with Run.open() as run:
        print(json.dumps(measure(Scene.set(run), options.rounds, options.seconds)))


def measure(scene: Scene, rounds: int, seconds: float) -> Figures:
    """Measure waiting first, then the cost of doing nothing, connected and not."""
    endpoint = scene.endpoint("figures")
    endpoint.start()
    programs = psutil.Process(endpoint.daemons[0].pid), psutil.Process(endpoint.lookers[0].pid)
    waits = [_connect(scene, endpoint) for _ in range(rounds + 1)][1:]  # the first one's look is cold
    figures = {
        **_summed("connect_ms", [first for first, _ in waits]),
        **_summed("handshake_ms", [handshake for _, handshake in waits]),
        **_summed("cut_ms", [_cut(scene, endpoint) for _ in range(rounds)]),
        **_summed("status_ms", [endpoint.sekisho("status").seconds for _ in range(rounds)]),
        **_idle("idle", programs, seconds),
    }
    _succeed(endpoint, "connect")
    return {**figures, **_idle("connected", programs, seconds)}


def _connect(scene: Scene, endpoint: Endpoint) -> tuple[float, float]:
    """Connect once and disconnect; seconds from the command to the first inner echo, and of the handshake."""
    with EchoRow(scene.town.laptop, INTERFACE, PACS) as row:
        began = boot()
        _succeed(endpoint, "connect")
        waited = row.first_answer(WAIT) - began
    tunnel = endpoint.status()["tunnel"]
    if not isinstance(tunnel, dict):
        raise LabError("connected, but no tunnel is told")
    _succeed(endpoint, "disconnect")
    return waited, float(tunnel["handshake_ms"]) / 1000


def _cut(scene: Scene, endpoint: Endpoint) -> float:
    """Start an unapproved program while connected; seconds from before its start to the last inner echo."""
    _succeed(endpoint, "connect")
    path = Unapproved.install(scene.laptop)
    with EchoRow(scene.town.laptop, INTERFACE, PACS) as row:
        row.first_answer(WAIT)
        began = boot()
        stranger = scene.laptop.start_as_doctor("stranger", (path, "3600"))
        endpoint.wait_for_state("refused", WAIT)
        stranger.stop()
        return max(0.0, row.last_answer() - began)


def _idle(state: str, programs: Sequence[psutil.Process], seconds: float) -> Figures:
    """Watch both programs doing nothing: memory in MB, processor time in percent of one core, wake-ups.

    The look helper wakes for each program that anybody starts on this machine, so its share tells of them too.
    """
    before, began = [_spent(program) for program in programs], time.monotonic()
    time.sleep(seconds)
    after, took = [_spent(program) for program in programs], time.monotonic() - began
    figures: Figures = {}
    for name, program, (cpu, woken), (cpu_before, woken_before) in zip(NAMES, programs, after, before, strict=True):
        figures[f"{name}_rss_mb_{state}"] = round(program.memory_info().rss / 1e6, 1)
        figures[f"{name}_cpu_percent_{state}"] = round((cpu - cpu_before) / took * 100, 2)
        figures[f"{name}_wakeups_per_s_{state}"] = round((woken - woken_before) / took, 1)
    return figures


def _spent(program: psutil.Process) -> tuple[float, int]:
    """Read the processor seconds and the wake-ups of a program up to now."""
    used = program.cpu_times()
    return used.user + used.system, program.num_ctx_switches().voluntary


def _succeed(endpoint: Endpoint, word: str) -> None:
    answer = endpoint.sekisho(word)
    if answer.code != 0:
        raise LabError(f"sekisho {word} ended with {answer.code}: {answer.errors.strip()}")


def _summed(name: str, seconds: Sequence[float]) -> Figures:
    """Give median and 95th percentile in milliseconds."""
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return {f"{name}_p50": round(statistics.median(seconds) * 1000, 1), f"{name}_p95": round(p95 * 1000, 1)}


def boot() -> float:
    """Read the boot clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# Our choices, in seconds
NAMES = ("daemon", "look")
INTERFACE = "sekisho0"
WAIT = 5.0

if __name__ == "__main__":
    main()
