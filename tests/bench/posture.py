"""Takes every figure of the endpoint checker and writes them, with all samples, to build/posture-bench.json.

Everything runs in the lab: the real daemon, look helper and gateway, and NetworkManager's face on a bus of its own.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.bench.__main__ import REPORT, machine
from tests.bench.posture_cost import forks, idle, storm
from tests.bench.posture_cut import app_cuts, network_cuts
from tests.bench.posture_lab import Road
from tests.bench.posture_looks import cold_looks, crowded, full_size, warm_looks
from tests.lab import preflight
from tests.lab.run import Run
from tests.lab.scene import Scene

Samples = dict[str, list[float]]


@dataclass(frozen=True)
class Figure:
    """One figure: the samples of which it is a percentile, and what is wanted of it at most, if anything is."""

    name: str
    samples: str
    words: str
    target: float | None = None
    percentile: int = 50

    def of(self, samples: Samples) -> float:
        """Compute it."""
        taken = samples[self.samples]
        if len(taken) == 1:
            return round(taken[0], 2)
        return round(statistics.quantiles(taken, n=100, method="inclusive")[self.percentile - 1], 2)


def main() -> None:
    """Measure, and tell people."""
    parser = argparse.ArgumentParser(prog="tests.bench.posture", description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--programs", type=int, default=300, help="how many programs run while it is looked")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch what it costs")
    options = parser.parse_args()
    preflight.require()
    about: dict[str, object] = {"machine": machine(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    samples = {**_look(options.trials, options.programs), **_watch(options.trials, options.seconds)}
    figures = {figure.name: figure.of(samples) for figure in FIGURES}
    rounded = {name: [round(sample, 3) for sample in taken] for name, taken in samples.items()}
    WRITTEN.parent.mkdir(exist_ok=True)
    WRITTEN.write_text(json.dumps({**figures, **about, "samples": rounded}, indent=1) + "\n")
    _tell(figures)


def _look(trials: int, programs: int) -> Samples:
    """Measure the look helper alone."""
    with crowded(programs) as stage:
        cold = _taken(f"cold looks at {programs} programs", cold_looks(stage, trials))
        warm = _taken("warm looks", warm_looks(stage, trials))
        everything, resident = full_size(stage)
    return {"look_cold_ms": cold, "look_warm_ms": warm, "look_everything_ms": [everything], "look_rss_mb": [resident]}


def _watch(trials: int, seconds: float) -> Samples:
    """Measure all of it in the lab; what it costs comes last, when everything has been needed once."""
    with Run.open() as run:
        scene = Scene.set(run)
        road = Road.build(scene)
        samples = {
            "app_cut_ms": _taken("programs that nobody approved", app_cuts(road, trials)),
            "network_cut_ms": _taken("moves to an open network", network_cuts(road, trials)),
            "idle_cpu_percent": _taken("nothing, closed", idle(road, seconds)),
        }
        road.connect()
        before = forks()
        return samples | {
            "open_idle_cpu_percent": _taken("nothing, open", idle(road, seconds)),
            "others_forks_per_s": [(forks() - before) / seconds],
            "short_processes_cpu_percent": _taken("a storm", storm(road, scene.laptop.enter_as_doctor, seconds)),
            "others_short_processes_cpu_percent": _taken("a storm of others", storm(road, (), seconds)),
        }


def _taken(what: str, samples: Iterable[float]) -> list[float]:
    """Take samples and tell how far it is, for it takes minutes."""
    began, taken = time.monotonic(), []
    print(f"{what} ...", end="", flush=True)
    for sample in samples:
        taken.append(sample)
        if len(taken) % TOLD_EVERY == 0:
            print(f" {len(taken)}", end="", flush=True)
    print(f" ({time.monotonic() - began:.0f} s)", flush=True)
    return taken


def _tell(figures: Mapping[str, float]) -> None:
    """Print the figures beside their targets."""
    for figure in FIGURES:
        value, verdict = figures[figure.name], ""
        if figure.target is not None:
            verdict = f"{'met' if value <= figure.target else 'NOT MET':>7} {figure.target:5g}"
        print(f"{figure.name:36} {value:8.2f} {verdict:14} {figure.words}")
    print(f"Written to {os.path.relpath(WRITTEN)}.")


# Our choices
TOLD_EVERY = 50
WRITTEN = REPORT.with_name("posture-bench.json")
FIGURES = (
    Figure("app_cut_p50_ms", "app_cut_ms", "a program that nobody approved starts -> closed, median"),
    Figure("app_cut_p99_ms", "app_cut_ms", "the same, p99", 100.0, 99),
    Figure("network_cut_p50_ms", "network_cut_ms", "moving to open Wi-Fi -> closed, median"),
    Figure("network_cut_p99_ms", "network_cut_ms", "the same, p99", 1_000.0, 99),
    Figure("look_cold_ms", "look_cold_ms", "a new helper's first look at the programs, median", 300.0),
    Figure("look_cold_p99_ms", "look_cold_ms", "the same, p99", None, 99),
    Figure("look_warm_ms", "look_warm_ms", "each look after it, median", 50.0),
    Figure("look_warm_p99_ms", "look_warm_ms", "the same, p99", None, 99),
    Figure("look_everything_ms", "look_everything_ms", "a new helper's first look at everything, all hashed, origins"),
    Figure("look_rss_mb", "look_rss_mb", "the helper's memory after that", 60.0),
    Figure("idle_cpu_percent", "idle_cpu_percent", "processor, all parts, nothing open", 0.5),
    Figure("open_idle_cpu_percent", "open_idle_cpu_percent", "processor, all parts, a site open", 0.5),
    Figure("others_forks_per_s", "others_forks_per_s", "processes that others on this machine made meanwhile"),
    Figure(
        "short_processes_cpu_percent", "short_processes_cpu_percent", "10,000 short programs/min of the doctor's", 5.0
    ),
    Figure("others_short_processes_cpu_percent", "others_short_processes_cpu_percent", "the same of others", 5.0),
)

if __name__ == "__main__":
    main()
