"""What the look helper and the daemon say to each other, one JSON object a line, and how facts travel in it.

Strict and bounded both ways: an unknown or missing field, another type or a value out of bounds is a
`CodecError`. It opens nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from agent.posture.facts import Grade, Observed, Origin, Package, Program, Programs, Script, Unseen

HashWhich = Literal["unowned", "all"]


class CodecError(ValueError):
    """A line that says nothing we know; the text says why in one clause."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose programs to look at, and which to hash: those that no package owns, or all.

    `listed` are path patterns (`*` and `?`) of programs that are hashed even when owned.
    """

    uids: frozenset[int]
    hash: HashWhich = "unowned"
    listed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The helper's first line; `blind` says why it cannot report starting programs, if it cannot."""

    blind: str | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to a look."""

    programs: Observed[Programs] | Unseen


@dataclass(frozen=True, slots=True)
class Started:
    """A judged user's process started this program, or became that user while running it."""

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
    """A whole new look, made because the kernel dropped events."""

    programs: Observed[Programs] | Unseen


@dataclass(frozen=True, slots=True)
class Refusal:
    """The helper does not serve this client or this line, and why."""

    why: str


Pushed = Started | Missed | LookedAgain
Said = Ready | Looked | Refusal | Pushed


def encode_scope(scope: Scope) -> bytes:
    """Write the request for a look, which also sets whose programs are reported from then on."""
    return _line({"look": {"uids": sorted(scope.uids), "hash": scope.hash, "listed": list(scope.listed)}})


def decode_scope(line: bytes) -> Scope:
    """Read the request for a look."""
    look = _Fields(_Fields(_load(line, LONGEST_REQUEST)).only("look"))
    uids = frozenset(_whole(uid, "uids", MOST_UID) for uid in look.items("uids", MOST_UIDS))
    which = look.one_of("hash", get_args(HashWhich))
    listed = tuple(_text(path, "listed", LONGEST_PATH) for path in look.items("listed", MOST_LISTED))
    look.end()
    return Scope(uids, cast(HashWhich, which), listed)


def encode(said: Said) -> bytes:
    """Write what the helper says."""
    match said:
        case Ready(blind):
            return _line({"ready": {"blind": blind}})
        case Refusal(why):
            return _line({"refused": {"why": why}})
        case Looked(programs):
            return _line({"looked": write_programs(programs)})
        case LookedAgain(programs):
            return _line({"looked_again": write_programs(programs)})
        case Missed(vanished, unreadable, at):
            return _line({"missed": {"vanished": vanished, "unreadable": unreadable, "at": at}})
        case Started(program, at):
            return _line({"started": {"program": _write_program(program), "at": at}})


def decode(line: bytes) -> Said:
    """Read what the helper says."""
    body = _load(line, LONGEST_ANSWER)
    if not isinstance(body, dict) or len(body) != 1:
        raise CodecError("the line is not one message")
    (name, value), *_ = body.items()
    if name in ("looked", "looked_again"):
        programs = read_programs(value)
        return Looked(programs) if name == "looked" else LookedAgain(programs)
    return _decode_small(str(name), _Fields(value))


def _decode_small(name: str, fields: "_Fields") -> Said:
    said: Said
    match name:
        case "ready":
            said = Ready(fields.text_or_none("blind", LONGEST_REASON))
        case "refused":
            said = Refusal(fields.text("why", LONGEST_REASON))
        case "missed":
            vanished, unreadable = fields.whole("vanished", MOST_COUNTED), fields.whole("unreadable", MOST_COUNTED)
            said = Missed(vanished, unreadable, fields.seconds("at"))
        case "started":
            said = Started(_read_program(fields.take("program")), fields.seconds("at"))
        case _:
            raise CodecError("the line is an unknown message")
    fields.end()
    return said


def write_programs(programs: Observed[Programs] | Unseen) -> dict[str, object]:
    """Make the programs of a look, or why there are none, into what JSON can hold."""
    if isinstance(programs, Unseen):
        return {"unseen": programs.why, "at": programs.at}
    value = programs.value
    return {
        "grade": programs.grade.value,
        "method": programs.method,
        "at": programs.at,
        "running": [_write_program(program) for program in value.running],
        "vanished": value.vanished,
        "unreadable": value.unreadable,
    }


def read_programs(body: object) -> Observed[Programs] | Unseen:
    """Read back what `write_programs` made; raise `CodecError` for anything else."""
    fields = _Fields(body)
    at = fields.seconds("at")
    if fields.has("unseen"):
        unseen = Unseen(fields.text("unseen", LONGEST_REASON), at)
        fields.end()
        return unseen
    running = tuple(_read_program(program) for program in fields.items("running", MOST_PROGRAMS))
    programs = Programs(running, fields.whole("vanished", MOST_COUNTED), fields.whole("unreadable", MOST_COUNTED))
    grade = Grade(fields.one_of("grade", [grade.value for grade in Grade]))
    method = fields.text("method", LONGEST_REASON)
    fields.end()
    return Observed(programs, grade, method, at)


