"""Remembers which hardware addresses answered for each gateway while the link stayed the same.

It looks at nothing itself, and forgets when the link lost its carrier or its prefixes changed.
"""

from agent.posture.facts.network import Address
from agent.probes.neighbourhood.around import Around, Neighbour, Place


class Routers:
    """The hardware addresses of each gateway of the present place, in the order in which they were seen."""

    def __init__(self) -> None:
        """Know none."""
        self._seen: dict[Neighbour, tuple[Place, list[str]]] = {}

    def arrive(self, around: Around) -> None:
        """Take over what a look found; what was seen in another place is forgotten."""
        before, self._seen = self._seen, {}
        for place in around.places:
            where = (place.link.index, place.gateway)
            known, macs = before.get(where, (place, []))
            self._seen[where] = (place, macs if known == place else [])
            if (mac := around.neighbours.get(where)) is not None:
                self.answered(where, mac)

    def answered(self, neighbour: Neighbour, mac: str) -> bool:
        """Note who answered; tell whether that is news of a gateway."""
        _, macs = self._seen.get(neighbour, (None, None))
        if macs is None or mac in macs or len(macs) >= MOST_MACS:
            return False
        macs.append(mac)
        return True

    def macs(self, index: int, gateway: Address) -> tuple[str, ...]:
        """Give all that answered for a gateway."""
        _, macs = self._seen.get((index, gateway), (None, []))
        return tuple(macs)


# Our choices.
MOST_MACS = 16
