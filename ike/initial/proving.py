"""IKE_AUTH as the initiator: who we are, who the gateway is, and the first Child SA; it never skips a check.

HDR, SK {IDi, CERT, [N(INITIAL_CONTACT),] CERTREQ, [IDr,] AUTH, CP(CFG_REQUEST), SAi2, TSi, TSr}  -->
                                    <--  HDR, SK {IDr, CERT, AUTH, CP(CFG_REPLY), SAr2, TSi, TSr}
"""

from dataclasses import dataclass, replace
from typing import Literal

from ike.association import child_offer, child_sa, child_spi, establish, prf_of
from ike.auth import (
    Claim,
    Proof,
    Trust,
    authentication,
    certificate_payloads,
    certificate_request,
    certificates_in,
    choose_scheme,
    signed_octets,
    verify_peer,
)
from ike.config import Config, Dice, Instant
from ike.crypto import prf
from ike.effects import ChildSa, Configure, Down, Effects, InstallChild, Note, Sign, Signed, Summary, Up
from ike.errors import ConfigError, PeerError
from ike.exchange import ask, resend, settle
from ike.grammar import AUTH_ANSWER, complaint, maybe, one
from ike.initial import addresses, opening
from ike.keys import Suite
from ike.message import Message
from ike.payloads import (
    Authentication,
    Configuration,
    Delete,
    IdInitiator,
    IdResponder,
    Notify,
    Payload,
    SecurityAssociation,
    TsInitiator,
    TsResponder,
)
from ike.proposal import Proposal, check_chosen
from ike.proposal import format as words
from ike.registry import ExchangeType, NotifyType, ProtocolId
from ike.selectors import Selector, within
from ike.state import AuthSent, AuthSigning, Closed, Closing, IkeSa, InitSent, Leaving, Opening, Setbacks, State


def begin(state: InitSent, sa: IkeSa, start: Opening) -> tuple[State, Effects]:
    """Have our signature made over what was said so far."""
    config = state.config
    try:
        scheme = choose_scheme(config.schemes, start.hashes)
    except ConfigError as error:
        return Closed(), (Down(error, "us"),)
    octets = signed_octets(start.request, start.nr, prf(prf_of(sa)), sa.keys.sk_pi, _claim(config).encode())
    waiting = AuthSigning(config, state.started, sa, start, state.setbacks, opening.TICKET, scheme)
    return waiting, (Sign(opening.TICKET, scheme, octets),)


