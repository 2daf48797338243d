"""What a person's program may ask of the daemon and what it answers, as one JSON object a line.

Frozen requests and replies and their codec; it opens no socket and carries no secret.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar, get_args

from agent.shapes import Bounds, ShapeError, parts, plain, shape
from agent.words import Words

StepName = Literal["look", "key", "tunnel", "gateway", "network"]
StateName = Literal["idle", "looking", "inside", "refused", "service", "opening", "open", "emergency", "closing"]


class MessageError(ValueError):
    """A line that is no message; the text says why in one clause."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a site (None: the only one, or the policy's first) and report each step."""

    name: ClassVar[str] = "connect"
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Emergency:
    """Open a site in an emergency past the checks that the policy lets pass; `reason` is one of its codes."""

    name: ClassVar[str] = "emergency"
    reason: str
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close what is open and restore the machine."""

    name: ClassVar[str] = "disconnect"


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Tell the state now."""

    name: ClassVar[str] = "status"


@dataclass(frozen=True, slots=True)
class Why:
    """Tell why the machine was last refused or cut, with each finding."""

    name: ClassVar[str] = "why"


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell the state at each change until the asker hangs up."""

    name: ClassVar[str] = "watch"


@dataclass(frozen=True, slots=True)
class AskReport:
    """Tell what is seen of this computer, check by check, whether or not a site is open."""

    name: ClassVar[str] = "report"


@dataclass(frozen=True, slots=True)
class AskReady:
    """Tell what will refuse this computer within a day, and what else comes near."""

    name: ClassVar[str] = "ready"


@dataclass(frozen=True, slots=True)
class AskNetworks:
    """Tell which wireless networks are registered."""

    name: ClassVar[str] = "networks"


@dataclass(frozen=True, slots=True)
class AddNetwork:
    """Register the wireless network in use, to be called `title` (None: by its own name)."""

    name: ClassVar[str] = "add-network"
    title: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveNetwork:
    """Forget a registered wireless network, by its number, its title or its own name."""

    name: ClassVar[str] = "remove-network"
    which: str


Request = (
    Connect
    | Emergency
    | Disconnect
    | AskStatus
    | Why
    | Watch
    | AskReport
    | AskReady
    | AskNetworks
    | AddNetwork
    | RemoveNetwork
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of connecting that ended, and how long after the request."""

    name: ClassVar[str] = "step"
    step: StepName
    elapsed_ms: float
    said: Words


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding or problem as it is told: stable code, what was seen, what to do, whose move."""

    name: ClassVar[str] = "reason"
    code: str
    outcome: Literal["fail", "unknown", "warn", "problem"]
    seen: Words
    remedy: Words
    who: str


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The open tunnel: names, suites and traffic. Times in seconds, traffic in bytes."""

    name: ClassVar[str] = "tunnel"
    interface: str
    addresses: tuple[str, ...]
    gateway: str
    local_identity: str
    remote_identity: str
    ike_suite: str
    esp_suite: str
    networks: tuple[str, ...]
    handshake_ms: float
    seconds: float
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One reason for an emergency that the policy knows."""

    name: ClassVar[str] = "choice"
    code: str
    said: Words


@dataclass(frozen=True, slots=True)
class Offer:
    """What the policy grants in an emergency: for which reasons, past which checks, how long and how far."""

    name: ClassVar[str] = "offer"
    reasons: tuple[Choice, ...]
    overridable: tuple[str, ...]
    seconds: float
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the gate, the site it is about, and the reasons that stand.

    `cut_in` is how many seconds are left to an open tunnel that these reasons will end, `ends_in` how many
    to what only lasts for a time (service, emergency); a site that was cut opens again by itself when
    cured within `comes_back_in` seconds. `emergency` is what one may ask for in an emergency, None where nothing.
    """

    name: ClassVar[str] = "status"
    state: StateName
    site: str | None
    sites: tuple[str, ...]
    language: str
    policy_serial: int | None
    warnings: tuple[Reason, ...]
    reasons: tuple[Reason, ...]
    tunnel: Tunnel | None
    cut_in: float | None = None
    ends_in: float | None = None
    comes_back_in: float | None = None
    emergency: Offer | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was refused by the gate (`by` posture) or failed on the way (`by` problem).

    `overridable` tells that an emergency would pass over all of these reasons.
    """

    name: ClassVar[str] = "refused"
    by: Literal["posture", "problem"]
    reasons: tuple[Reason, ...]
    overridable: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The request was carried out; for a connect, with the tunnel."""

    name: ClassVar[str] = "done"
    elapsed_ms: float
    status: Status


