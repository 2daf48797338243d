"""CREATE_CHILD_SA for a Child SA (RFC 7296 §1.3.1, §1.3.3): rekeys and collisions; no IKE SA is made here.

HDR, SK {N(REKEY_SA), SA, Ni, [KEi,] TSi, TSr}  -->  /  <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}

Make before break: the new SA is in place before the old one is deleted. Who asked
sends on it at once; who answered, when the old one is deleted.
"""

from dataclasses import replace

from ike.association import (
    CHILD_SPI_SIZE,
    NONCE_SIZE,
    child_groups,
    child_offer,
    child_proposals,
    child_sa,
    child_spi,
    jittered,
    live,
    replaced,
)
from ike.config import Dice, Instant
from ike.crypto import generate
from ike.effects import ChildSa, Effects, InstallChild, Note, Rekeyed
from ike.errors import PeerError
from ike.exchange import answer, ask, refuse
from ike.grammar import CHILD, complaint, maybe, name_notify, notified, one
from ike.keys import Suite
from ike.message import Message
from ike.payloads import KeyExchange, Nonce, Notify, Payload, SecurityAssociation, TsInitiator, TsResponder
from ike.proposal import Proposal, check_chosen, choose, groups
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.selectors import narrow, within
from ike.state import Child, Established, IkeSa, Phase, RekeyingChild, Rival


def rekey(
    state: Established, old: Child, now: Instant, dice: Dice, *, wish: int | None = None, group_changes: int = 0
) -> tuple[Established, Effects]:
    """Ask for the successor of a Child SA, with a key exchange in our best group or the one that the peer wishes."""
    known = child_groups(state.terms, state.ike)
    group = next(iter(known), None) if wish is None else wish
    spi, nonce = child_spi(dice), dice(NONCE_SIZE)
    offer = child_offer(state.terms, state.ike, spi, known)
    agreement = None if group is None else generate(group, dice)
    exchange = () if group is None or agreement is None else (KeyExchange(group, agreement.public),)
    payloads: tuple[Payload, ...] = (
        Notify(NotifyType.REKEY_SA, b"", ProtocolId.ESP, old.sa.spi_in.to_bytes(CHILD_SPI_SIZE)),
        offer,
        Nonce(nonce),
        *exchange,
        TsInitiator(old.sa.local),
        TsResponder(old.sa.remote),
    )
    task = RekeyingChild(old.sa.spi_in, spi, offer, nonce, group, agreement, old.sa.local, old.sa.remote, group_changes)
    sa, effects = ask(state.ike, ExchangeType.CREATE_CHILD_SA, payloads, task, state.terms.timers.schedule, now, dice)
    return state.having(sa), effects


