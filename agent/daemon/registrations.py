"""The wireless networks that people registered on this device: which, by whom and since when.

It keeps them in one file of its own and judges none of them; their names never leave the device.
"""

from dataclasses import dataclass
from pathlib import Path

from agent.daemon.memory import Memory
from agent.posture.checks.wifi import Strength
from agent.shapes import Bounds, shape


@dataclass(frozen=True, slots=True)
class Registration:
    """One network: its name, what it is called, the least protection, who registered it and when (since 1970)."""

    ssid: bytes
    title: str
    at_least: Strength
    uid: int
    since: float


@dataclass(frozen=True, slots=True)
class _Kept:
    networks: tuple[Registration, ...] = ()


class Registrations:
    """All registrations of this device; each change is on the disk before it counts.

    Without a file, they last for as long as the daemon runs.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept = _Kept() if path is None else _MEMORY.read(path)

    @property
    def all(self) -> tuple[Registration, ...]:
        """Give what is registered, the newest last."""
        return self._kept.networks

    def add(self, new: Registration) -> None:
        """Register a network; one of the same name is replaced. Raise OSError when it cannot be kept."""
        self._keep((*(one for one in self.all if one.ssid != new.ssid), new))

    def remove(self, old: Registration) -> None:
        """Forget a network. Raise OSError when that cannot be kept."""
        self._keep(tuple(one for one in self.all if one != old))

    def _keep(self, networks: tuple[Registration, ...]) -> None:
        kept = _Kept(networks)
        if self._path is not None:
            _MEMORY.write(self._path, kept)
        self._kept = kept


# Our choices: bytes of the file, characters, networks, and seconds since 1970.
_MEMORY = Memory(
    shape(_Kept, Bounds(text=200, items=64, whole=1 << 32, least=0.0, most=1e11)),
    most=1 << 16,
    nothing=_Kept(),
    lost="the registered networks cannot be read, so none is known",
)
