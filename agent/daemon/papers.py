"""This computer's certificates, one per site: until when each holds, and whether the named authorities issued it.

It reads no key, and asks nobody whether a certificate was revoked.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from agent.daemon.files import read_bounded, read_trusted, why_unreadable
from agent.posture.facts import Grade, Observed, Papers, Told
from agent.posture.facts.device import Paper
from agent.posture.policy import Policy, Site
from agent.probes.codec import Seen
from ike.config import Instant
from ike.crypto import read_pem
from ike.crypto.certificates import CertificateError
from ike.crypto.chain import Role, read_bag, verify_chain
from ike.errors import IkeError


class PapersSource:
    """The certificates that the policy in force names, read at each look."""

    facts = frozenset({"papers"})

    def __init__(self, policy: Callable[[], Policy], now: Callable[[], Instant]) -> None:
        """Remember whom to ask for the policy and for the time."""
        self._policy = policy
        self._now = now

    async def read(self) -> Mapping[str, Seen]:
        """Read every site's certificate now."""
        policy, now = self._policy(), self._now()
        papers = await asyncio.to_thread(read_papers, policy, now.wall)
        return {"papers": Observed(papers, Grade.ROOT, METHOD, now.boot)}

    async def watch(self) -> AsyncGenerator[Mapping[str, Seen], None]:
        """Give them now; a file that is replaced shows at the next look."""
        yield await self.read()
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Let go of nothing, for nothing is held."""


def read_papers(policy: Policy, wall: float) -> Papers:
    """Read the certificate of every site, as it is at `wall` (seconds since 1970)."""
    named = policy.device.identity.authorities
    return Papers(tuple(_read(name, site, named, wall) for name, site in policy.sites.items()))


def _read(name: str, site: Site, named: tuple[str, ...], wall: float) -> Paper:
    authorities = named or tuple(dict.fromkeys(anchor for one in site.gateways for anchor in one.anchors))
    try:
        sent = read_pem(read_bounded(Path(site.certificate), LARGEST_FILE))
        anchors = [der for file in authorities for der in read_pem(read_trusted(Path(file), LARGEST_FILE))]
        return _judge(name, sent, anchors, wall)
    except (OSError, ValueError) as error:
        return Paper(name, 0.0, 0.0, Told.UNTOLD, why_unreadable(error))
    except IkeError as error:
        return Paper(name, 0.0, 0.0, Told.UNTOLD, error.detail)


def _judge(name: str, sent: tuple[bytes, ...], anchors: list[bytes], wall: float) -> Paper:
    """Ask who issued it at an instant when it held, for that it has ended is another matter."""
    leaf, *others = read_bag(sent)
    at = min(max(wall, leaf.not_before), leaf.not_after - 1)
    try:
        chain = verify_chain(leaf, others, anchors, at, Role.CLIENT)
    except CertificateError as error:
        ours = Told.UNTOLD if error.code in OUT_OF_TIME else Told.NO
        return Paper(name, leaf.not_before, leaf.not_after, ours, error.detail)
    return Paper(name, leaf.not_before, chain.valid_until, Told.YES)


# An authority whose time is over does not say whether it issued the certificate.
OUT_OF_TIME = frozenset({"gateway.certificate.expired", "gateway.certificate.not_yet_valid"})

# Our choices, the size in bytes.
METHOD = "certificate files"
LARGEST_FILE = 256 * 1024
