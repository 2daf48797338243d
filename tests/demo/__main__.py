"""Shows the main job step by step and writes what was measured to build/demo.json.

A step that fails ends it with its reason and exit code 1; whatever happens, the lab is taken down.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from tests.demo import steps, telling
from tests.demo.stage import DemoError, Stage
from tests.lab import preflight
from tests.lab.run import LabError, Run
from tests.lab.snapshot import Snapshot


def main() -> int:
    """Run the demo and return its exit code."""
    preflight.require()
    REPORT.unlink(missing_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    began = time.monotonic()
    print("Sekisho on real parts: a doctor's laptop in a hotel, the hospital's gateway and PACS.\n", flush=True)
    try:
        with Run.open() as run:
            measured = _play(Stage.set(run))
    except (DemoError, LabError) as failed:
        print(f"\nThe demo failed: {failed}", file=sys.stderr)
        return 1
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n")
    print(f"\nAll six steps were shown in {time.monotonic() - began:.0f} s; what was measured: {_shown(REPORT)}")
    return 0


def show(stage: Stage) -> dict[str, object]:
    """Play the six steps and return what was measured."""
    before = Snapshot.take(stage.scene.laptop)
    with telling.step(1, "Refused: a program that nobody approved is running"):
        refusals = [steps.refuse_program(stage)]
    with telling.step(2, "Refused: the Wi-Fi is open"):
        refusals.append(steps.refuse_wifi(stage))
    wire = stage.watch_wire()
    with telling.step(3, f"Both cured: connected to {stage.gateway} behind the NAT"):
        connected = steps.connect(stage, wire)
    with telling.step(4, "A study is fetched through the tunnel, a report is sent back, nothing passes in clear"):
        equal = steps.fetch(stage, wire)
    with telling.step(5, "Cut: an unapproved program starts while the tunnel is open"):
        cut_ms = steps.cut(stage)
    with telling.step(6, "Disconnected: the laptop is as before"):
        clear = steps.restore(stage, wire, before)
    return {
        "gateway": stage.gateway,
        "refusals": [vars(refusal) for refusal in refusals],
        "connect_ms": connected.connect_ms,
        "handshake_ms": connected.handshake_ms,
        "image_sha256_equal": equal,
        "control_probe_seen": wire.probe_seen,
        "clear_packets": clear,
        "cut_ms": cut_ms,
        "restored": True,
    }


def _play(stage: Stage) -> dict[str, object]:
    try:
        return show(stage)
    except (DemoError, LabError):
        print(f"\nsekishod said last: {stage.endpoint.daemons[-1].last_words()}", file=sys.stderr)
        raise


def _stop(number: int, _: FrameType | None) -> None:
    """Leave by the usual way, which takes the lab down; a second signal does not interrupt that."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    print("\nStopped; taking the lab down ...", file=sys.stderr, flush=True)
    raise SystemExit(128 + number)


def _shown(path: Path) -> str:
    return os.path.relpath(path)


# Our choices
REPORT = Path(__file__).parents[2] / "build" / "demo.json"

if __name__ == "__main__":
    sys.exit(main())
