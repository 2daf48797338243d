"""The vocabulary of what happened: one frozen class per event, its JSON line and its schema.

It writes no file and reads no clock, and it has no field for free text: a path, a command line,
the name of a wireless network or another person's program cannot be expressed.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import Annotated, ClassVar, Union, cast, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a text field may hold, as a regular expression for the whole value."""

    expression: str


Code = Annotated[str, Pattern(r"[a-z0-9][a-z0-9._-]{0,63}")]
PackageName = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")]
Digest = Annotated[str, Pattern(r"[0-9a-f]{64}")]
Address = Annotated[str, Pattern(r"[0-9a-f.:]{2,45}")]
Identity = Annotated[str, Pattern(r"(?:fqdn|ip|email|dn):[A-Za-z0-9@=,.:_+* -]{1,255}|sha256:[0-9a-f]{64}")]
Instant = Annotated[str, Pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")]


class EventError(ValueError):
    """A value that the vocabulary cannot express; the text names the field, never the value."""


class Outcome(StrEnum):
    """What a check answered."""

    PASS = "pass"  # noqa: S105  # a word of the check, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


class Response(StrEnum):
    """What the policy does about an outcome that is no pass."""

    REFUSE = "refuse"
    WARN = "warn"
    OFF = "off"


class Location(StrEnum):
    """Where a program's file lies, as coarse as a reviewer needs it."""

    SYSTEM = "usr"
    OPT = "opt"
    HOME = "home"
    TEMPORARY = "tmp"
    OTHER = "other"


class NetworkKind(StrEnum):
    """How far a wireless network can be trusted."""

    MANAGED = "managed"
    OWN = "own"
    PROTECTED = "protected"
    WEAK = "weak"
    OPEN = "open"
    UNKNOWN = "unknown"


class CloseReason(StrEnum):
    """Why an open or opening site was closed."""

    ASKED = "asked"
    POSTURE = "posture"
    LOOK_LOST = "look-lost"
    PROBLEM = "problem"
    POLICY = "policy"
    STOPPED = "stopped"
    TIME = "time"
    HEALED = "healed"


class Reach(StrEnum):
    """How much of a site a tunnel reaches."""

    FULL = "full"
    SERVICE = "service"
    EMERGENCY = "emergency"


class RekeyKind(StrEnum):
    """Which keys were renewed."""

    IKE = "ike"
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class ProgramSeen:
    """A program that a finding is about, without its name and path."""

    location: Location
    sha256: Digest | None = None
    package: PackageName | None = None


@dataclass(frozen=True, slots=True)
class NetworkSeen:
    """A wireless network that a finding is about; `network` is `network_digest` of its name."""

    kind: NetworkKind
    network: Digest


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a finding rests on: at most `MOST_SEEN` of each kind, and how many there were more.

    `marks` are words of the check's own that say what it found (`tcp.631`, `swap`), never names from outside.
    """

    programs: tuple[ProgramSeen, ...] = ()
    networks: tuple[NetworkSeen, ...] = ()
    marks: tuple[Code, ...] = ()
    more: int = 0
    vanished: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's outcome, what the policy made of it, and what it rests on.

    `shadow` tells that the response was only recorded, as what would have been done.
    """

    check: Code
    outcome: Outcome
    response: Response
    evidence: Evidence = Evidence()
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The service started."""

    name: ClassVar[str] = "started"
    version: Code


@dataclass(frozen=True, slots=True)
class Stopped:
    """The service stopped on request."""

    name: ClassVar[str] = "stopped"


@dataclass(frozen=True, slots=True)
class Looked:
    """The machine was looked at and judged."""

    name: ClassVar[str] = "looked"
    site: Code
    allowed: bool
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The machine was not let through, or was cut, by these checks."""

    name: ClassVar[str] = "refused"
    site: Code
    user: int
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A site was opened: both identities as proven, the suites in use and the addresses."""

    name: ClassVar[str] = "opened"
    site: Code
    user: int
    gateway: Address
    addresses: tuple[Address, ...]
    local_identity: Identity
    remote_identity: Identity
    remote_certificate: Digest
    ike_suite: Code
    esp_suite: Code
    handshake_ms: float
    reach: Reach = Reach.FULL


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """Keys were renewed while a site was open."""

    name: ClassVar[str] = "rekeyed"
    site: Code
    kind: RekeyKind


@dataclass(frozen=True, slots=True)
class Closed:
    """An open site was closed: why, how long it was open, and how much it carried."""

    name: ClassVar[str] = "closed"
    site: Code
    user: int
    why: CloseReason
    seconds: float
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Entered:
    """The machine stands on the site's own network; no tunnel is needed there."""

    name: ClassVar[str] = "entered"
    site: Code
    user: int


@dataclass(frozen=True, slots=True)
class Left:
    """The machine stands on the site's own network no longer."""

    name: ClassVar[str] = "left"
    site: Code
    user: int


@dataclass(frozen=True, slots=True)
class EmergencyOpened:
    """A person passed over these checks for this reason, for at most so many seconds; somebody must review it."""

    name: ClassVar[str] = "emergency-opened"
    site: Code
    user: int
    reason: Code
    checks: tuple[CheckResult, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class EmergencyClosed:
    """An emergency is over: why, and how long it lasted."""

    name: ClassVar[str] = "emergency-closed"
    site: Code
    user: int
    reason: Code
    why: CloseReason
    seconds: float


@dataclass(frozen=True, slots=True)
class Readied:
    """What will refuse the machine was looked for: by which checks now, within a day, and what else is to be told."""

    name: ClassVar[str] = "readied"
    refuses_now: tuple[Code, ...]
    refuses_soon: tuple[Code, ...]
    notices: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class NetworkRegistered:
    """A person registered the wireless network in use as an own one, with the least protection it must have."""

    name: ClassVar[str] = "network-registered"
    user: int
    network: Digest
    at_least: Code


@dataclass(frozen=True, slots=True)
class NetworkForgotten:
    """A person took a registered wireless network back."""

    name: ClassVar[str] = "network-forgotten"
    user: int
    network: Digest


@dataclass(frozen=True, slots=True)
class PolicyAccepted:
    """A policy came into force; `sha256` is of its files together, `signed` whether a trusted key signed them."""

    name: ClassVar[str] = "policy-accepted"
    serial: int
    sha256: Digest
    signed: bool = False


@dataclass(frozen=True, slots=True)
class PolicyRefused:
    """A policy was refused, for the reason that `why` names; the last good one, if any, stays."""

    name: ClassVar[str] = "policy-refused"
    sha256: Digest
    errors: int
    why: Code = "invalid"


@dataclass(frozen=True, slots=True)
class ProblemMet:
    """Something failed, by its code of the catalogue."""

    name: ClassVar[str] = "problem"
    code: Code
    site: Code | None = None


Event = (
    Started
    | Stopped
    | Looked
    | Refused
    | Opened
    | Rekeyed
    | Closed
    | Entered
    | Left
    | EmergencyOpened
    | EmergencyClosed
    | Readied
    | NetworkRegistered
    | NetworkForgotten
    | PolicyAccepted
    | PolicyRefused
    | ProblemMet
)


def line(event: Event, at: float, seq: int) -> str:
    """Write one event as canonical JSON, without the newline: sorted keys, no spaces, ASCII.

    `at` is seconds of the wall clock since 1970. A value that the vocabulary cannot express
    raises `EventError`.
    """
    body = {"event": event.name, "at": _instant(at), "seq": _plain(seq, int, "seq"), **_record(event)}
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def network_digest(key: bytes, ssid: bytes) -> str:
    """Give a wireless network's pseudonym: the same on this device, meaningless elsewhere."""
    return hmac.new(key, b"sekisho network\0" + ssid, hashlib.sha256).hexdigest()


def identity(kind: str, text: str) -> str:
    """Write an identity so that it fits the vocabulary; one that does not is told by its digest."""
    told = f"{kind}:{text}"
    if re.fullmatch(_pattern(Identity), told):
        return told
    return f"sha256:{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()}"


def schema() -> Mapping[str, object]:
    """Describe every line that can be written, as a JSON Schema made from the classes themselves."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sekisho event",
        "oneOf": [_schema_of_event(kind) for kind in EVENTS],
    }


def _instant(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    except (ValueError, OverflowError, OSError) as error:
        raise EventError("'at' is no instant of the calendar") from error


def _record(value: object) -> dict[str, object]:
    kind = type(value)
    return {name: _plain(getattr(value, name), hint, name) for name, hint in _hints(kind).items()}


def _plain(value: object, hint: object, name: str) -> object:
    """Turn a value into what JSON knows, if it is what its field may hold."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return None if value is None else _plain(value, arguments[0], name)
    if origin is tuple and isinstance(value, tuple):
        return [_plain(item, arguments[0], name) for item in value]
    if origin is Annotated and isinstance(value, str) and re.fullmatch(_pattern(hint), value):
        return str(value)
    if isinstance(hint, type) and type(value) is hint:
        return _scalar(value, name)
    raise EventError(f"the field {name!r} holds a value that no event can express")


def _scalar(value: object, name: str) -> object:
    if is_dataclass(value):
        return _record(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float) and 0 <= value < float("inf"):
        return round(value, 3)
    if isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= LARGEST):
        return value
    raise EventError(f"the field {name!r} holds a value that no event can express")


def _schema_of_event(kind: type[Event]) -> Mapping[str, object]:
    own = {"event": {"const": kind.name}, "at": _schema(Instant), "seq": _schema(int)}
    return _object({**own, **{name: _schema(hint) for name, hint in _hints(kind).items()}})


def _schema(hint: object) -> Mapping[str, object]:
    """Describe what a field may hold."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(arguments[0]), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is Annotated:
        return {"type": "string", "pattern": f"^(?:{_pattern(hint)})$"}
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return {"enum": [member.value for member in hint]}
    if hint in NUMBERS:
        return NUMBERS[hint]
    return _object({name: _schema(inner) for name, inner in _hints(cast(type, hint)).items()})


def _object(properties: Mapping[str, object]) -> Mapping[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _hints(kind: type) -> dict[str, object]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def _pattern(hint: object) -> str:
    return next(mark.expression for mark in get_args(hint) if isinstance(mark, Pattern))


EVENTS: tuple[type[Event], ...] = cast(tuple[type[Event], ...], get_args(Event))
NUMBERS: Mapping[object, Mapping[str, object]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    float: {"type": "number", "minimum": 0},
}

# Our choices.
MOST_SEEN = 16
LARGEST = 2**63 - 1