def _write_program(program: Program) -> dict[str, object]:
    return {
        "pid": program.pid,
        "started": program.started,
        "uid": program.uid,
        "name": program.name,
        "replaced": program.replaced,
        "scripts": [_write_file(script) for script in program.scripts],
        **_write_file(program),
    }


def _write_file(file: Program | Script) -> dict[str, object]:
    return {
        "path": file.path,
        "package": None if file.package is None else _write_package(file.package),
        "sha256": file.sha256,
        "unhashed": file.unhashed,
        "home": file.home,
        "foreign": file.foreign,
        "writable": file.writable,
    }


def _write_package(package: Package) -> dict[str, object]:
    return {
        "manager": package.manager,
        "name": package.name,
        "version": package.version,
        "origin": package.origin.value,
    }


def _read_program(body: object) -> Program:
    fields = _Fields(body)
    file = _read_file(fields)
    program = Program(
        pid=fields.whole("pid", MOST_PID),
        started=fields.whole("started", MOST_TICKS),
        uid=fields.whole("uid", MOST_UID),
        name=fields.text("name", LONGEST_NAME),
        path=file.path,
        package=file.package,
        sha256=file.sha256,
        unhashed=file.unhashed,
        replaced=fields.flag("replaced"),
        home=file.home,
        foreign=file.foreign,
        writable=file.writable,
        scripts=tuple(_read_script(script) for script in fields.items("scripts", MOST_SCRIPTS)),
    )
    fields.end()
    return program


def _read_script(body: object) -> Script:
    fields = _Fields(body)
    script = _read_file(fields)
    fields.end()
    return script


def _read_file(fields: "_Fields") -> Script:
    package, digest = fields.take("package"), fields.text_or_none("sha256", SHA256_DIGITS)
    if digest is not None and not SHA256.fullmatch(digest):
        raise CodecError("the field 'sha256' is no sha256")
    return Script(
        path=fields.text("path", LONGEST_PATH),
        package=None if package is None else _read_package(package),
        sha256=digest,
        unhashed=fields.text("unhashed", LONGEST_REASON),
        home=fields.flag("home"),
        foreign=fields.flag("foreign"),
        writable=fields.flag("writable"),
    )


def _read_package(body: object) -> Package:
    fields = _Fields(body)
    package = Package(
        manager=fields.text("manager", LONGEST_NAME),
        name=fields.text("name", LONGEST_NAME),
        version=fields.text("version", LONGEST_NAME),
        origin=Origin(fields.one_of("origin", [origin.value for origin in Origin])),
    )
    fields.end()
    return package


class _Fields:
    """One JSON object that is taken apart field by field until nothing is left."""

    def __init__(self, body: object) -> None:
        if not isinstance(body, dict):
            raise CodecError("an object was expected")
        self._left = dict(body)

    def has(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str) -> object:
        try:
            return self._left.pop(name)
        except KeyError:
            raise CodecError(f"the field {name!r} is missing") from None

    def only(self, name: str) -> object:
        value = self.take(name)
        self.end()
        return value

    def end(self) -> None:
        if self._left:
            raise CodecError(f"there are {len(self._left)} unknown fields")

    def text(self, name: str, longest: int) -> str:
        return _text(self.take(name), name, longest)

    def text_or_none(self, name: str, longest: int) -> str | None:
        value = self.take(name)
        return None if value is None else _text(value, name, longest)

    def one_of(self, name: str, allowed: "list[str] | tuple[str, ...]") -> str:
        value = self.take(name)
        if not isinstance(value, str) or value not in allowed:
            raise CodecError(f"the field {name!r} has an unknown value")
        return value

    def whole(self, name: str, most: int) -> int:
        return _whole(self.take(name), name, most)

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise CodecError(f"the field {name!r} is neither true nor false")
        return value

    def seconds(self, name: str) -> float:
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CodecError(f"the field {name!r} is no number")
        if not 0 <= value <= MOST_SECONDS:
            raise CodecError(f"the field {name!r} is out of bounds")
        return float(value)

    def items(self, name: str, most: int) -> list[object]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            raise CodecError(f"the field {name!r} is no list of at most {most}")
        return value


def _text(value: object, name: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise CodecError(f"the field {name!r} is no text of at most {longest} characters")
    return value


def _whole(value: object, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise CodecError(f"the field {name!r} is no whole number up to {most}")
    return value


def _line(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def _load(line: bytes, longest: int) -> object:
    if len(line) > longest:
        raise CodecError(f"the line is longer than {longest} bytes")
    try:
        loaded: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CodecError("the line is not JSON") from error
    return loaded


# Fixed by the kernel and by SHA-256.
MOST_PID = (1 << 22) - 1
MOST_UID = (1 << 32) - 1
MOST_TICKS = (1 << 63) - 1
SHA256_DIGITS = 64
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
MOST_COUNTED = 1 << 32
MOST_SECONDS = 1e10
