"""How fast the look helper is: its start, whole looks, and from the kernel's event to what the daemon hears.

Programs are started one by one as a user of their own; times are of this machine, shared as it is.
"""

import argparse
import asyncio
import json
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, aclosing
from pathlib import Path

from agent.boot_clock import boot_clock
from agent.daemon.jury import Jury
from agent.daemon.lookout import Lookout, Watcher
from agent.posture.facts import Facts, Observed
from agent.posture.policy import load
from agent.probes.client import LookClient, Missed, Scope, Started
from agent.probes.exec_events import ExecEvents, What
from ike.config import Instant
from tests.look_helper import Helper, serving
from tests.processes import PYTHON, SLEEP, Stage, as_user, staged
from tests.test_daemon_small import POLICY

Samples = dict[str, list[float]]


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=300, help="programs of the judged user during the looks")
    parser.add_argument("--spawns", type=int, default=200)
    options = parser.parse_args()
    samples: Samples = {}
    with tempfile.TemporaryDirectory(prefix="look-bench-") as name, staged(Path(name)) as stage:
        begin = time.monotonic()
        with serving(stage.folder) as helper:
            samples["start_ms"] = [(time.monotonic() - begin) * 1e3]
            asyncio.run(measure(helper, stage, options.programs, options.spawns, samples))
            samples["rss_mb"] = [resident(helper.process.pid) / (1 << 20)]
    print(json.dumps({figure: _summed(values) for figure, values in samples.items()}))


def _summed(values: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(values), 3), "p99": round(percentile(values, 99), 3), "n": len(values)}


async def measure(helper: Helper, stage: Stage, programs: int, spawns: int, samples: Samples) -> None:
    """Take every figure that needs a conversation."""
    client = await LookClient.connect(helper.socket)
    scope = Scope(frozenset({stage.uid}))
    with crowd(stage, programs):
        looks = [await timed_look(client, scope) for _ in range(21)]
        samples["look_first_ms"], samples["look_warm_ms"] = looks[:1], looks[1:]
    events = ExecEvents.open()
    samples["known_file_ms"] = await follow(client, events, stage, [Path(SLEEP)] * spawns)
    fresh = [new_file(stage, number) for number in range(spawns)]
    samples["new_1mb_file_ms"] = await follow(client, events, stage, fresh)
    events.close()
    samples["cpu_ms_per_1000_foreign_starts"] = [burn(helper, spawns * 5, None)]
    samples["cpu_ms_per_1000_judged_starts"] = [burn(helper, spawns * 5, stage.uid)]
    samples["percent_of_a_core_at_10000_starts_a_minute"] = [await storm(helper, stage) for _ in range(3)]
    client.rest()
    await client.look(Scope(frozenset()))  # the answer comes once the helper rests
    samples["cpu_ms_per_1000_starts_at_rest"] = [burn(helper, spawns * 5, None)]
    await client.close()


async def timed_look(client: LookClient, scope: Scope) -> float:
    """Time one whole look as the daemon feels it."""
    begin = time.perf_counter()
    assert isinstance((await client.look(scope))["programs"], Observed)
    return (time.perf_counter() - begin) * 1e3


async def follow(client: LookClient, events: ExecEvents, stage: Stage, files: list[Path]) -> list[float]:
    """Time from the kernel's own stamp of an exec to its report, for each file in turn; count what was missed."""
    times: list[float] = []
    missed = 0
    async with aclosing(client.events()) as pushes:
        for file in files:
            await client.look(Scope(frozenset({stage.uid})))  # what was told before is told again only after a look
            process = subprocess.Popen(as_user(stage.uid, str(file), "0.3"))
            async for pushed in pushes:
                if isinstance(pushed, Missed):
                    missed += pushed.vanished + pushed.unreadable
                elif isinstance(pushed, Started) and pushed.program.path == str(file):
                    heard = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
                    times.append((heard - last_start(events, process.pid)) / 1e6)
                    break
            process.kill()
            process.wait()
    if missed:
        print(f"{missed} starts ended before they could be told", file=sys.stderr)
    return times


def last_start(events: ExecEvents, pid: int) -> int:
    """Find the kernel's stamp of the last exec of a process."""
    stamp = 0
    while select.select([events], [], [], 0 if stamp else 1.0)[0]:
        told = events.read().events
        stamp = max([stamp, *(one.at_ns for one in told if one.pid == pid and one.what is What.EXEC)])
    return stamp


def crowd(stage: Stage, programs: int) -> ExitStack:
    """Start many programs of packages as the user."""
    undo = ExitStack()
    for _ in range(programs):
        process = subprocess.Popen([SLEEP, "600"], user=stage.uid)
        undo.callback(process.wait)
        undo.callback(process.kill)
    return undo


def new_file(stage: Stage, number: int) -> Path:
    """Make a program of 1 MB that nobody has seen before."""
    path = stage.folder / f"new-{number}"
    shutil.copy(SLEEP, path)
    with path.open("ab") as file:
        file.write(os.urandom((1 << 20) - path.stat().st_size))
    return path


def burn(helper: Helper, starts: int, uid: int | None) -> float:
    """Measure the processor time that the helper spends on 1,000 short programs."""
    before = processor_seconds(helper.process.pid)
    for _ in range(starts):
        subprocess.run(["/usr/bin/true"], user=uid)
    return (processor_seconds(helper.process.pid) - before) * 1e3 * 1_000 / starts


async def storm(helper: Helper, stage: Stage) -> float:
    """Measure the share of a core, in per cent, that helper and daemon spend while 2,000 short programs start.

    Each lives three thousandths of a second; this process is the daemon: it keeps the facts and judges them.
    """
    jury = Jury(load(POLICY, "policy.yaml"), b"k" * 32)
    lookout = Lookout(helper.socket, ())
    scope = jury.scope(stage.uid)
    await lookout.look(scope)
    lookout.watch(scope, jury.look_every, Watcher(lambda facts: judge(jury, facts), print))
    before, begin = processor_seconds(helper.process.pid) + time.process_time(), time.monotonic()
    await asyncio.to_thread(subprocess.run, [PYTHON, "-c", SPAWN, "2000", str(60 / 10_000)], user=stage.uid)
    spent = processor_seconds(helper.process.pid) + time.process_time() - before
    lasted = time.monotonic() - begin
    await lookout.close()
    return 100 * spent / lasted


def judge(jury: Jury, facts: Facts) -> None:
    """Judge as the daemon does."""
    jury.judge(facts, Instant(boot_clock(), time.time()))


SPAWN = """
import os, sys, time
count, gap, begin = int(sys.argv[1]), float(sys.argv[2]), time.monotonic()
for number in range(count):
    os.waitpid(os.posix_spawn("/usr/bin/sleep", ["sleep", "0.003"], {}), 0)
    time.sleep(max(0.0, begin + (number + 1) * gap - time.monotonic()))
"""


def processor_seconds(pid: int) -> float:
    """Read the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Read the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def percentile(values: list[float], share: int) -> float:
    """Give the value that `share` per cent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


if __name__ == "__main__":
    main()
