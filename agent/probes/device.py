"""The probes of the laptop itself, by the name of the fact that each fills in."""

from collections.abc import Callable, Mapping
from pathlib import Path

from agent.probes.antimalware import look_at_antimalware
from agent.probes.boot import look_at_boot
from agent.probes.clock import look_at_clock, read_discipline
from agent.probes.codec import Scope, Seen
from agent.probes.locking import look_at_locking
from agent.probes.storage import look_at_storage
from agent.probes.updates import look_at_updates
from agent.probes.usb import look_at_usb


def device_probes(
    root: Path, proc: Path, boot: Callable[[], float], wall: Callable[[], float]
) -> Mapping[str, Callable[[Scope], Seen]]:
    """Give the probes that look below `root` and `proc`, by the boot clock and the wall clock."""
    return {
        "antimalware": lambda scope: look_at_antimalware(root, boot, wall, scope.scanners),
        "storage": lambda scope: look_at_storage(root, proc, boot, scope.uids, scope.folders),
        "locking": lambda scope: look_at_locking(root, proc, boot, scope.uids),
        "updates": lambda _: look_at_updates(root, boot, wall),
        "usb": lambda _: look_at_usb(root, proc, boot),
        "clock": lambda _: look_at_clock(boot, read_discipline),
        "boot": lambda _: look_at_boot(root, boot),
    }
