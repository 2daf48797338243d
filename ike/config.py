"""What one IKE session is told before it starts: trust, offers, identities and patience; never a private key."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from ike.crypto import Dice as Dice
from ike.crypto import SignatureScheme
from ike.identity import Identity
from ike.proposal import ESP_DEFAULT, IKE_DEFAULT, Proposal
from ike.selectors import Selector
from ike.window import Schedule


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks: `boot` runs on through suspend and drives timers, `wall` judges validity."""

    boot: float
    wall: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A UDP address; the port alone tells whether IKE wears the non-ESP marker (RFC 3948 §2.2)."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Timers:
    """How patient a session is; every value is in seconds unless it says otherwise."""

    schedule: Schedule = field(default=Schedule())
    error_patience: float = 3.0  # how long an unauthenticated error waits for a better answer (RFC 7296 §2.21.1)
    attempt: float = 60.0  # how long one connect may take before it is given up
    auth_tries: int = 5  # unanswered IKE_AUTH sendings before a fresh IKE_SA_INIT: the first one may have been damaged
    liveness: float = 10.0  # silence before the peer is asked whether it lives
    probing: Schedule = field(default=Schedule(first=1.0, factor=1.0, cap=1.0, tries=10))  # then it is lost
    child_rekey: float = 3600.0
    ike_rekey: float = 14400.0
    jitter: float = 0.1  # share of a rekey time by which it may come earlier or later
    overdue: float = 360.0  # how long an SA whose rekey was due may live on before it is stopped hard
    keep_old_inbound: float = 5.0  # packets on the way still arrive on a replaced Child SA
    busy: float = 2.0  # back-off after TEMPORARY_FAILURE (RFC 7296 §2.25)
    farewell: float = 2.0  # how long a delete waits for its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What both roles are told: our identity and certificate, whom we trust, and what may be negotiated."""

    local_identity: Identity
    anchors: tuple[bytes, ...] = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)  # ours, leaf first
    schemes: tuple[SignatureScheme, ...]  # what our key can do, best first
    ike_proposals: tuple[Proposal, ...] = IKE_DEFAULT
    esp_proposals: tuple[Proposal, ...] = ESP_DEFAULT
    allow_common_name: bool = False
    timers: Timers = Timers()
    fragment_size: int = 1232  # bytes of one IKE message on a 1280 byte path
    rekey_pfs: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Terms):
    """What the client is told about one gateway."""

    gateway: str  # its address
    remote_identity: Identity
    remote_selectors: tuple[Selector, ...]
    local_selectors: tuple[Selector, ...]
    ports: tuple[int, int] = (500, 4500)
    send_remote_identity: bool = True
    want_address: bool = True
    address_bounds: tuple[IPv4Network, ...] = ()  # empty: any private unicast address
    initial_contact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponderConfig(Terms):
    """What the gateway end is told; `pool` and `dns` answer a client that asks for an address."""

    remote_identity: Identity | None = None  # None: any certificate below our anchors
    local_selectors: tuple[Selector, ...]
    pool: tuple[IPv4Address, ...] = ()
    dns: tuple[IPv4Address, ...] = ()
    cookie_secret: bytes = field(default=b"", repr=False)  # empty: no cookie is demanded (RFC 7296 §2.6)
