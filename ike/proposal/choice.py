"""Choosing one proposal out of an offer, and checking a choice (RFC 7296 §2.7); it knows no algorithm by name."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ike.errors import PeerError
from ike.proposal.transforms import Proposal, Transform
from ike.registry import NotifyType, TransformType


def choose(offered: Iterable[Proposal], acceptable: Sequence[Proposal]) -> Proposal | None:
    """Choose as the responder: the first of our `acceptable` proposals that some offer can meet, by our preference.

    The answer carries the offer's number and SPI; replace the SPI by our own.
    """
    offers = tuple(offered)
    answers = (_meet(offer, wanted) for wanted in acceptable for offer in offers)
    return next((answer for answer in answers if answer), None)


def check_chosen(offered: Iterable[Proposal], answer: Sequence[Proposal]) -> Proposal:
    """Check as the initiator that the answer is one transform of each type out of one proposal we offered."""
    if len(answer) != 1:
        raise _none_chosen(f"the gateway chose {len(answer)} proposals where it must choose one")
    chosen = answer[0]
    for offer in offered:
        if offer.number == chosen.number and _is_choice(chosen, offer):
            return chosen
    raise _none_chosen("the gateway chose a proposal that was not offered")


def _meet(offer: Proposal, wanted: Proposal) -> Proposal | None:
    if offer.protocol != wanted.protocol:
        return None
    picked = []
    for kind in dict.fromkeys((*wanted.kinds, *offer.kinds)):
        ours, theirs = wanted.of(kind) or _nothing(kind), offer.of(kind) or _nothing(kind)
        common = [transform for transform in ours if transform in theirs]
        if not common:
            return None
        picked += common[:1] if common[0] in offer.transforms else []
    return replace(offer, transforms=tuple(picked))


def _is_choice(chosen: Proposal, offer: Proposal) -> bool:
    if chosen.protocol != offer.protocol or len(chosen.spi) != len(offer.spi):
        return False
    for kind in dict.fromkeys((*offer.kinds, *chosen.kinds)):
        taken = chosen.of(kind) or _nothing(kind)
        if len(taken) != 1 or taken[0] not in (offer.of(kind) or _nothing(kind)):
            return False
    return True


def _nothing(kind: int) -> tuple[Transform, ...]:
    """No transform of a type means the same as its NONE, where the type has one (RFC 7296 §3.3.6)."""
    return (Transform(kind, 0),) if kind in OPTIONAL_TYPES else ()


def _none_chosen(detail: str) -> PeerError:
    return PeerError(detail, code="proposal.none", notify=NotifyType.NO_PROPOSAL_CHOSEN)


# Fixed by RFC 7296 §3.3.3 and RFC 9370 §2.2.1
OPTIONAL_TYPES = frozenset(
    {TransformType.INTEG, *range(TransformType.KE, TransformType.ADDKE7 + 1)} - {TransformType.ESN}
)
