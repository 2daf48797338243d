"""The probes of the laptop itself, by the names of their facts."""

from collections.abc import Callable, Mapping
from pathlib import Path

from agent.probes.codec import Scope, Seen


def device_probes(
    root: Path,  # noqa: ARG001
    proc: Path,  # noqa: ARG001
    boot: Callable[[], float],  # noqa: ARG001
    wall: Callable[[], float],  # noqa: ARG001
) -> Mapping[str, Callable[[Scope], Seen]]:
    """Give each probe by the name of its fact."""
    return {}
