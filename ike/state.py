"""One frozen class per state of a session, each owning only what is true while it lasts; it decides nothing."""

from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Literal, Self

from ike.config import Config, Endpoint, ResponderConfig, Terms
from ike.crypto import Box, KeyAgreement, SignatureScheme
from ike.effects import ChildSa, Summary
from ike.errors import IkeError
from ike.keys import IkeKeys, Suite
from ike.message import Header
from ike.payloads import Payload, SecurityAssociation
from ike.selectors import Selector
from ike.window import Pending, Window

# What our one outstanding request of an IKE SA is for.


@dataclass(frozen=True, slots=True)
class Probing:
    """Does the peer live?"""


@dataclass(frozen=True, slots=True)
class Rival:
    """What the peer made while we were replacing the same SA: `name` is its SPI, `lowest` the lower of its nonces."""

    name: bytes
    lowest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RekeyingChild:
    """We asked to replace the Child SA `old`, named by the SPI we receive on."""

    old: int
    spi: int
    offer: SecurityAssociation
    nonce: bytes = field(repr=False)
    group: int | None
    agreement: KeyAgreement | None = field(repr=False)
    local: tuple[Selector, ...]
    remote: tuple[Selector, ...]
    group_changes: int = 0
    rival: Rival | None = None


@dataclass(frozen=True, slots=True)
class RekeyingIke:
    """We asked to replace the IKE SA."""

    spi: bytes
    offer: SecurityAssociation
    nonce: bytes = field(repr=False)
    group: int
    agreement: KeyAgreement = field(repr=False)
    rival: Rival | None = None


@dataclass(frozen=True, slots=True)
class DeletingChild:
    """We asked to delete the Child SA we receive on under `spi`."""

    spi: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """We said that this IKE SA ends."""


Task = Probing | RekeyingChild | RekeyingIke | DeletingChild | Leaving


@dataclass(frozen=True, slots=True)
class IkeSa:
    """One IKE SA: who began it, its keys, its window, and what its outstanding request is for.

    `until` is when a replaced SA is forgotten even if nobody deletes it.
    """

    spi_i: bytes
    spi_r: bytes
    initiator: bool
    suite: Suite
    keys: IkeKeys
    outward: Box = field(repr=False)
    inward: Box = field(repr=False)
    peer: Endpoint
    fragment_size: int | None  # None: the peer takes no fragments
    window: Window
    task: Task | None = None
    until: float | None = None

    @property
    def name(self) -> bytes:
        """Our own SPI, by which a datagram finds its IKE SA."""
        return self.spi_i if self.initiator else self.spi_r


class Phase(Enum):
    """What becomes of a Child SA."""

    LIVE = auto()
    REPLACED = auto()  # the peer deletes it; if it has not by `until`, we do
    DOOMED = auto()  # we delete it
    RETIRED = auto()  # deleted; late packets may still arrive until `until`


@dataclass(frozen=True, slots=True)
class Child:
    """A Child SA, when it is to be replaced and when it must be gone."""

    sa: ChildSa
    rekey_at: float
    stop_at: float
    outbound: bool  # we send on it
    phase: Phase = Phase.LIVE
    until: float | None = None


# The states.


@dataclass(frozen=True, slots=True)
class Attempt:
    """One IKE_SA_INIT request as it went out; an answer belongs to the attempt whose group it carries."""

    group: int
    agreement: KeyAgreement = field(repr=False)
    request: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Noted:
    """An error that anybody could have sent.

    It ends the attempt only when it came several `times`, and nothing better by `until`.
    """

    error: IkeError
    times: int
    until: float


