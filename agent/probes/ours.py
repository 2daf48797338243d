"""What of the machine's network is Sekisho's own, so that no look takes it for somebody else's."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ours:
    """The tunnel's interface, its routing table, and the mark of our sockets, which passes our own routing rules."""

    interface: str
    table: int
    mark: int