@dataclass(frozen=True, slots=True)
class Checked:
    """One check's answer and what the policy does about it; `age` is how many seconds ago `method` looked.

    `grade` says how far what was seen can be believed, None when nothing was seen. With `shadow` the response is
    what would be done, and only recorded. `until` is from when this will be worse (UTC, ISO 8601), if that is known.
    """

    name: ClassVar[str] = "checked"
    code: str
    outcome: Literal["pass", "fail", "unknown"]
    response: Literal["refuse", "warn", "off"]
    seen: Words
    remedy: Words
    who: str
    grade: Literal["A", "B", "C"] | None
    method: str
    age: float
    shadow: bool = False
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen of this computer, told at `at` (UTC, ISO 8601), and whether a connect would be let through.

    `problem` stands against it besides the findings: nobody could look.
    """

    name: ClassVar[str] = "report"
    at: str
    policy_serial: int
    allowed: bool
    findings: tuple[Checked, ...]
    problem: Reason | None


@dataclass(frozen=True, slots=True)
class Coming:
    """One thing that refuses this computer now, will within a day or later, or is worth knowing before it matters.

    `at` is from when (UTC, ISO 8601), None where no date is known; the words are those of that time.
    """

    name: ClassVar[str] = "coming"
    when: Literal["now", "soon", "later", "notice"]
    at: str | None
    code: str
    seen: Words
    remedy: Words
    who: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """What will refuse this computer if it stays as it was seen at `at` (UTC, ISO 8601); `ready`: nothing within a day.

    `problem` stands against it besides: nobody could look.
    """

    name: ClassVar[str] = "ready"
    at: str
    policy_serial: int
    ready: bool
    coming: tuple[Coming, ...]
    problem: Reason | None


@dataclass(frozen=True, slots=True)
class Network:
    """A registered wireless network; `number` and `since` (UTC, ISO 8601) are None for one of the policy's own."""

    name: ClassVar[str] = "network"
    number: int | None
    title: str
    ssid: str
    at_least: Literal["wpa2", "wpa3"]
    since: str | None


@dataclass(frozen=True, slots=True)
class Networks:
    """The registered wireless networks, at most `most` of them people's, and which was just added or removed."""

    name: ClassVar[str] = "networks"
    networks: tuple[Network, ...]
    most: int
    added: Network | None = None
    removed: Network | None = None


Reply = Step | Status | Refused | Done | Report | Readiness | Networks

Message = TypeVar("Message")


def encode(message: Request | Reply) -> bytes:
    """Write one message as a line of JSON."""
    body = {"message": message.name, **parts(message)}
    return json.dumps(body, separators=(",", ":"), default=plain).encode() + b"\n"


def decode_request(line: bytes) -> Request:
    """Read a request; raise `MessageError` for anything else."""
    return _decode(line, REQUESTS)


def decode_reply(line: bytes) -> Reply:
    """Read a reply; raise `MessageError` for anything else."""
    return _decode(line, REPLIES)


def _decode(line: bytes, kinds: Mapping[str, type[Message]]) -> Message:
    if len(line) > LONGEST_LINE:
        raise MessageError(f"a line of {len(line)} bytes is longer than {LONGEST_LINE}")
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MessageError("the line is not JSON") from error
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        raise MessageError("the line names no message")
    kind = kinds.get(body.pop("message"))
    if kind is None:
        raise MessageError("the line names an unknown message")
    try:
        return shape(kind, BOUNDS)(body)
    except ShapeError as error:
        raise MessageError(str(error)) from error


REQUESTS: Mapping[str, type[Request]] = {kind.name: kind for kind in get_args(Request)}
REPLIES: Mapping[str, type[Reply]] = {kind.name: kind for kind in get_args(Reply)}

# Our choices.
LONGEST_LINE = 524_288
LARGEST = 1e15
BOUNDS = Bounds(text=LONGEST_LINE, items=LONGEST_LINE, whole=2**63 - 1, least=-LARGEST, most=LARGEST, defaults=True)
