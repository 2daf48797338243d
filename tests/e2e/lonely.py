"""Knows the story of a laptop whose gateway dies while it is connected, and stays dead; it takes about a minute.

Never shares anything with the other tests: it has a scene of its own.
"""

import time
from dataclasses import dataclass

from tests.e2e.visit import Told, Visit
from tests.lab.run import Run, wait_until
from tests.lab.scene import Scene


@dataclass(frozen=True)
class Lonely:
    """What was told, and after how many seconds."""

    lost: Told
    lost_after: float
    unreachable: Told
    unreachable_after: float


def live(run: Run) -> Lonely:
    """Connect, lose the gateway, and ask once more in vain; the laptop is as before each time."""
    scene = Scene.set(run)
    visit = Visit.prepare(scene, "lonely")
    visit.start(scene.policy.replace("    networks:", "    timers:\n      liveness: 2s\n    networks:"))
    visit.connect()
    watch, began = visit.watch(), time.monotonic()
    scene.gateway.kill()
    wait_until(lambda: watch.states()[-1] == "refused", "the loss of the gateway", 40, pause=0.1)
    lost_after = time.monotonic() - began
    lost = visit.is_cut("peer.lost")
    watch.program.stop()
    began = time.monotonic()
    unreachable = visit.refused("gateway.unreachable")
    unreachable_after = time.monotonic() - began
    visit.end()
    return Lonely(lost, lost_after, unreachable, unreachable_after)
