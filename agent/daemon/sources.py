"""Where facts come from besides the look helper: what every source can do, and which there are.

A source judges nothing and never raises for what it sees: a look that failed is `Unseen` with the reason.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Protocol

from agent.daemon.papers import PapersSource
from agent.network.plan import MARK, TABLE
from agent.posture.policy import Policy
from agent.probes import exposure, neighbourhood
from agent.probes.beacon import Beacon, BeaconSource
from agent.probes.codec import Seen
from agent.probes.link_source import LinkSource
from agent.probes.neighbourhood import WIRE_PROBE, Questions
from agent.probes.ours import Ours
from ike.config import Instant


class Source(Protocol):
    """Something that fills some fields of `Facts`, whose names it tells."""

    @property
    def facts(self) -> frozenset[str]:
        """The names of the fields."""
        ...

    async def read(self) -> Mapping[str, Seen]:
        """Look now, at all of them."""
        ...

    def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give them now and after each change, without end."""
        ...

    async def close(self) -> None:
        """Let go of whatever is held."""
        ...


def all_sources(
    policy: Callable[[], Policy],
    sought: Callable[[], str | None],
    bus: str,
    resolver_file: Path,
    clock: Callable[[], Instant],
) -> tuple[Source, ...]:
    """Give every source; `policy` tells the policy in force, which says what the network may be asked.

    `sought` tells the site whose beacon may be asked; whoever needs no beacon keeps its address from the network.
    """
    ours = Ours(INTERFACE, TABLE, MARK)
    return (
        LinkSource(bus),
        neighbourhood.NeighbourhoodSource(ours, lambda: _questions(policy(), resolver_file), bus=bus),
        exposure.ExposureSource(ours),
        BeaconSource(ours, lambda: _beacons(policy(), sought())),
        PapersSource(policy, clock),
    )


def _questions(policy: Policy, resolver_file: Path) -> Questions:
    network = policy.network
    return Questions(
        wire_probe=WIRE_PROBE if network.wire == "ask" else None,
        canary=network.canary.name if network.canary is not None else None,
        resolver_file=resolver_file,
        portal=network.portal.url if network.portal is not None else None,
    )


def _beacons(policy: Policy, sought: str | None) -> Mapping[str, Beacon]:
    site = policy.sites.get(sought) if sought is not None else None
    proof = None if site is None else site.inside
    if sought is None or proof is None or proof.beacon is None or proof.certificate is None:
        return {}
    return {sought: Beacon(proof.beacon, proof.port, proof.certificate)}


# Fixed by `agent.network.tun`, which lets the kernel number it.
INTERFACE = "sekisho0"
