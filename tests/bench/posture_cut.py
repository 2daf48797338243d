"""How soon an open tunnel is closed: by a program that nobody approved, and by Wi-Fi without a password.

Milliseconds from the cause to the first packet that did not leave the laptop, one site opened for each trial.
"""

import time
from collections.abc import Iterator

from tests.bench.posture_lab import Road, Starter
from tests.lab.unapproved import Unapproved


def app_cuts(road: Road, trials: int) -> Iterator[float]:
    """Start another new program each time; from just before the kernel's exec."""
    laptop = road.scene.laptop
    starter = Starter.start(laptop)
    for number in range(trials + 1):
        path = Unapproved.install(laptop, f"stranger-{number}")
        with road.opened() as tunnel, starter.running(path) as began:
            took = tunnel.closed("apps.unapproved") - began
        if number:  # the first one also finds whatever nobody needed before
            yield took * 1e3
    starter.program.stop()


def network_cuts(road: Road, trials: int) -> Iterator[float]:
    """Move to an open network each time; from before the laptop leaves the one at home."""
    wifi, cafe = road.scene.wifi, road.scene.wifi.open_network("CafeFree")
    for number in range(trials + 1):
        with road.opened() as tunnel:
            began = time.time()
            wifi.switch_to(cafe)
            took = tunnel.closed("wifi.trust") - began
        wifi.switch_to(road.scene.home)
        if number:
            yield took * 1e3
