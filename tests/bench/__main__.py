"""Takes every figure of this machine, one part after the other, and writes them to build/bench.json.

Each part is a module of this folder whose last printed line is one JSON object.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path


def main() -> int:
    """Run the parts; one that fails is named, and the others still run."""
    report: dict[str, object] = {"machine": machine(), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    failed = [part for part in PARTS if not _take(part, report)]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    print(f"Written to {os.path.relpath(REPORT)}.")
    if failed:
        print(f"Not measured, see above: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def machine() -> dict[str, object]:
    """Say on what machine this was measured."""
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    return {
        "processor": model.partition(":")[2].strip(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _take(part: str, report: dict[str, object]) -> bool:
    print(f"{part} ...", flush=True)
    done = subprocess.run((sys.executable, "-m", f"tests.bench.{part}"), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0 or not done.stdout:
        return False
    figures = report[part] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(figures, indent=2))
    return True


# Our choices
PARTS = ("handshake", "figures", "look", "esp")
REPORT = Path(__file__).parents[2] / "build" / "bench.json"

if __name__ == "__main__":
    sys.exit(main())
