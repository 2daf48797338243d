"""Makes SAs out of what was negotiated: offers, SPIs, keys, lifetimes; it sends nothing and chooses nothing."""

from dataclasses import replace

from ike.chain import NO_SPI
from ike.config import Dice, Endpoint, Instant, Terms, Timers
from ike.crypto import box_for
from ike.effects import ChildSa, Effects, Rekeyed
from ike.errors import ConfigError, PeerError
from ike.keys import IkeKeys, Suite, child_keymat, derive, derive_rekeyed
from ike.payloads import SecurityAssociation
from ike.proposal import Proposal, Transform, groups, no_stronger_than, with_group, with_spi, without_group
from ike.selectors import Selector
from ike.state import Child, Established, IkeSa, Phase
from ike.window import Window


def ike_spi(dice: Dice) -> bytes:
    """Draw an IKE SPI; zero means "none yet" and is never one (RFC 7296 §3.1)."""
    return dice(IKE_SPI_SIZE).replace(NO_SPI, b"\0" * (IKE_SPI_SIZE - 1) + b"\1")


def child_spi(dice: Dice) -> int:
    """Draw an ESP SPI above the reserved ones (RFC 4303 §2.1)."""
    return max(int.from_bytes(dice(CHILD_SPI_SIZE)), FIRST_CHILD_SPI)


def child_offer(terms: Terms, sa: IkeSa, spi: int, wanted: tuple[int, ...]) -> SecurityAssociation:
    """Offer a Child SA, with a key exchange of its own in a wanted group if there is one (RFC 7296 §1.3.1)."""
    offered = child_proposals(terms, sa, wanted)
    if not offered:
        raise ConfigError("every cipher for packets is stronger than the one of the IKE SA", code="proposal.none")
    return SecurityAssociation(with_spi(offered, spi.to_bytes(CHILD_SPI_SIZE)))


def child_proposals(terms: Terms, sa: IkeSa, wanted: tuple[int, ...]) -> tuple[Proposal, ...]:
    """List what a Child SA may be made of: with a wanted group, and without one if none is wanted or policy allows.

    No cipher is stronger than the IKE SA's, for the keys of both come from its exchange.
    """
    plain = no_stronger_than(sa.suite.encr, without_group(terms.esp_proposals))
    fresh = with_group(plain, *wanted) if wanted else ()
    return fresh if fresh and terms.rekey_pfs else (*fresh, *plain)


def child_groups(terms: Terms, sa: IkeSa) -> tuple[int, ...]:
    """List the groups for a Child SA's own key exchange: the policy's for ESP, or else the IKE SA's and its like."""
    own = () if sa.suite.group is None else (sa.suite.group,)
    return groups(terms.esp_proposals) or tuple(dict.fromkeys((*own, *groups(terms.ike_proposals))))


def first_ike_sa(
    suite: Suite,
    shared: bytes,
    nonces: tuple[bytes, bytes],
    spis: tuple[bytes, bytes],
    *,
    initiator: bool,
    peer: Endpoint,
    fragment_size: int | None,
) -> IkeSa:
    """Make the IKE SA of an IKE_SA_INIT, whose message id 0 is already used up."""
    keys = derive(suite, shared, *nonces, *spis)
    window = Window(ours=1) if initiator else Window(theirs=1)
    return _ike_sa(suite, keys, spis, initiator, peer, fragment_size, window)


def next_ike_sa(
    old: IkeSa,
    suite: Suite,
    shared: bytes,
    nonces: tuple[bytes, bytes],
    spis: tuple[bytes, bytes],
    *,
    initiator: bool,
) -> IkeSa:
    """Make the IKE SA that replaces another; its ids start anew (RFC 7296 §2.18)."""
    keys = derive_rekeyed(prf_of(old), old.keys.sk_d, suite, shared, *nonces, *spis)
    return _ike_sa(suite, keys, spis, initiator, old.peer, old.fragment_size, Window())