def on_signed(state: AuthSigning, signed: Signed, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Send IKE_AUTH."""
    config, spi = state.config, child_spi(dice)
    offer = child_offer(config, state.sa, spi, ())
    proof = authentication(state.scheme, signed.signature, legacy=not state.opening.hashes)
    optional: list[Payload] = []
    if config.initial_contact:
        optional.append(Notify(NotifyType.INITIAL_CONTACT))
    if config.send_remote_identity:
        optional.append(IdResponder.of(config.remote_identity))
    if config.want_address:
        optional.append(addresses.REQUEST)
    payloads: tuple[Payload, ...] = (
        _claim(config),
        *certificate_payloads(config.certificates),
        certificate_request(config.anchors),
        *optional,
        proof,
        offer,
        TsInitiator(config.local_selectors),
        TsResponder(config.remote_selectors),
    )
    sa, effects = ask(state.sa, ExchangeType.IKE_AUTH, payloads, None, config.timers.schedule, now, dice)
    sent = AuthSent(config, state.started, sa, state.opening, state.setbacks, spi, offer)
    return sent, effects


def on_answer(state: AuthSent, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Believe the gateway, then take its Child SA; what fails decides how we take leave."""
    state = replace(state, sa=settle(state.sa))
    if maybe(message.payloads, Authentication) is None:
        return _on_rejection(state, message, now, dice)
    try:
        proof = _verify(state, message, now)
    except PeerError as error:
        # RFC 7296 §2.21.2 allows to tell the peer so, in an exchange of its own
        left, effects = _leave(state, Notify(NotifyType.AUTHENTICATION_FAILED), error, now, dice)
        met = replace(state.setbacks, unproven=state.setbacks.unproven + 1)
        if error.code != "gateway.signature" or met.unproven > _most(met):
            return left, effects
        again, more = restart(replace(state, setbacks=met), error.detail, now, dice)
        return again, (*effects, *more)
    try:
        return _on_proven(state, proof, message, now, dice)
    except PeerError as error:
        by: Literal["us", "peer"] = "peer" if complaint(message.payloads) else "us"
        return _leave(state, Delete(ProtocolId.IKE), error, now, dice, by)


def on_nonsense(state: AuthSent, error: PeerError, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Give up a gateway whose answer, sealed with the right keys, cannot be read (RFC 7296 §2.21.2)."""
    said = Notify(NotifyType.INVALID_SYNTAX if error.notify is None else error.notify, error.notify_data)
    return _leave(replace(state, sa=settle(state.sa)), said, error, now, dice)


def give_up_at(state: AuthSigning | AuthSent) -> float:
    """Say when the whole attempt has taken too long."""
    return state.started + state.config.timers.attempt


def on_tick(state: AuthSent, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Send IKE_AUTH again when it is due, or begin anew when that helped too often not."""
    pending, tries = state.sa.window.pending, state.config.timers.auth_tries
    worn_out = pending is not None and now.boot >= pending.due and pending.sent >= tries
    resent = None if worn_out else resend(state.sa, now)
    if resent is None:
        return restart(state, "IKE_AUTH gets no answer", now, dice)
    sa, effects = resent
    if effects:
        state = replace(state, setbacks=replace(state.setbacks, rough=True))
    return replace(state, sa=sa), effects


def restart(state: AuthSent, why: str, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Begin again with fresh values: what both ends heard of IKE_SA_INIT may differ, and only this can cure it."""
    if now.boot >= give_up_at(state):
        error = PeerError("the gateway stopped answering during authentication", code="gateway.unreachable")
        return Closed(), (Down(error, "us"),)
    again, effects = opening.connect(state.config, now, dice, started=state.started, setbacks=state.setbacks)
    return again, (Note("attempt.again", f"{why}: the attempt starts afresh"), *effects)


@dataclass(frozen=True, slots=True)
class _Agreed:
    """The first Child SA as the gateway narrowed it."""

    child: ChildSa
    proposal: Proposal
    configure: Configure
    notes: tuple[Note, ...]


def _claim(config: Config) -> IdInitiator:
    return IdInitiator.of(config.local_identity)


def _verify(state: AuthSent, message: Message, now: Instant) -> Proof:
    AUTH_ANSWER.check(message.payloads)
    config, sa = state.config, state.sa
    claimed = one(message.payloads, IdResponder)
    octets = signed_octets(state.opening.response, state.opening.ni, prf(prf_of(sa)), sa.keys.sk_pr, claimed.encode())
    certificates, proof = certificates_in(message.payloads), one(message.payloads, Authentication)
    claim = Claim(claimed.identity, certificates, proof, octets)
    return verify_peer(claim, Trust(config.anchors, config.remote_identity, config.allow_common_name), now.wall)


def _on_proven(state: AuthSent, proof: Proof, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    agreed = _agree(state, message)
    summary = Summary(
        ike_suite=state.opening.suite,
        esp_suite=words(agreed.proposal),
        local_identity=state.config.local_identity.describe(),
        remote_identity=proof.identity.describe(),
        remote_certificate=proof.leaf_sha256,
        handshake_ms=(now.boot - state.started) * 1000,
    )
    effects: Effects = (*agreed.notes, InstallChild(agreed.child, outbound=True), agreed.configure, Up(summary))
    return establish(state.config, state.sa, agreed.child, now, dice), effects


def _agree(state: AuthSent, message: Message) -> _Agreed:
    """Take the Child SA, refusing everything that was not offered (RFC 7296 §2.7, §2.9)."""
    error = complaint(message.payloads)
    if error is not None:
        raise opening.refusal(error)
    chosen = check_chosen(state.offer.proposals, one(message.payloads, SecurityAssociation).proposals)
    ours, theirs = one(message.payloads, TsInitiator), one(message.payloads, TsResponder)
    config = state.config
    if not (_narrowed(ours, config.local_selectors) and _narrowed(theirs, config.remote_selectors)):
        raise PeerError(
            "the gateway chose traffic selectors that were not offered",
            code="ts.unacceptable",
            notify=NotifyType.TS_UNACCEPTABLE,
        )
    given, servers, notes = addresses.accept(config, maybe(message.payloads, Configuration))
    child = child_sa(
        state.sa,
        Suite.of(chosen),
        (state.opening.ni, state.opening.nr),
        None,
        asked=True,
        spis=(state.child_spi, int.from_bytes(chosen.spi)),
        selectors=(ours.selectors, theirs.selectors),
    )
    return _Agreed(child, chosen, Configure(given, servers, theirs.selectors), notes)


def _narrowed(answer: TsInitiator | TsResponder, offered: tuple[Selector, ...]) -> bool:
    return bool(answer.selectors) and not answer.others and within(answer.selectors, offered)


def _on_rejection(state: AuthSent, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Without AUTH the answer can only be a refusal."""
    error = complaint(message.payloads)
    if error is None:
        silent = PeerError("the gateway did not prove who it is", code="gateway.signature")
        return _leave(state, Notify(NotifyType.AUTHENTICATION_FAILED), silent, now, dice)
    refused = opening.refusal(error)
    met = replace(state.setbacks, rejected=state.setbacks.rejected + 1)
    if error.kind == NotifyType.AUTHENTICATION_FAILED and met.rejected <= _most(met):
        return restart(replace(state, setbacks=met), refused.detail, now, dice)
    return Closed(), (Down(refused, "peer"),)


def _most(met: Setbacks) -> int:
    return MOST_ON_A_ROUGH_PATH if met.rough else MOST_SETBACKS


def _leave(
    state: AuthSent,
    last_words: Payload,
    error: PeerError,
    now: Instant,
    dice: Dice,
    by: Literal["us", "peer"] = "us",
) -> tuple[State, Effects]:
    config = state.config
    sa, effects = ask(state.sa, ExchangeType.INFORMATIONAL, (last_words,), Leaving(), config.timers.schedule, now, dice)
    return Closing(config, sa, None, now.boot + config.timers.farewell, error, by), effects


# Our choices: a proof that does not fit, the gateway's or ours, is made anew so many times, because it covers parts of
# IKE_SA_INIT that the keys do not, and those may have been damaged on the way; the more likely, the rougher the path
MOST_SETBACKS = 1
MOST_ON_A_ROUGH_PATH = 3
