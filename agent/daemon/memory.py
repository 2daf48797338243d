"""What the daemon keeps over restarts: a frozen class a file, written whole and read strictly.

What is in it, and what follows when it is lost, is the keeper's to say.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from agent.daemon.files import read_private, why_unreadable, write_private
from agent.shapes import plain

Kept = TypeVar("Kept")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Memory(Generic[Kept]):
    """One kind of file: how it is understood, its most bytes, what holds without one, and what is lost with it."""

    understand: Callable[[object], Kept]
    most: int
    nothing: Kept
    lost: str

    def read(self, path: Path) -> Kept:
        """Give what was kept; what is not understood is told in the log and left aside."""
        try:
            return self.understand(json.loads(read_private(path, self.most)))
        except FileNotFoundError:
            return self.nothing
        except (OSError, ValueError, RecursionError) as error:
            why = "it is nested too deep" if isinstance(error, RecursionError) else why_unreadable(error)
            log.error("%s: %s", self.lost, why)
            return self.nothing

    def write(self, path: Path, kept: Kept) -> None:
        """Keep this from now on; raise OSError when that cannot be."""
        write_private(path, json.dumps(kept, default=plain).encode())
