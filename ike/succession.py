"""CREATE_CHILD_SA for an IKE SA (RFC 7296 §1.3.2, §2.18): rekeys and collisions; no Child SA is touched.

HDR, SK {SA, Ni, KEi}  -->  /  <--  HDR, SK {SA, Nr, KEr}

Who asked for the successor deletes the old IKE SA.
"""

from dataclasses import replace

from ike.association import LINGER, NONCE_SIZE, ike_spi, jittered, next_ike_sa, promote
from ike.config import Dice, Instant
from ike.crypto import generate
from ike.effects import Effects, Note
from ike.errors import PeerError
from ike.exchange import answer, ask, refuse
from ike.grammar import IKE, complaint, name_notify, one
from ike.keys import Suite
from ike.message import Message
from ike.payloads import Delete, KeyExchange, Nonce, Notify, SecurityAssociation
from ike.proposal import check_chosen, choose, groups, with_spi
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.state import DeletingChild, Established, IkeSa, Leaving, RekeyingChild, RekeyingIke, Rival


def rekey(state: Established, now: Instant, dice: Dice) -> tuple[Established, Effects]:
    """Ask for the successor of the IKE SA."""
    sa, proposals = state.ike, state.terms.ike_proposals
    offered = groups(proposals)
    group = sa.suite.group if sa.suite.group in offered else None
    group = offered[0] if group is None else group
    agreement, nonce, spi = generate(group, dice), dice(NONCE_SIZE), ike_spi(dice)
    offer = SecurityAssociation(with_spi(proposals, spi))
    payloads = (offer, Nonce(nonce), KeyExchange(group, agreement.public))
    task = RekeyingIke(spi, offer, nonce, group, agreement)
    sa, effects = ask(sa, ExchangeType.CREATE_CHILD_SA, payloads, task, state.terms.timers.schedule, now, dice)
    return state.having(sa), effects


def on_request(
    state: Established, sa: IkeSa, message: Message, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    """Answer the peer's wish for the successor of the IKE SA (RFC 7296 §2.25.2)."""
    collided = isinstance(sa.task, RekeyingIke) and sa.task.rival is not None
    busy = collided or isinstance(sa.task, RekeyingChild | DeletingChild | Leaving)
    if sa.name != state.ike.name or busy or len(state.others) >= MOST_OTHERS:
        return _refuse(state, sa, message, NotifyType.TEMPORARY_FAILURE, dice)
    IKE.check(message.payloads)
    chosen = choose(one(message.payloads, SecurityAssociation).proposals, state.terms.ike_proposals)
    if chosen is None:
        return _refuse(state, sa, message, NotifyType.NO_PROPOSAL_CHOSEN, dice)
    exchange, group = one(message.payloads, KeyExchange), groups((chosen,))[0]
    if exchange.group != group:
        return _refuse(state, sa, message, NotifyType.INVALID_KE_PAYLOAD, dice, group.to_bytes(2))
    agreement, spi = generate(group, dice), ike_spi(dice)
    ni, nr = one(message.payloads, Nonce).data, dice(NONCE_SIZE)
    shared = agreement.shared(exchange.public)
    made = next_ike_sa(sa, Suite.of(chosen), shared, (ni, nr), (chosen.spi, spi), initiator=False)
    payloads = (
        SecurityAssociation((replace(chosen, spi=spi),)),
        Nonce(nr),
        KeyExchange(group, agreement.public),
    )
    sa, effects = answer(sa, message.header, payloads, dice)
    state = replace(state, ike=sa, others=(*state.others, made))
    if isinstance(sa.task, RekeyingIke):
        return state.having(replace(sa, task=replace(sa.task, rival=Rival(spi, min(ni, nr))))), effects
    state, told = promote(state, made.name, now, dice)
    return state, (*effects, *told)


def on_answer(
    state: Established, sa: IkeSa, task: RekeyingIke, message: Message, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    """Take the successor, and decide which of two survives if the peer made one too."""
    error = complaint(message.payloads)
    if error is not None:
        return _on_refusal(state, sa, task, error, now, dice)
    made, nonce = successor(sa, task, message), one(message.payloads, Nonce).data
    if task.rival is not None and min(task.nonce, nonce) < task.rival.lowest:
        # ours came second: it is ours to delete, and the old one the peer's (RFC 7296 §2.8.1)
        state, told = promote(state, task.rival.name, now, dice)
        made, effects = _take_leave(state, made, now, dice)
        return replace(state, others=(*state.others, made)), (*told, *effects)
    lingering = tuple(_lingering(other, task.rival, now) for other in state.others)
    state, told = promote(replace(state, others=(*lingering, made)), made.name, now, dice)
    old = state.by_name(sa.name)
    if old is None or old.window.pending is not None:
        return state, told
    old, effects = _take_leave(state, old, now, dice)
    return state.having(old), (*told, *effects)


def successor(sa: IkeSa, task: RekeyingIke, message: Message) -> IkeSa:
    """Make the IKE SA out of the answer, refusing what was not offered."""
    IKE.check(message.payloads)
    chosen = check_chosen(task.offer.proposals, one(message.payloads, SecurityAssociation).proposals)
    exchange, suite = one(message.payloads, KeyExchange), Suite.of(chosen)
    if not exchange.group == suite.group == task.group:
        raise PeerError("the rekeyed IKE SA uses a group that was not asked for", code="proposal.none")
    shared = task.agreement.shared(exchange.public)
    return next_ike_sa(
        sa, suite, shared, (task.nonce, one(message.payloads, Nonce).data), (task.spi, chosen.spi), initiator=True
    )


def _lingering(sa: IkeSa, rival: Rival | None, now: Instant) -> IkeSa:
    """Give the peer's redundant successor the time it takes the peer to delete it."""
    return sa if rival is None or sa.name != rival.name else replace(sa, until=now.boot + LINGER)


def _take_leave(state: Established, sa: IkeSa, now: Instant, dice: Dice) -> tuple[IkeSa, Effects]:
    gone = replace(sa, until=now.boot + LINGER)
    last_words = (Delete(ProtocolId.IKE),)
    return ask(gone, ExchangeType.INFORMATIONAL, last_words, Leaving(), state.terms.timers.schedule, now, dice)


def _on_refusal(
    state: Established, sa: IkeSa, task: RekeyingIke, error: Notify, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    """Take the peer's own successor if there is one, else try again later (RFC 7296 §2.25)."""
    note = Note("rekey.refused", f"the peer answered {name_notify(error)} to an IKE SA rekey")
    if task.rival is not None and sa.name == state.ike.name:
        state, told = promote(state, task.rival.name, now, dice)
        return state, (note, *told)
    timers = state.terms.timers
    wait = timers.busy if error.kind == NotifyType.TEMPORARY_FAILURE else timers.overdue / 4
    return replace(state, ike_rekey_at=now.boot + jittered(wait, timers, dice)), (note,)


def _refuse(
    state: Established, sa: IkeSa, message: Message, why: NotifyType, dice: Dice, data: bytes = b""
) -> tuple[Established, Effects]:
    sa, effects = refuse(sa, message.header, why, dice, data=data)
    return state.having(sa), effects


# Our choice: a gateway that rekeys faster than replaced IKE SAs go has to wait
MOST_OTHERS = 64
