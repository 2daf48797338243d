"""How long a look takes and how much memory it needs, by the look helper alone with a crowd of programs.

Cold is a helper that has just been started: everything that it remembers while it runs is gone, and it reads the
package database again. What the kernel keeps of files is not dropped, for that would slow down the whole machine.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.posture.facts import Observed
from agent.probes.client import LookClient, Scope
from agent.probes.codec import FACTS
from tests.bench.look import crowd, resident
from tests.lab.run import LabError
from tests.look_helper import serving
from tests.processes import Stage, staged


@contextmanager
def crowded(programs: int) -> Iterator[Stage]:
    """Keep so many programs of packages running as a user of their own."""
    with TemporaryDirectory(prefix="posture-bench-") as name, staged(Path(name)) as stage, crowd(stage, programs):
        yield stage


def cold_looks(stage: Stage, trials: int) -> Iterator[float]:
    """Time, in milliseconds, the first look of new helpers, with what they read before they answer anybody."""
    for _ in range(trials):
        with serving(stage.folder) as helper:
            yield asyncio.run(_first_look(helper.socket, Scope(frozenset({stage.uid}))))


def warm_looks(stage: Stage, trials: int) -> Iterator[float]:
    """Time, in milliseconds, the looks that follow the first one."""
    with serving(stage.folder) as helper:
        yield from asyncio.run(_looks(helper.socket, Scope(frozenset({stage.uid})), trials + 1))[1:]


def full_size(stage: Stage) -> tuple[float, float]:
    """Look at everything there is a few times; milliseconds of the first one, and then the resident megabytes."""
    scope = Scope(
        frozenset({stage.uid}), hash="all", facts=frozenset(FACTS), folders=("/", "/home"), origins=MONTH_SECONDS
    )
    with serving(stage.folder) as helper:
        first, *_ = asyncio.run(_looks(helper.socket, scope, REPEATS))
        return first, resident(helper.process.pid) / 1e6


async def _first_look(socket: Path, scope: Scope) -> float:
    began = time.perf_counter()
    client = await LookClient.connect(socket, seconds=PATIENCE)
    await _look(client, scope)
    took = time.perf_counter() - began
    await client.close()
    return took * 1e3


async def _looks(socket: Path, scope: Scope, looks: int) -> list[float]:
    client = await LookClient.connect(socket, seconds=PATIENCE)
    times = [await _timed(client, scope) for _ in range(looks)]
    await client.close()
    return times


async def _timed(client: LookClient, scope: Scope) -> float:
    began = time.perf_counter()
    await _look(client, scope)
    return (time.perf_counter() - began) * 1e3


async def _look(client: LookClient, scope: Scope) -> None:
    programs = (await client.look(scope, seconds=PATIENCE))["programs"]
    if not isinstance(programs, Observed):
        raise LabError(f"the programs were not seen: {programs.why}")


# Our choices
MONTH_SECONDS = 30 * 86_400.0
PATIENCE = 60.0
REPEATS = 5