@dataclass(frozen=True, slots=True)
class Setbacks:
    """What the earlier tries of one attempt met: proofs of the gateway's that did not fit, and refusals of ours.

    `rough` says that something had to be sent twice: the path loses or damages.
    """

    unproven: int = 0
    rejected: int = 0
    rough: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether somebody may be meddling with IKE_SA_INIT."""
        return bool(self.unproven or self.rejected)


@dataclass(frozen=True, slots=True)
class InitSent:
    """IKE_SA_INIT is out; `attempts` has the latest last.

    A session in doubt takes a cookie only when its retransmission is due, so that
    a forged demand cannot overtake a good answer.
    """

    config: Config
    started: float
    spi: bytes
    nonce: bytes = field(repr=False)
    attempts: tuple[Attempt, ...]
    pending: Pending
    cookie: bytes = field(default=b"", repr=False)
    cookies: int = 0
    group_changes: int = 0
    setbacks: Setbacks = Setbacks()
    noted: Noted | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """What IKE_SA_INIT left behind for IKE_AUTH: both messages as they were on the wire, and both nonces."""

    request: bytes = field(repr=False)
    response: bytes = field(repr=False)
    ni: bytes = field(repr=False)
    nr: bytes = field(repr=False)
    hashes: tuple[int, ...]  # what the peer's SIGNATURE_HASH_ALGORITHMS says
    suite: str  # the IKE suite in words


@dataclass(frozen=True, slots=True)
class AuthSigning:
    """Our signature is being made."""

    config: Config
    started: float
    sa: IkeSa
    opening: Opening
    setbacks: Setbacks
    ticket: int
    scheme: SignatureScheme


@dataclass(frozen=True, slots=True)
class AuthSent:
    """IKE_AUTH is out, with an offer for the first Child SA that will receive on `child_spi`."""

    config: Config
    started: float
    sa: IkeSa
    opening: Opening
    setbacks: Setbacks
    child_spi: int
    offer: SecurityAssociation


@dataclass(frozen=True, slots=True)
class Listening:
    """Nobody has asked yet."""

    config: ResponderConfig


@dataclass(frozen=True, slots=True)
class InitAnswered:
    """We answered an IKE_SA_INIT; whoever sent it has until `until` to say who he is."""

    config: ResponderConfig
    started: float
    until: float
    sa: IkeSa
    opening: Opening


@dataclass(frozen=True, slots=True)
class AnswerSigning:
    """The client is authenticated; our own signature is being made, then `others` go out with it."""

    config: ResponderConfig
    until: float
    sa: IkeSa
    request: Header
    ticket: int
    scheme: SignatureScheme
    legacy: bool  # the client announced no hashes: RFC 4754 methods
    others: tuple[Payload, ...] = field(repr=False)
    child: ChildSa | None
    summary: Summary


@dataclass(frozen=True, slots=True)
class Established:
    """Both ends are authenticated.

    `ike` is the IKE SA in use; `others` are replaced or redundant ones until they
    are deleted. What is wished for is a date that has come: `probe_at`,
    `ike_rekey_at`, `Child.rekey_at`, `Phase.DOOMED`; so a wish is never lost and
    never queued twice.
    """

    terms: Terms
    ike: IkeSa
    others: tuple[IkeSa, ...]
    children: tuple[Child, ...]
    heard_at: float
    probe_at: float
    ike_rekey_at: float
    ike_stop_at: float
    poked_at: float = float("-inf")  # when an unprotected message last made us ask

    def by_name(self, name: bytes) -> IkeSa | None:
        """Find the IKE SA that we named so."""
        return next((sa for sa in (self.ike, *self.others) if sa.name == name), None)

    def having(self, sa: IkeSa) -> Self:
        """Put an IKE SA in the place of its former self."""
        if sa.name == self.ike.name:
            return replace(self, ike=sa)
        return replace(self, others=tuple(sa if sa.name == other.name else other for other in self.others))

    def inbound(self, spi: int) -> Child | None:
        """Find the Child SA that we receive on under an SPI."""
        return next((child for child in self.children if child.sa.spi_in == spi), None)

    def outward(self, spi: int) -> Child | None:
        """Find the Child SA that the peer receives on under an SPI."""
        return next((child for child in self.children if child.sa.spi_out == spi), None)

    def keeping(self, child: Child) -> Self:
        """Put a Child SA in the place of its former self, or add it as the newest."""
        if self.inbound(child.sa.spi_in) is None:
            return replace(self, children=(*self.children, child))
        same = child.sa.spi_in
        return replace(self, children=tuple(child if one.sa.spi_in == same else one for one in self.children))

    @property
    def newest(self) -> Child | None:
        """The Child SA to send on."""
        return next((child for child in reversed(self.children) if child.phase is Phase.LIVE), None)


@dataclass(frozen=True, slots=True)
class Closing:
    """The end is decided; `last_words` go out as soon as the window is free, and at `until` it is over anyway."""

    terms: Terms
    sa: IkeSa
    last_words: Payload | None
    until: float
    error: IkeError | None
    by: Literal["us", "peer"]


@dataclass(frozen=True, slots=True)
class Closed:
    """Over; nothing is answered any more."""


State = InitSent | AuthSigning | AuthSent | Listening | InitAnswered | AnswerSigning | Established | Closing | Closed
