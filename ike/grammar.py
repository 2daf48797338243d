"""Which payloads a message must and may carry, as data under the RFC's own lines; it never looks at their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ike.errors import MalformedError
from ike.payloads import Delete, Notify, Payload
from ike.registry import NotifyType, PayloadType, name_of

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Grammar:
    """Each of `required` exactly once, each of `optional` at most once; everything else is left alone."""

    required: frozenset[int]
    optional: frozenset[int] = frozenset()

    def check(self, payloads: Sequence[Payload]) -> None:
        """Refuse a message in which a payload is missing or doubled."""
        kinds = [payload.type for payload in payloads]
        for kind in sorted(self.required | self.optional):
            count = kinds.count(kind)
            if count > 1 or (not count and kind in self.required):
                name = name_of(PayloadType, kind)
                raise MalformedError(f"the message carries {count} {name} payloads")


def one(payloads: Sequence[Payload], kind: type[P]) -> P:
    """Take the payload that the grammar has already found to be there."""
    found = maybe(payloads, kind)
    if found is None:
        raise MalformedError(f"the message carries no {kind.__name__}")
    return found


def maybe(payloads: Sequence[Payload], kind: type[P]) -> P | None:
    """Take the first payload of a class, if there is one."""
    return next((payload for payload in payloads if isinstance(payload, kind)), None)


def every(payloads: Sequence[Payload], kind: type[P]) -> tuple[P, ...]:
    """Take all payloads of a class, in order."""
    return tuple(payload for payload in payloads if isinstance(payload, kind))


def notified(payloads: Sequence[Payload], kind: NotifyType) -> Notify | None:
    """Take the first notification of a kind, if there is one."""
    return next((notify for notify in every(payloads, Notify) if notify.kind == kind), None)


def complaint(payloads: Sequence[Payload]) -> Notify | None:
    """Take the first notification that reports an error (RFC 7296 §3.10.1)."""
    return next((notify for notify in every(payloads, Notify) if notify.kind < FIRST_STATUS), None)


def name_notify(notify: Notify) -> str:
    """Name a notification for people."""
    return name_of(NotifyType, notify.kind)


def deleted(payloads: Sequence[Payload], protocol: int) -> tuple[int, ...] | None:
    """Give the SPIs that the Delete payloads of a protocol name, or None when there is no such payload."""
    named = [payload for payload in every(payloads, Delete) if payload.protocol == protocol]
    return tuple(int.from_bytes(spi) for payload in named for spi in payload.spis) if named else None


def _kinds(*kinds: PayloadType) -> frozenset[int]:
    return frozenset(kinds)


# Fixed by RFC 7296 §3.10.1
FIRST_STATUS = 16384

# HDR, SAi1, KEi, Ni  -->  /  <--  HDR, SAr1, KEr, Nr, [CERTREQ]  (RFC 7296 §1.2)
INIT = Grammar(_kinds(PayloadType.SA, PayloadType.KE, PayloadType.NONCE))

# HDR, SK {IDi, [CERT,] [CERTREQ,] [IDr,] AUTH, [CP,] SAi2, TSi, TSr}  -->  (RFC 7296 §1.2, §2.19)
AUTH_REQUEST = Grammar(
    _kinds(
        PayloadType.ID_INITIATOR,
        PayloadType.AUTH,
        PayloadType.SA,
        PayloadType.TS_INITIATOR,
        PayloadType.TS_RESPONDER,
    ),
    _kinds(PayloadType.ID_RESPONDER, PayloadType.CP),
)

# <--  HDR, SK {IDr, [CERT,] AUTH, [CP,] SAr2, TSi, TSr}  (RFC 7296 §1.2); the child's part may be an error instead
AUTH_ANSWER = Grammar(
    _kinds(PayloadType.ID_RESPONDER, PayloadType.AUTH),
    _kinds(PayloadType.CP, PayloadType.SA, PayloadType.TS_INITIATOR, PayloadType.TS_RESPONDER),
)

# HDR, SK {[N(REKEY_SA),] SA, Ni, [KEi,] TSi, TSr}  -->  /  <--  HDR, SK {SA, Nr, [KEr,] TSi, TSr}  (RFC 7296 §1.3.3)
CHILD = Grammar(
    _kinds(PayloadType.SA, PayloadType.NONCE, PayloadType.TS_INITIATOR, PayloadType.TS_RESPONDER),
    _kinds(PayloadType.KE),
)

# HDR, SK {SA, Ni, KEi}  -->  /  <--  HDR, SK {SA, Nr, KEr}  (RFC 7296 §1.3.2)
IKE = Grammar(_kinds(PayloadType.SA, PayloadType.NONCE, PayloadType.KE))
