"""Which of systemd's system services have a running process, by their control groups; nobody is asked.

Users' own services do not count: only what root started does.
"""

from pathlib import Path

from agent.probes.small_files import UnreadableError, list_names, read_small, read_word


def list_running(root: Path) -> frozenset[str]:
    """Name the services that run; raise `UnreadableError` where systemd keeps no control groups."""
    tops = [root / "sys/fs/cgroup" / place / "system.slice" for place in HIERARCHIES]
    top = next((top for top in tops if top.is_dir()), None)
    if top is None:
        raise UnreadableError("systemd's services cannot be told on this computer")
    waiting, services = [top], dict[str, Path]()
    for _ in range(MOST_SLICES):
        folder = waiting.pop()
        for name in list_names(folder):
            if name.endswith(".slice"):
                waiting.append(folder / name)
            elif name.endswith(".service"):
                services[name] = folder / name
        if not waiting:
            return frozenset(name for name, group in services.items() if _is_populated(group))
    raise UnreadableError(f"there are more than {MOST_SLICES} groups of services")


def _is_populated(folder: Path) -> bool:
    """Tell whether a process is in a group or below it; the first version of the groups tells only of the group."""
    events = read_word(folder / "cgroup.events").split("\n")
    return "populated 1" in events or bool((read_small(folder / "cgroup.procs") or b"").strip())


# Fixed by systemd: the unified hierarchy, or its own beside the first version's.
HIERARCHIES = ("", "unified", "systemd")

# Our choice.
MOST_SLICES = 256
