"""Where installed Debian packages come from, as far as apt's lists tell it.

dpkg does not store it, so it is found again: a source that offers the very version, or a newer one.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from agent.posture.facts import Origin, Package
from agent.probes.packages.apt_lists import Lists, Offer, read_lists, stamp_lists
from agent.probes.packages.dpkg import Installed
from agent.probes.packages.versions import order


class Origins:
    """What the sources offer, read when asked to and kept until the lists change; `wall` is the wall clock."""

    def __init__(self, root: Path, wall: Callable[[], float]) -> None:
        """Prepare to read the lists below a root folder."""
        self._root = root
        self._wall = wall
        self._lists: Lists | None = None
        self._read_from: tuple[tuple[tuple[str, int, int], ...], frozenset[str]] = ((), frozenset())

    def refresh(self, installed: Collection[Installed]) -> None:
        """Read the lists if they changed, or if they were read for fewer packages; it takes up to seconds."""
        stamp, names = stamp_lists(self._root), frozenset(package.name for package in installed)
        read_stamp, read_names = self._read_from
        if self._lists is None or stamp != read_stamp or not names <= read_names:
            self._lists = read_lists(self._root, names)
            self._read_from = (stamp, names)

    def describe(self, installed: Installed, oldest: float | None) -> Package:
        """Tell a package with its origin, by lists at most `oldest` seconds old; None does not ask for it."""
        origin, offers = (Origin.UNCHECKED, ()) if oldest is None else self._find(installed, oldest)
        sources = sorted({offer.source.origin for offer in offers if offer.source.origin})
        return Package("dpkg", installed.name, installed.version, origin, tuple(sources[:MOST_SOURCES]))

    def _find(self, installed: Installed, oldest: float) -> tuple[Origin, tuple[Offer, ...]]:
        lists = self._lists
        if lists is None or not lists.sources:
            return Origin.UNCHECKED, ()
        offers = lists.offers.get(installed.name, ())
        if same := tuple(offer for offer in offers if _is_same(offer, installed)):
            return Origin.EXACT, same
        if lists.newest is None or not -CLOCK_MAY_DIFFER < self._wall() - lists.newest <= oldest:
            return Origin.LISTS_STALE, ()
        if newer := tuple(offer for offer in offers if order(offer.version) > order(installed.version)):
            return Origin.NAME_ONLY, newer
        return Origin.UNCHECKED if lists.unread else Origin.NONE, ()


def _is_same(offer: Offer, installed: Installed) -> bool:
    """Compare all that both control files tell: a package that was built here may carry a source's version."""
    sizes = {offer.size, installed.size} - {""}
    return (offer.version, offer.architecture) == (installed.version, installed.architecture) and len(sizes) < 2


# Our choices.
MOST_SOURCES = 8
CLOCK_MAY_DIFFER = 86_400.0  # a list from further ahead tells that our clock is wrong
