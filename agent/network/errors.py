"""How setting up the network fails: at which step, and why, in one sentence.

It never decides what to do about it.
"""

from agent.words import quote


class NetworkRefused(Exception):
    """The system refused one step; whoever raises it has already put everything back."""

    def __init__(self, step: str, why: str) -> None:
        self.step = step
        self.why = quote(why)
        super().__init__(f"{step}: {self.why}")

    @property
    def code(self) -> str:
        """Name the entry of the catalogue of problems that tells this."""
        return "tun.refused" if self.step == "tun" else "network.refused"


def reason(error: OSError) -> str:
    """Say what the system said, without numbers."""
    return error.strerror or type(error).__name__
