"""What reaches a session from outside and what it wants done there; it never decides anything."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from typing import Literal

from ike.config import Endpoint
from ike.crypto import SignatureScheme
from ike.errors import IkeError
from ike.keys import Suite
from ike.selectors import Selector

# Events: what happened outside.


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IKE message arrived; a non-ESP marker is already taken off."""

    message: bytes = field(repr=False)
    source: Endpoint


@dataclass(frozen=True, slots=True)
class Tick:
    """The deadline the session named has come; early or late ticks do no harm."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The key holder carried out the `Sign` with this ticket."""

    ticket: int
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignRefused:
    """The key holder could or would not carry out the `Sign` with this ticket."""

    ticket: int
    why: str


@dataclass(frozen=True, slots=True)
class Heard:
    """The data plane received authenticated traffic from the peer: a sign of life."""


@dataclass(frozen=True, slots=True)
class Close:
    """We want to end the session."""


@dataclass(frozen=True, slots=True)
class RekeyChild:
    """Replace the Child SA now, for example because its packet budget is nearly used up."""


@dataclass(frozen=True, slots=True)
class RekeyIke:
    """Replace the IKE SA now."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask the peer at once whether it lives, for example after the machine woke up."""


Event = Datagram | Tick | Signed | SignRefused | Heard | Close | RekeyChild | RekeyIke | Probe


# Effects: what the session wants done.


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send one IKE message: bare to port 500, behind the non-ESP marker to any other port (RFC 3948 §2.2)."""

    message: bytes = field(repr=False)
    to: Endpoint


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign `data` with our private key and come back with `Signed` or `SignRefused` carrying the same ticket."""

    ticket: int
    scheme: SignatureScheme
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChildSa:
    """One pair of ESP SAs; `key_in` and `key_out` are the encryption key followed by its salt (RFC 4106 §8.1)."""

    spi_in: int
    spi_out: int
    suite: Suite
    key_in: bytes = field(repr=False)
    key_out: bytes = field(repr=False)
    integrity_in: bytes = field(repr=False)
    integrity_out: bytes = field(repr=False)
    local: tuple[Selector, ...]
    remote: tuple[Selector, ...]
    peer: Endpoint


@dataclass(frozen=True, slots=True)
class InstallChild:
    """Accept packets on this Child SA, and with `outbound` send on it too, instead of the one before."""

    child: ChildSa
    outbound: bool


@dataclass(frozen=True, slots=True)
class UseChild:
    """Send on this installed Child SA from now on, instead of the one before."""

    spi_out: int


@dataclass(frozen=True, slots=True)
class RemoveChild:
    """Forget this Child SA; when it is the one in use, nothing may be sent any more."""

    spi_in: int
    spi_out: int


@dataclass(frozen=True, slots=True)
class Configure:
    """Give the tunnel its addresses, name servers and the networks behind the gateway."""

    addresses: tuple[IPv4Interface, ...]
    dns: tuple[IPv4Address, ...]
    remote: tuple[Selector, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a connected session is made of, in words for people and logs."""

    ike_suite: str
    esp_suite: str
    local_identity: str
    remote_identity: str
    remote_certificate: str  # SHA-256, hex
    handshake_ms: float  # first IKE_SA_INIT sent -> gateway's AUTH verified


@dataclass(frozen=True, slots=True)
class Up:
    """The peer is authenticated and the first Child SA is installed."""

    summary: Summary


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """Fresh keys are in place."""

    kind: Literal["ike", "child"]


@dataclass(frozen=True, slots=True)
class Down:
    """The session has ended; `error` is None when we asked for it."""

    error: IkeError | None
    by: Literal["us", "peer"]


@dataclass(frozen=True, slots=True)
class Note:
    """A tolerated oddity worth a log line; without secrets and without credentials."""

    code: str
    detail: str


Effect = Transmit | Sign | InstallChild | UseChild | RemoveChild | Configure | Up | Rekeyed | Down | Note
Effects = tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Deadline:
    """When the session wants its next `Tick`, in boot clock seconds, and what for."""

    at: float
    why: str
