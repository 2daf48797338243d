"""IKE_SA_INIT as the initiator: cookies, group changes and errors that anybody could forge; nobody is proven here.

Before authentication nothing an outsider can send ends the attempt: an error is
noted, the next good answer wins, and only when the error came again and
`Timers.error_patience` has passed without a good answer does the last one
become the cause (RFC 7296 §2.21.1).
"""

from dataclasses import replace
from ipaddress import ip_address

from ike.association import NONCE_SIZE, first_ike_sa, ike_spi
from ike.chain import NO_SPI
from ike.config import Config, Dice, Endpoint, Instant
from ike.crypto import generate, sha1
from ike.crypto.chain import read_anchors
from ike.effects import Down, Effects, Note, Transmit
from ike.errors import IkeError, PeerError
from ike.grammar import INIT, complaint, name_notify, notified, one
from ike.keys import Suite
from ike.message import Header, Message, decode, encode
from ike.payloads import KeyExchange, Nonce, Notify, Payload, SecurityAssociation
from ike.proposal import check_chosen, groups, with_spi
from ike.proposal import format as words
from ike.registry import ExchangeType, Group, HashAlgorithm, NotifyType, name_of
from ike.state import Attempt, Closed, IkeSa, InitSent, Noted, Opening, Setbacks, State
from ike.window import Pending


def connect(
    config: Config, now: Instant, dice: Dice, *, started: float | None = None, setbacks: Setbacks | None = None
) -> tuple[InitSent, Effects]:
    """Send the first IKE_SA_INIT; `started` is when the whole attempt began, if this is not its first try."""
    read_anchors(config.anchors)  # what cannot be trusted in the end ends it here, before anything is sent
    spi, nonce, group = ike_spi(dice), dice(NONCE_SIZE), groups(config.ike_proposals)[0]
    attempt = _attempt(config, spi, nonce, Attempt(group, generate(group, dice), b""))
    begun = now.boot if started is None else started
    pending = _pending(config, attempt, now)
    state = InitSent(config, begun, spi, nonce, (attempt,), pending, setbacks=setbacks or Setbacks())
    return state, _transmit(state)


def accept(state: InitSent, datagram: bytes) -> tuple[IkeSa, Opening] | Message:
    """Take a good answer for what it is, or hand back the message that is none."""
    message = decode(datagram)
    if notified(message.payloads, NotifyType.COOKIE) or complaint(message.payloads):
        return message
    INIT.check(message.payloads)
    offered, exchange = one(message.payloads, SecurityAssociation), one(message.payloads, KeyExchange)
    chosen = check_chosen(_offer(state.config).proposals, offered.proposals)
    suite = Suite.of(chosen)
    attempt = next((one for one in reversed(state.attempts) if one.group == exchange.group), None)
    if attempt is None or suite.group != exchange.group:
        raise PeerError("the key exchange value is of a group that was not asked for")
    nonce = one(message.payloads, Nonce).data
    sa = first_ike_sa(
        suite,
        attempt.agreement.shared(exchange.public),
        (state.nonce, nonce),
        (state.spi, message.header.spi_r),
        initiator=True,
        peer=Endpoint(state.config.gateway, state.config.ports[1]),
        fragment_size=fragment_size(state.config.fragment_size, message.payloads),
    )
    hashes = accepted_hashes(message.payloads)
    return sa, Opening(attempt.request, datagram, state.nonce, nonce, hashes, words(chosen))


