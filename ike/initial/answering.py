"""IKE_SA_INIT and IKE_AUTH as the responder, for one client; it never answers what it cannot read.

<--  HDR, N(COOKIE)  /  HDR, N(INVALID_KE_PAYLOAD)  /  HDR, SAr1, KEr, Nr
<--  HDR, SK {IDr, CERT, AUTH, CP(CFG_REPLY), SAr2, TSi, TSr}
"""

import hmac
from dataclasses import replace
from ipaddress import IPv4Network

from ike.association import (
    CHILD_SPI_SIZE,
    NONCE_SIZE,
    child_proposals,
    child_sa,
    child_spi,
    establish,
    first_ike_sa,
    ike_spi,
    prf_of,
)
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
from ike.config import Dice, Endpoint, Instant, ResponderConfig
from ike.crypto import generate, prf, sha256
from ike.crypto.chain import Role
from ike.effects import ChildSa, Effects, InstallChild, Sign, Signed, Summary, Transmit, Up
from ike.errors import ConfigError, PeerError
from ike.exchange import answer
from ike.grammar import AUTH_REQUEST, INIT, maybe, notified, one
from ike.initial import addresses
from ike.initial.opening import NOWHERE, TICKET, abilities, accepted_hashes, fragment_size, nat_hash
from ike.keys import Suite
from ike.message import Header, Message, decode, encode
from ike.payloads import (
    Authentication,
    Configuration,
    IdInitiator,
    IdResponder,
    KeyExchange,
    Nonce,
    Notify,
    Payload,
    SecurityAssociation,
    TsInitiator,
    TsResponder,
)
from ike.proposal import Proposal, choose, groups
from ike.proposal import format as words
from ike.registry import ExchangeType, NotifyType
from ike.selectors import Selector, narrow
from ike.state import AnswerSigning, Closing, InitAnswered, Listening, Opening, State


