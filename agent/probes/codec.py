"""What the look helper and the daemon say to each other, one JSON object a line, and how facts travel in it.

Strict and bounded both ways: an unknown or missing field, another type or a value out of bounds is a
`CodecError`. It opens nothing.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, cast, get_args, get_type_hints

from agent.posture.facts import Facts, Observed, Program, Programs, Unseen
from agent.shapes import Bounds, ShapeError, plain, reader, shape

FactName = Literal["programs", "antimalware", "storage", "updates", "locking", "usb", "clock", "boot"]
HashWhich = Literal["unowned", "all"]
Seen = Observed[object] | Unseen
Value = TypeVar("Value")


class CodecError(ValueError):
    """A line that says nothing we know; the text says why in one clause."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An antivirus program to look for: how people call it, its systemd unit, and the folder of its signatures."""

    title: str
    unit: str
    database: str


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look at, for whom, and of their programs which to hash: those that no package owns, or all.

    `listed` are path patterns (`*` and `?`) of programs that are hashed even when owned; `folders` are
    places whose storage matters. `origins` asks where packages come from, and says how many seconds old what
    their sources offer may be; None does not ask.
    """

    uids: frozenset[int]
    hash: HashWhich = "unowned"
    listed: tuple[str, ...] = ()
    facts: frozenset[FactName] = frozenset({"programs"})
    scanners: tuple[Asked, ...] = ()
    folders: tuple[str, ...] = ()
    origins: float | None = None

    @property
    def watches(self) -> bool:
        """Whether programs that start are to be told from now on."""
        return "programs" in self.facts and bool(self.uids)


@dataclass(frozen=True, slots=True)
class Ready:
    """The helper's first line; `blind` says why it cannot report starting programs, if it cannot."""

    blind: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to a look: each fact that was asked for, by its name."""

    facts: Mapping[FactName, Seen]


@dataclass(frozen=True, slots=True)
class Started:
    """A judged user's process started this program, or became that user while running it.

    It is told once: not again for another process that starts the same, until the next look or until another
    program was told of the same process.
    """

    program: Program
    at: float


@dataclass(frozen=True, slots=True)
class Missed:
    """How many processes started since the last such word and could not be told: ended, or unreadable."""

    vanished: int
    unreadable: int
    at: float


@dataclass(frozen=True, slots=True)
class LookedAgain:
    """A whole new look at the programs, made because the kernel dropped events."""

    programs: Observed[Programs] | Unseen


@dataclass(frozen=True, slots=True)
class Refusal:
    """The helper does not serve this client or this line, and why."""

    why: str


Pushed = Started | Missed | LookedAgain
Said = Ready | Looked | Refusal | Pushed


def encode_scope(scope: Scope) -> bytes:
    """Write the request for a look; one at programs also sets whose are reported from then on."""
    return _line({"look": scope})


def decode_scope(line: bytes) -> Scope:
    """Read the request for a look."""
    name, body = _load(line, LONGEST_REQUEST)
    if name != "look":
        raise CodecError("the line is an unknown message")
    return _read(SCOPE, body)


def encode(said: Said) -> bytes:
    """Write what the helper says."""
    return _line({NAMES[type(said)]: said.facts if isinstance(said, Looked) else said})


def decode(line: bytes) -> Said:
    """Read what the helper says."""
    name, body = _load(line, LONGEST_ANSWER)
    if name == NAMES[Looked]:
        return Looked(read_facts(body))
    read = SHAPES.get(name)
    if read is None:
        raise CodecError("the line is an unknown message")
    return _read(read, body)


def read_facts(body: object) -> Mapping[FactName, Seen]:
    """Read facts by their names from what JSON held; raise `CodecError` for anything else."""
    if not isinstance(body, dict) or not body.keys() <= FACTS.keys():
        raise CodecError("these are no facts by their names")
    return {name: _read(FACTS[name], value) for name, value in body.items()}


def _read(read: Callable[[object], Value], body: object) -> Value:
    try:
        return read(body)
    except ShapeError as error:
        raise CodecError(str(error)) from error


def _line(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":"), default=plain).encode() + b"\n"


def _load(line: bytes, longest: int) -> tuple[str, object]:
    """Read one line, which is one message by its name."""
    if len(line) > longest:
        raise CodecError(f"the line is longer than {longest} bytes")
    try:
        body: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CodecError("the line is not JSON") from error
    if not isinstance(body, dict) or len(body) != 1:
        raise CodecError("the line is not one message")
    ((name, value),) = body.items()
    return name, value


# Fixed by the kernel and by SHA-256.
MOST_PID = (1 << 22) - 1
MOST_UID = (1 << 32) - 1
MOST_TICKS = (1 << 63) - 1
SHA256 = re.compile(r"[0-9a-f]{64}")

# Our choices. A path of 4,096 bytes grows fourfold when each of them is escaped.
LONGEST_REQUEST = 65_536
LONGEST_ANSWER = 16 << 20
LONGEST_PATH = 16_384
LONGEST_NAME = 1_024
LONGEST_REASON = 400
MOST_UIDS = 64
MOST_LISTED = 1_000
MOST_PROGRAMS = 10_000
MOST_SCRIPTS = 8
MOST_SECONDS = 1e10
BOUNDS = Bounds(
    text=LONGEST_NAME,
    items=MOST_LISTED,
    whole=MOST_UID,
    least=0.0,
    most=MOST_SECONDS,
    fields={
        "pid": MOST_PID,
        "started": MOST_TICKS,
        "path": LONGEST_PATH,
        "sha256": SHA256,
        "blind": LONGEST_REASON,
        "method": LONGEST_REASON,
        "unhashed": LONGEST_REASON,
        "why": LONGEST_REASON,
        "uids": MOST_UIDS,
        "running": MOST_PROGRAMS,
        "scripts": MOST_SCRIPTS,
    },
)

NAMES: Mapping[type[Said], str] = {
    Looked: "looked",
    Ready: "ready",
    Refusal: "refused",
    Started: "started",
    Missed: "missed",
    LookedAgain: "looked_again",
}
SHAPES = {name: shape(kind, BOUNDS) for kind, name in NAMES.items() if kind is not Looked}
SCOPE = shape(Scope, BOUNDS)
HINTS = get_type_hints(Facts)
FACTS: Mapping[FactName, Callable[[object], Seen]] = {
    name: cast(Callable[[object], Seen], reader(HINTS[name], BOUNDS, name)) for name in get_args(FactName)
}