def on_refusal(state: InitSent, message: Message, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Follow a cookie or a wish for another group; note any other error."""
    cookie = notified(message.payloads, NotifyType.COOKIE)
    if cookie is not None:
        return _on_cookie(state, cookie.data, now)
    wish = notified(message.payloads, NotifyType.INVALID_KE_PAYLOAD)
    if wish is not None:
        return _on_wrong_group(state, wish.data, now, dice)
    error = complaint(message.payloads)
    return (state, ()) if error is None else note_error(state, refusal(error), now)


def note_error(state: InitSent, error: IkeError, now: Instant) -> tuple[InitSent, Effects]:
    """Remember an error that anybody could have sent."""
    times, until = 1, now.boot + state.config.timers.error_patience
    if state.noted is not None:
        times, until = state.noted.times + 1, state.noted.until
    note = Note(error.code, f"before authentication: {error.detail}")
    return replace(state, noted=Noted(error, times, until)), (note,)


def on_tick(state: InitSent, now: Instant) -> tuple[State, Effects]:
    """Send again what is due, or give up."""
    noted = state.noted
    if noted is not None and now.boot >= noted.until and noted.times >= ENOUGH_ERRORS:
        return Closed(), (Down(noted.error, "peer"),)
    if now.boot < state.pending.due:
        return state, ()
    again = state.pending.again(now.boot)
    if again is None or now.boot >= state.started + state.config.timers.attempt:
        return Closed(), (Down(unreachable(state), "us"),)
    state = replace(state, setbacks=replace(state.setbacks, rough=True))
    if state.setbacks.doubtful and state.cookie and not state.cookies:
        return _retry(replace(state, cookies=1), state.attempts[-1], now)
    return replace(state, pending=again), _transmit(state)


def unreachable(state: InitSent) -> IkeError:
    """Say why nothing came of the attempt: the last noted error, or silence."""
    silence = PeerError("no answer came from the gateway", code="gateway.unreachable")
    return silence if state.noted is None else state.noted.error


def refusal(notify: Notify) -> PeerError:
    """Turn an error notification into the failure that people are told."""
    code = REFUSALS.get(notify.kind, "peer.malformed")
    return PeerError(f"the gateway answered {name_notify(notify)}", code=code)


def nat_hash(spi_i: bytes, spi_r: bytes, endpoint: Endpoint) -> bytes:
    """Compute a NAT detection hash (RFC 7296 §2.23)."""
    return sha1(spi_i + spi_r + ip_address(endpoint.address).packed + endpoint.port.to_bytes(2))


def abilities(own_hash: bytes, peer_hash: bytes) -> tuple[Notify, ...]:
    """Announce what both ends say in IKE_SA_INIT."""
    hashes = b"".join(algorithm.to_bytes(2) for algorithm in HASHES)
    return (
        Notify(NotifyType.NAT_DETECTION_SOURCE_IP, own_hash),
        Notify(NotifyType.NAT_DETECTION_DESTINATION_IP, peer_hash),
        Notify(NotifyType.IKEV2_FRAGMENTATION_SUPPORTED),
        Notify(NotifyType.SIGNATURE_HASH_ALGORITHMS, hashes),
    )


def accepted_hashes(payloads: tuple[Payload, ...]) -> tuple[int, ...]:
    """Read SIGNATURE_HASH_ALGORITHMS; empty when the peer does not know RFC 7427."""
    said = notified(payloads, NotifyType.SIGNATURE_HASH_ALGORITHMS)
    data = b"" if said is None else said.data[:MOST_HASHES]
    return tuple(int.from_bytes(data[i : i + 2]) for i in range(0, len(data) - 1, 2))


def fragment_size(wanted: int, payloads: tuple[Payload, ...]) -> int | None:
    """Fragment only if the peer takes fragments (RFC 7383 §2.3)."""
    return wanted if notified(payloads, NotifyType.IKEV2_FRAGMENTATION_SUPPORTED) else None


def _on_cookie(state: InitSent, cookie: bytes, now: Instant) -> tuple[State, Effects]:
    """Echo the cookie in front of the unchanged request (RFC 7296 §2.6)."""
    if not 0 < len(cookie) <= LONGEST_COOKIE or cookie == state.cookie or state.cookies >= MOST_COOKIES:
        return state, ()
    if state.setbacks.doubtful:
        return replace(state, cookie=cookie, cookies=0), ()
    return _retry(replace(state, cookie=cookie, cookies=state.cookies + 1), state.attempts[-1], now)


def _on_wrong_group(state: InitSent, wish: bytes, now: Instant, dice: Dice) -> tuple[State, Effects]:
    """Ask again with the group the gateway wants, if we offered it (RFC 7296 §1.2)."""
    group = int.from_bytes(wish)
    if len(wish) != GROUP_SIZE or group not in groups(state.config.ike_proposals):
        wanted = PeerError(f"the gateway wants group {name_of(Group, group)}", code="proposal.none")
        return note_error(state, wanted, now)
    if group == state.attempts[-1].group or state.group_changes >= MOST_GROUP_CHANGES:
        return state, ()
    tried = next((attempt for attempt in state.attempts if attempt.group == group), None)
    attempt = Attempt(group, generate(group, dice), b"") if tried is None else tried
    return _retry(replace(state, group_changes=state.group_changes + 1), attempt, now)


def _retry(state: InitSent, attempt: Attempt, now: Instant) -> tuple[InitSent, Effects]:
    attempt = _attempt(state.config, state.spi, state.nonce, attempt, state.cookie)
    others = tuple(other for other in state.attempts if other.group != attempt.group)
    state = replace(state, attempts=(*others, attempt), pending=_pending(state.config, attempt, now))
    return state, _transmit(state)


def _attempt(config: Config, spi: bytes, nonce: bytes, attempt: Attempt, cookie: bytes = b"") -> Attempt:
    # the false source hash makes both ends wrap ESP in UDP even without a NAT (RFC 3948, RFC 7296 §2.23)
    false, true = NOWHERE, Endpoint(config.gateway, config.ports[0])
    hashes = abilities(nat_hash(spi, NO_SPI, false), nat_hash(spi, NO_SPI, true))
    payloads: tuple[Payload, ...] = (
        _offer(config),
        KeyExchange(attempt.group, attempt.agreement.public),
        Nonce(nonce),
        *hashes,
    )
    if cookie:
        payloads = (Notify(NotifyType.COOKIE, cookie), *payloads)
    header = Header(spi, NO_SPI, ExchangeType.IKE_SA_INIT, 0, initiator=True, response=False)
    return replace(attempt, request=encode(header, payloads))


def _offer(config: Config) -> SecurityAssociation:
    return SecurityAssociation(with_spi(config.ike_proposals, b""))


def _pending(config: Config, attempt: Attempt, now: Instant) -> Pending:
    return Pending.first(0, ExchangeType.IKE_SA_INIT, (attempt.request,), config.timers.schedule, now.boot)


def _transmit(state: InitSent) -> Effects:
    to = Endpoint(state.config.gateway, state.config.ports[0])
    return tuple(Transmit(datagram, to) for datagram in state.pending.datagrams)


# Fixed by RFC 7296 §1.2, §2.6
LONGEST_COOKIE = 64
GROUP_SIZE = 2

# Our choices
NOWHERE = Endpoint("240.0.0.0", 0)  # nothing is ever sent from here
TICKET = 1  # one signature is wanted at a time
MOST_COOKIES = 5
MOST_GROUP_CHANGES = 3
MOST_HASHES = 64
ENOUGH_ERRORS = 3  # a gateway that means it says it again; one that heard a damaged request does not
HASHES = (
    HashAlgorithm.SHA2_256,
    HashAlgorithm.SHA2_384,
    HashAlgorithm.SHA2_512,
    HashAlgorithm.IDENTITY,
)
REFUSALS: dict[int, str] = {
    NotifyType.NO_PROPOSAL_CHOSEN: "proposal.none",
    NotifyType.INVALID_KE_PAYLOAD: "proposal.none",
    NotifyType.AUTHENTICATION_FAILED: "auth.rejected",
    NotifyType.TS_UNACCEPTABLE: "ts.unacceptable",
    NotifyType.SINGLE_PAIR_REQUIRED: "ts.unacceptable",
    NotifyType.INTERNAL_ADDRESS_FAILURE: "address.none",
    NotifyType.FAILED_CP_REQUIRED: "address.none",
    NotifyType.NO_ADDITIONAL_SAS: "limit.reached",
}