def on_init(state: Listening, datagram: bytes, source: Endpoint, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Answer an IKE_SA_INIT: ask for a cookie, for another group, or agree."""
    request = decode(datagram)
    INIT.check(request.payloads)
    if state.config.cookie_secret:
        wanted = _cookie(state.config.cookie_secret, request, source)
        shown = notified(request.payloads, NotifyType.COOKIE)
        if shown is None or not hmac.compare_digest(shown.data, wanted):
            return state, _clear(request.header, Notify(NotifyType.COOKIE, wanted), source)
    chosen = choose(one(request.payloads, SecurityAssociation).proposals, state.config.ike_proposals)
    if chosen is None:
        return state, _clear(request.header, Notify(NotifyType.NO_PROPOSAL_CHOSEN), source)
    group = groups((chosen,))[0]
    if one(request.payloads, KeyExchange).group != group:
        return state, _clear(request.header, Notify(NotifyType.INVALID_KE_PAYLOAD, group.to_bytes(2)), source)
    return _agree(state.config, chosen, request, datagram, source, now, dice)


def on_auth(state: InitAnswered, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Judge the client, and have our own signature made."""
    try:
        AUTH_REQUEST.check(message.payloads)
        proof = _verify(state, message, now)
        scheme = choose_scheme(state.config.schemes, state.opening.hashes)
    except (PeerError, ConfigError) as error:
        refused = (Notify(NotifyType.AUTHENTICATION_FAILED),)
        sa, effects = answer(state.sa, message.header, refused, dice)
        return Closing(state.config, sa, None, now.boot + HALF_OPEN, error, "us"), effects
    child, others = _first_child(state, message, dice)
    summary = Summary(
        ike_suite=state.opening.suite,
        esp_suite="" if child is None else words(_chosen(others)),
        local_identity=state.config.local_identity.describe(),
        remote_identity=proof.identity.describe(),
        remote_certificate=proof.leaf_sha256,
        handshake_ms=(now.boot - state.started) * 1000,
    )
    claim, sa = IdResponder.of(state.config.local_identity), state.sa
    octets = signed_octets(state.opening.response, state.opening.ni, prf(prf_of(sa)), sa.keys.sk_pr, claim.encode())
    waiting = AnswerSigning(
        config=state.config,
        until=state.until,
        sa=sa,
        request=message.header,
        ticket=TICKET,
        scheme=scheme,
        legacy=not state.opening.hashes,
        others=others,
        child=child,
        summary=summary,
    )
    return waiting, (Sign(TICKET, scheme, octets),)


def on_signed(state: AnswerSigning, signed: Signed, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Answer IKE_AUTH and begin the life of the SA."""
    payloads: tuple[Payload, ...] = (
        IdResponder.of(state.config.local_identity),
        *certificate_payloads(state.config.certificates),
        authentication(state.scheme, signed.signature, legacy=state.legacy),
        *state.others,
    )
    sa, effects = answer(state.sa, state.request, payloads, dice)
    installed = () if state.child is None else (InstallChild(state.child, outbound=True),)
    return establish(state.config, sa, state.child, now, dice), (*installed, *effects, Up(state.summary))


def _agree(
    config: ResponderConfig,
    chosen: Proposal,
    request: Message,
    datagram: bytes,
    source: Endpoint,
    now: Instant,
    dice: Dice,
) -> tuple[State, Effects]:
    exchange, ni, nr = one(request.payloads, KeyExchange), one(request.payloads, Nonce).data, dice(NONCE_SIZE)
    agreement, spis = generate(exchange.group, dice), (request.header.spi_i, ike_spi(dice))
    sa = first_ike_sa(
        Suite.of(chosen),
        agreement.shared(exchange.public),
        (ni, nr),
        spis,
        initiator=False,
        peer=source,
        fragment_size=fragment_size(config.fragment_size, request.payloads),
    )
    header = Header(*spis, ExchangeType.IKE_SA_INIT, 0, initiator=False, response=True)
    payloads: tuple[Payload, ...] = (
        SecurityAssociation((chosen,)),
        KeyExchange(exchange.group, agreement.public),
        Nonce(nr),
        *abilities(nat_hash(*spis, NOWHERE), nat_hash(*spis, source)),
        certificate_request(config.anchors),
    )
    response = encode(header, payloads)
    start = Opening(datagram, response, ni, nr, accepted_hashes(request.payloads), words(chosen))
    return InitAnswered(config, now.boot, now.boot + HALF_OPEN, sa, start), (Transmit(response, source),)


def _verify(state: InitAnswered, message: Message, now: Instant) -> Proof:
    claimed, sa = one(message.payloads, IdInitiator), state.sa
    octets = signed_octets(state.opening.request, state.opening.nr, prf(prf_of(sa)), sa.keys.sk_pi, claimed.encode())
    certificates, proof = certificates_in(message.payloads), one(message.payloads, Authentication)
    trust = Trust(state.config.anchors, state.config.remote_identity, state.config.allow_common_name, Role.CLIENT)
    return verify_peer(Claim(claimed.identity, certificates, proof, octets), trust, now.wall)


def _first_child(state: InitAnswered, message: Message, dice: Dice) -> tuple[ChildSa | None, tuple[Payload, ...]]:
    """Agree on the first Child SA, or say why there is none (RFC 7296 §1.2)."""
    config, payloads = state.config, message.payloads
    wish = maybe(payloads, Configuration)
    given = None if wish is None else addresses.hand_out(config, wish)
    if wish is not None and given is None:
        return None, (Notify(NotifyType.INTERNAL_ADDRESS_FAILURE),)
    chosen = choose(one(payloads, SecurityAssociation).proposals, child_proposals(config, state.sa, ()))
    if chosen is None:
        return None, (Notify(NotifyType.NO_PROPOSAL_CHOSEN),)
    theirs = narrow(one(payloads, TsInitiator).selectors, _client_selectors(config))
    ours = narrow(one(payloads, TsResponder).selectors, config.local_selectors)
    if not (theirs and ours):
        return None, (Notify(NotifyType.TS_UNACCEPTABLE),)
    spi = child_spi(dice)
    child = child_sa(
        state.sa,
        Suite.of(chosen),
        (state.opening.ni, state.opening.nr),
        None,
        asked=False,
        spis=(spi, int.from_bytes(chosen.spi)),
        selectors=(ours, theirs),
    )
    answered = SecurityAssociation((replace(chosen, spi=spi.to_bytes(CHILD_SPI_SIZE)),))
    reply = () if given is None else (given,)
    return child, (*reply, answered, TsInitiator(theirs), TsResponder(ours))


def _client_selectors(config: ResponderConfig) -> tuple[Selector, ...]:
    return tuple(Selector.from_network(IPv4Network(address)) for address in config.pool[:1])


def _chosen(payloads: tuple[Payload, ...]) -> Proposal:
    return one(payloads, SecurityAssociation).proposals[0]


def _cookie(secret: bytes, request: Message, source: Endpoint) -> bytes:
    """Make a cookie that only its receiver can show again (RFC 7296 §2.6)."""
    where = f"{source.address} {source.port}".encode()
    return sha256(secret + request.header.spi_i + one(request.payloads, Nonce).data + where)


def _clear(request: Header, notify: Notify, source: Endpoint) -> Effects:
    header = replace(request, initiator=False, response=True)
    return (Transmit(encode(header, (notify,)), source),)


# Our choices
HALF_OPEN = 30.0