def child_sa(
    sa: IkeSa,
    suite: Suite,
    nonces: tuple[bytes, bytes],
    shared: bytes | None,
    *,
    asked: bool,
    spis: tuple[int, int],
    selectors: tuple[tuple[Selector, ...], tuple[Selector, ...]],
) -> ChildSa:
    """Make a Child SA; `asked` says that this exchange was ours, `spis` are in and out, `selectors` local and remote.

    The asker's direction is keyed first (RFC 7296 §2.17).
    """
    if spis[1] < FIRST_CHILD_SPI:
        raise PeerError(f"the peer named its Child SA by the reserved SPI {spis[1]}")
    keys = child_keymat(prf_of(sa), sa.keys.sk_d, suite, *nonces, shared)
    forth = (keys.initiator_to_responder, keys.integrity_initiator_to_responder)
    back = (keys.responder_to_initiator, keys.integrity_responder_to_initiator)
    (key_out, integrity_out), (key_in, integrity_in) = (forth, back) if asked else (back, forth)
    return ChildSa(
        spi_in=spis[0],
        spi_out=spis[1],
        suite=suite,
        key_in=key_in,
        key_out=key_out,
        integrity_in=integrity_in,
        integrity_out=integrity_out,
        local=selectors[0],
        remote=selectors[1],
        peer=sa.peer,
    )


def live(sa: ChildSa, timers: Timers, now: Instant, dice: Dice, *, outbound: bool) -> Child:
    """Give a Child SA its dates."""
    rekey_at = now.boot + jittered(timers.child_rekey, timers, dice)
    return Child(sa, rekey_at, rekey_at + timers.overdue, outbound)


def replaced(child: Child, now: Instant) -> Child:
    """Leave the deletion of a Child SA to the peer, for a while."""
    return replace(child, phase=Phase.REPLACED, until=now.boot + LINGER)


def establish(terms: Terms, sa: IkeSa, child: ChildSa | None, now: Instant, dice: Dice) -> Established:
    """Begin the life of an authenticated IKE SA with its first Child SA, if that came about."""
    rekey_at = now.boot + jittered(terms.timers.ike_rekey, terms.timers, dice)
    return Established(
        terms=terms,
        ike=sa,
        others=(),
        children=() if child is None else (live(child, terms.timers, now, dice, outbound=True),),
        heard_at=now.boot,
        probe_at=now.boot + terms.timers.liveness,
        ike_rekey_at=rekey_at,
        ike_stop_at=rekey_at + terms.timers.overdue,
    )


def promote(state: Established, name: bytes, now: Instant, dice: Dice) -> tuple[Established, Effects]:
    """Use the IKE SA of this name from now on; the one before waits for its deletion."""
    chosen = next((sa for sa in state.others if sa.name == name), None)
    if chosen is None:
        return state, ()
    old = replace(state.ike, until=now.boot + LINGER)
    others = (*(sa for sa in state.others if sa.name != name), old)
    timers = state.terms.timers
    rekey_at = now.boot + jittered(timers.ike_rekey, timers, dice)
    moved = replace(state, ike=chosen, others=others, ike_rekey_at=rekey_at, ike_stop_at=rekey_at + timers.overdue)
    return moved, (Rekeyed("ike"),)


def jittered(seconds: float, timers: Timers, dice: Dice) -> float:
    """Spread a time by the share that the timers allow, so that two ends rarely act at once."""
    spread = int.from_bytes(dice(2)) / 0x8000 - 1.0
    return seconds * (1.0 + timers.jitter * spread)


def prf_of(sa: IkeSa) -> Transform:
    """Give the pseudorandom function that every IKE suite has."""
    if sa.suite.prf is None:
        raise ConfigError("an IKE suite needs a pseudorandom function")
    return sa.suite.prf


def _ike_sa(
    suite: Suite,
    keys: IkeKeys,
    spis: tuple[bytes, bytes],
    initiator: bool,
    peer: Endpoint,
    fragment_size: int | None,
    window: Window,
) -> IkeSa:
    if any(len(spi) != IKE_SPI_SIZE or spi == NO_SPI for spi in spis):
        raise PeerError("the peer gave its IKE SA no SPI")
    box_i = box_for(suite.encr, suite.integ, keys.sk_ei, keys.sk_ai)
    box_r = box_for(suite.encr, suite.integ, keys.sk_er, keys.sk_ar)
    outward, inward = (box_i, box_r) if initiator else (box_r, box_i)
    return IkeSa(*spis, initiator, suite, keys, outward, inward, peer, fragment_size, window)


# Fixed by RFC 7296 §3.1, RFC 4303 §2.1
IKE_SPI_SIZE = 8
CHILD_SPI_SIZE = 4
FIRST_CHILD_SPI = 256

# Our choices: a nonce at least half as long as every PRF key (RFC 7296 §2.10),
# and how long a replaced SA waits for its deletion, and answers a repeated one
NONCE_SIZE = 32
LINGER = 60.0
