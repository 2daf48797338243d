"""Derives every key of an IKE SA and its Child SAs from a shared secret; never stores or prints one.

SKEYSEED = prf(Ni | Nr, g^ir)                                    (RFC 7296 §2.14)
{SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr)
SKEYSEED' = prf(SK_d, g^ir | Ni | Nr)                            (rekeyed, RFC 7296 §2.18)
KEYMAT = prf+(SK_d, [g^ir |] Ni | Nr)                            (RFC 7296 §2.17)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Self

from ike.crypto.box import encryption_key_size, integrity_key_size
from ike.crypto.prf import prf
from ike.errors import ConfigError
from ike.proposal import Proposal, Transform
from ike.registry import TransformType


@dataclass(frozen=True, slots=True)
class Suite:
    """The algorithms of one SA; ESP has no PRF, a Child SA without its own key exchange no group."""

    encr: Transform
    prf: Transform | None
    integ: Transform | None
    group: int | None
    esn: bool

    @classmethod
    def of(cls, chosen: Proposal) -> Self:
        """Read a chosen proposal: at most one transform of each type; the number 0 says "none"."""
        by_type = {transform.type: transform for transform in chosen.transforms}
        encr = by_type.get(TransformType.ENCR)
        if encr is None or len(by_type) != len(chosen.transforms):
            raise ConfigError("a chosen proposal has one cipher and one transform of each type")
        integ, group, esn = (by_type.get(kind) for kind in (TransformType.INTEG, TransformType.KE, TransformType.ESN))
        return cls(
            encr=encr,
            prf=by_type.get(TransformType.PRF),
            integ=integ if integ is not None and integ.id else None,
            group=group.id if group is not None and group.id else None,
            esn=esn is not None and esn.id != 0,
        )


@dataclass(frozen=True, slots=True)
class IkeKeys:
    """The seven keys of an IKE SA (RFC 7296 §2.14); i and r are the SA's original roles."""

    sk_d: bytes = field(repr=False)
    sk_ai: bytes = field(repr=False)
    sk_ar: bytes = field(repr=False)
    sk_ei: bytes = field(repr=False)
    sk_er: bytes = field(repr=False)
    sk_pi: bytes = field(repr=False)
    sk_pr: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChildKeys:
    """The keys of a Child SA by direction, where the initiator is whoever asked for this exchange.

    Each of the first two is the cipher's key and its salt as one; the integrity keys are empty for AEAD.
    """

    initiator_to_responder: bytes = field(repr=False)
    responder_to_initiator: bytes = field(repr=False)
    integrity_initiator_to_responder: bytes = field(repr=False)
    integrity_responder_to_initiator: bytes = field(repr=False)


def derive(suite: Suite, shared: bytes, ni: bytes, nr: bytes, spi_i: bytes, spi_r: bytes) -> IkeKeys:
    """Derive the first keys of an IKE SA (RFC 7296 §2.14)."""
    return _spread(suite, prf(_prf_of(suite))(ni + nr, shared), ni + nr + spi_i + spi_r)


def derive_rekeyed(
    old_prf: Transform, old_sk_d: bytes, suite: Suite, shared: bytes, ni: bytes, nr: bytes, spi_i: bytes, spi_r: bytes
) -> IkeKeys:
    """Derive the keys of an IKE SA that replaces another; the old SA's PRF makes SKEYSEED (RFC 7296 §2.18)."""
    return _spread(suite, prf(old_prf)(old_sk_d, shared + ni + nr), ni + nr + spi_i + spi_r)


def child_keymat(
    ike_prf: Transform, sk_d: bytes, suite: Suite, ni: bytes, nr: bytes, shared: bytes | None = None
) -> ChildKeys:
    """Derive a Child SA's keys; `shared` if the exchange had its own key exchange (RFC 7296 §2.17)."""
    key, integrity = encryption_key_size(suite.encr), integrity_key_size(suite.integ)
    stream = prf(ike_prf).plus(sk_d, (shared or b"") + ni + nr, 2 * (key + integrity))
    key_out, integrity_out, key_in, integrity_in = _cut(stream, (key, integrity, key, integrity))
    return ChildKeys(key_out, key_in, integrity_out, integrity_in)


def _spread(suite: Suite, skeyseed: bytes, seed: bytes) -> IkeKeys:
    function = prf(_prf_of(suite))
    key, integrity = encryption_key_size(suite.encr), integrity_key_size(suite.integ)
    sizes = (function.size, integrity, integrity, key, key, function.size, function.size)
    return IkeKeys(*_cut(function.plus(skeyseed, seed, sum(sizes)), sizes))


def _cut(stream: bytes, sizes: Iterable[int]) -> list[bytes]:
    return [stream[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def _prf_of(suite: Suite) -> Transform:
    if suite.prf is None:
        raise ConfigError("an IKE suite needs a pseudorandom function")
    return suite.prf