def on_request(
    state: Established, sa: IkeSa, message: Message, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    """Answer the peer's wish for the successor of a Child SA; a further Child SA is not wanted."""
    wish = notified(message.payloads, NotifyType.REKEY_SA)
    if wish is None:
        return _refuse(state, sa, message, NotifyType.NO_ADDITIONAL_SAS, dice)
    old = state.outward(int.from_bytes(wish.spi))
    if old is None or old.phase is Phase.RETIRED:
        return _refuse(state, sa, message, NotifyType.CHILD_SA_NOT_FOUND, dice, spi=wish.spi)
    collided = isinstance(sa.task, RekeyingChild) and sa.task.rival is not None
    if old.phase is not Phase.LIVE or collided or len(state.children) >= MOST_CHILDREN:
        return _refuse(state, sa, message, NotifyType.TEMPORARY_FAILURE, dice)
    CHILD.check(message.payloads)
    offered = one(message.payloads, SecurityAssociation).proposals
    acceptable = child_groups(state.terms, sa)
    chosen = choose(offered, child_proposals(state.terms, sa, acceptable))
    if chosen is None:
        return _refuse(state, sa, message, NotifyType.NO_PROPOSAL_CHOSEN, dice)
    wanted, exchange = _group(chosen), maybe(message.payloads, KeyExchange)
    if wanted is not None and (exchange is None or exchange.group != wanted):
        return _refuse(state, sa, message, NotifyType.INVALID_KE_PAYLOAD, dice, data=wanted.to_bytes(2))
    return _succeed(state, sa, old, chosen, message, now, dice)


def on_answer(
    state: Established, sa: IkeSa, task: RekeyingChild, message: Message, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    """Take the successor, and decide which of two survives if the peer made one too."""
    error = complaint(message.payloads)
    if error is not None:
        return _on_refusal(state, task, error, now, dice)
    CHILD.check(message.payloads)
    nonce = one(message.payloads, Nonce).data
    made = _made(sa, task, message)
    child = live(made, state.terms.timers, now, dice, outbound=True)
    if task.rival is not None and min(task.nonce, nonce) < task.rival.lowest:
        return _lose(state, task, child, now)
    old = state.inbound(task.old)
    if old is not None and old.phase is Phase.LIVE:
        state = state.keeping(replace(old, phase=Phase.DOOMED))
    rival = None if task.rival is None else state.inbound(int.from_bytes(task.rival.name))
    if rival is not None and rival.phase is Phase.LIVE:
        state = state.keeping(replaced(rival, now))
    others = tuple(replace(other, outbound=False) for other in state.children)
    state = replace(state, children=(*others, child))
    return state, (InstallChild(made, outbound=True), Rekeyed("child"))


def _succeed(
    state: Established, sa: IkeSa, old: Child, chosen: Proposal, message: Message, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    theirs = narrow(one(message.payloads, TsInitiator).selectors, old.sa.remote)
    ours = narrow(one(message.payloads, TsResponder).selectors, old.sa.local)
    if not (theirs and ours):
        return _refuse(state, sa, message, NotifyType.TS_UNACCEPTABLE, dice)
    group, exchange = _group(chosen), maybe(message.payloads, KeyExchange)
    agreement = None if group is None else generate(group, dice)
    shared = None if agreement is None or exchange is None else agreement.shared(exchange.public)
    spi, ni, nr = child_spi(dice), one(message.payloads, Nonce).data, dice(NONCE_SIZE)
    made = child_sa(
        sa,
        Suite.of(chosen),
        (ni, nr),
        shared,
        asked=False,
        spis=(spi, int.from_bytes(chosen.spi)),
        selectors=(ours, theirs),
    )
    public = () if group is None or agreement is None else (KeyExchange(group, agreement.public),)
    payloads: tuple[Payload, ...] = (
        SecurityAssociation((replace(chosen, spi=spi.to_bytes(CHILD_SPI_SIZE)),)),
        Nonce(nr),
        *public,
        TsInitiator(theirs),
        TsResponder(ours),
    )
    sa, effects = answer(sa, message.header, payloads, dice)
    task = sa.task
    if isinstance(task, RekeyingChild) and task.old == old.sa.spi_in:
        sa = replace(sa, task=replace(task, rival=Rival(spi.to_bytes(CHILD_SPI_SIZE), min(ni, nr))))
    else:
        state = state.keeping(replaced(old, now))
    state = state.having(sa).keeping(live(made, state.terms.timers, now, dice, outbound=False))
    return state, (InstallChild(made, outbound=False), *effects)


def _made(sa: IkeSa, task: RekeyingChild, message: Message) -> ChildSa:
    """Make the successor out of the answer, refusing what was not offered."""
    chosen = check_chosen(task.offer.proposals, one(message.payloads, SecurityAssociation).proposals)
    ours, theirs = one(message.payloads, TsInitiator), one(message.payloads, TsResponder)
    fitting = within(ours.selectors, task.local) and within(theirs.selectors, task.remote)
    if not (ours.selectors and theirs.selectors and fitting):
        raise PeerError("the rekeyed Child SA has traffic selectors that were not offered", code="ts.unacceptable")
    return child_sa(
        sa,
        Suite.of(chosen),
        (task.nonce, one(message.payloads, Nonce).data),
        _shared(task, _group(chosen), maybe(message.payloads, KeyExchange)),
        asked=True,
        spis=(task.spi, int.from_bytes(chosen.spi)),
        selectors=(ours.selectors, theirs.selectors),
    )


def _shared(task: RekeyingChild, group: int | None, exchange: KeyExchange | None) -> bytes | None:
    if group is None:
        return None
    if task.agreement is None or exchange is None or not exchange.group == group == task.group:
        raise PeerError("the rekeyed Child SA lacks the key exchange it was agreed with")
    return task.agreement.shared(exchange.public)


def _lose(state: Established, task: RekeyingChild, child: Child, now: Instant) -> tuple[Established, Effects]:
    """Ours came second: it is ours to delete, and the old one the peer's (RFC 7296 §2.8.1)."""
    old = state.inbound(task.old)
    if old is not None and old.phase is Phase.LIVE:
        state = state.keeping(replaced(old, now))
    redundant = replace(child, phase=Phase.DOOMED, outbound=False)
    return state.keeping(redundant), (InstallChild(child.sa, outbound=False),)


def _on_refusal(
    state: Established, task: RekeyingChild, error: Notify, now: Instant, dice: Dice
) -> tuple[Established, Effects]:
    """Wait for the peer's own successor if there is one, else try again later (RFC 7296 §2.25)."""
    old = state.inbound(task.old)
    note = Note("rekey.refused", f"the peer answered {name_notify(error)} to a Child SA rekey")
    if old is None or old.phase is not Phase.LIVE:
        return state, (note,)
    if task.rival is not None:
        return state.keeping(replaced(old, now)), (note,)
    if error.kind == NotifyType.CHILD_SA_NOT_FOUND:
        return state.keeping(replace(old, phase=Phase.RETIRED, until=now.boot)), (note,)
    wish = _other_group(state, task, error)
    if wish is not None:
        return rekey(state, old, now, dice, wish=wish, group_changes=task.group_changes + 1)
    timers = state.terms.timers
    wait = timers.busy if error.kind == NotifyType.TEMPORARY_FAILURE else timers.overdue / 4
    return state.keeping(replace(old, rekey_at=now.boot + jittered(wait, timers, dice))), (note,)


def _other_group(state: Established, task: RekeyingChild, error: Notify) -> int | None:
    """Read which of our other groups the peer wishes, if it has not wished too often (RFC 7296 §1.3)."""
    if error.kind != NotifyType.INVALID_KE_PAYLOAD or task.group_changes >= MOST_GROUP_CHANGES:
        return None
    wish = int.from_bytes(error.data[:2])
    return wish if wish != task.group and wish in child_groups(state.terms, state.ike) else None


def _group(chosen: Proposal) -> int | None:
    return next((group for group in groups((chosen,)) if group), None)


def _refuse(
    state: Established,
    sa: IkeSa,
    message: Message,
    why: NotifyType,
    dice: Dice,
    *,
    data: bytes = b"",
    spi: bytes = b"",
) -> tuple[Established, Effects]:
    sa, effects = refuse(sa, message.header, why, dice, data=data, spi=spi)
    return state.having(sa), effects


# Our choices: a gateway that rekeys faster than replaced Child SAs go has to wait
MOST_CHILDREN = 32
MOST_GROUP_CHANGES = 3
