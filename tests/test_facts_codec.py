"""What the look helper and the daemon say to each other, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import partial
from types import NoneType, UnionType
from typing import Union, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Facts, Grade, Observed, Origin, Package, Program, Programs, Script, Unseen
from agent.probes import codec
from agent.probes.codec import (
    Asked,
    CodecError,
    FactName,
    HashWhich,
    Looked,
    LookedAgain,
    Missed,
    Ready,
    Refusal,
    Said,
    Scope,
    Started,
    decode,
    decode_scope,
    encode,
    encode_scope,
)

NAMES = st.text(max_size=40)
SECONDS = st.floats(0, 1e9)
COUNTS = st.integers(0, codec.MOST_UID)
PACKAGES = st.builds(Package, NAMES, NAMES, NAMES, st.sampled_from(Origin))
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
SCRIPTS = st.builds(
    Script,
    path=NAMES,
    package=st.none() | PACKAGES,
    sha256=st.none() | DIGESTS,
    unhashed=NAMES,
    home=st.booleans(),
    foreign=st.booleans(),
    writable=st.booleans(),
)
PROGRAMS = st.builds(
    Program,
    pid=st.integers(0, codec.MOST_PID),
    started=st.integers(0, codec.MOST_TICKS),
    uid=st.integers(0, codec.MOST_UID),
    name=NAMES,
    path=NAMES,
    package=st.none() | PACKAGES,
    sha256=st.none() | DIGESTS,
    unhashed=NAMES,
    replaced=st.booleans(),
    home=st.booleans(),
    foreign=st.booleans(),
    writable=st.booleans(),
    scripts=st.lists(SCRIPTS, max_size=3).map(tuple),
)
SEEN = st.builds(Programs, st.lists(PROGRAMS, max_size=4).map(tuple), COUNTS, COUNTS)
PROGRAM_LOOKS: st.SearchStrategy[Observed[Programs] | Unseen] = st.one_of(
    st.builds(Observed, SEEN, st.sampled_from(Grade), NAMES, SECONDS),
    st.builds(Unseen, NAMES, SECONDS),
)


def any_of(hint: object) -> st.SearchStrategy[object]:
    """Draw what a type hint of a fact allows."""
    kind, arguments = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return st.one_of(*map(any_of, arguments))
    if kind is tuple:
        return st.lists(any_of(arguments[0]), max_size=3).map(tuple)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = {**get_type_hints(kind), **({"value": arguments[0]} if arguments else {})}
        return st.builds(kind, *(any_of(hints[field.name]) for field in fields(kind)))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    return {str: NAMES, float: SECONDS, int: COUNTS, bool: st.booleans(), NoneType: st.none()}[kind]


HINTS = {name: hint for name, hint in get_type_hints(Facts).items() if name in get_args(FactName)}
LOOKS = st.fixed_dictionaries({}, optional={name: any_of(hint) for name, hint in HINTS.items() if name != "programs"})
SAID: st.SearchStrategy[Said] = st.one_of(
    st.builds(Ready, st.none() | NAMES),
    st.builds(Refusal, NAMES),
    st.builds(Looked, LOOKS),
    st.builds(Looked, st.fixed_dictionaries({"programs": PROGRAM_LOOKS})),
    st.builds(LookedAgain, PROGRAM_LOOKS),
    st.builds(Missed, COUNTS, COUNTS, SECONDS),
    st.builds(Started, PROGRAMS, SECONDS),
)
SCOPES = st.builds(
    Scope,
    st.frozensets(st.integers(0, codec.MOST_UID), max_size=8),
    st.sampled_from(cast("list[HashWhich]", ["unowned", "all"])),
    st.lists(NAMES, max_size=4).map(tuple),
    st.frozensets(st.sampled_from(sorted(HINTS)), max_size=8),
    st.lists(st.builds(Asked, NAMES, NAMES, NAMES), max_size=2).map(tuple),
    st.lists(NAMES, max_size=2).map(tuple),
    st.none() | SECONDS,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
PROGRAM = Program(7, 8, 9, "name", "/path", Package("dpkg", "n", "1", Origin.UNCHECKED), "0" * 64)


@given(SAID)
def test_what_is_said_is_read_back_equal_from_one_line(said: Said) -> None:
    line = encode(said)
    assert line.count(b"\n") == 1
    assert decode(line) == said


@given(SCOPES)
def test_a_scope_is_read_back_equal_from_one_line(scope: Scope) -> None:
    line = encode_scope(scope)
    assert line.count(b"\n") == 1
    assert decode_scope(line) == scope


@given(st.binary(max_size=200) | JSON.map(lambda body: json.dumps(body).encode()))
def test_garbage_is_refused_and_nothing_else_happens(line: bytes) -> None:
    with pytest.raises(CodecError):
        decode(line)
    with pytest.raises(CodecError):
        decode_scope(line)


@given(SAID, st.data())
def test_a_value_of_any_other_kind_in_any_place_is_refused_or_read(said: Said, data: st.DataObject) -> None:
    body = json.loads(encode(said))
    put = data.draw(st.sampled_from(places(body)))
    put(data.draw(JSON))
    try:
        decode(json.dumps(body).encode())
    except CodecError:
        return


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pid", -1),
        ("pid", True),
        ("pid", 1.0),
        ("pid", 1 << 22),
        ("uid", 1 << 32),
        ("path", "x" * (codec.LONGEST_PATH + 1)),
        ("path", None),
        ("sha256", "0" * 63),
        ("sha256", "G" * 64),
        ("replaced", 0),
        ("foreign", None),
        ("writable", 1),
        ("scripts", None),
        ("scripts", [{}]),
        ("scripts", ["/path"]),
        ("package", []),
        ("surprise", 1),
    ],
)
def test_a_program_with_a_field_out_of_bounds_is_refused(field: str, value: object) -> None:
    body = json.loads(encode(Started(PROGRAM, 1.0)))
    body["started"]["program"][field] = value
    with pytest.raises(CodecError):
        decode(json.dumps(body).encode())


@pytest.mark.parametrize("field", ["pid", "package", "sha256", "home", "foreign", "writable", "scripts"])
def test_a_program_without_a_field_is_refused(field: str) -> None:
    body = json.loads(encode(Started(PROGRAM, 1.0)))
    del body["started"]["program"][field]
    with pytest.raises(CodecError, match="missing"):
        decode(json.dumps(body).encode())


@pytest.mark.parametrize("at", ["NaN", "Infinity", "-1", "1e400", "1" + "0" * 400, '"1"', "true"])
def test_a_time_that_is_no_time_is_refused(at: str) -> None:
    with pytest.raises(CodecError):
        decode(f'{{"missed":{{"vanished":1,"unreadable":1,"at":{at}}}}}'.encode())


def test_more_programs_than_a_machine_runs_are_refused() -> None:
    body = json.loads(encode(LookedAgain(Observed(Programs((PROGRAM,), 0, 0), Grade.ROOT, "m", 1.0))))
    body["looked_again"]["programs"]["value"]["running"] *= codec.MOST_PROGRAMS + 1
    with pytest.raises(CodecError, match="no list of at most"):
        decode(json.dumps(body).encode())


def test_a_fact_that_nobody_knows_and_a_fact_under_anothers_name_are_refused() -> None:
    with pytest.raises(CodecError, match="no facts by their names"):
        decode(b'{"looked":{"weather":{"why":"","at":1}}}')
    body = json.loads(encode(Looked({"programs": Observed(Programs((), 0, 0), Grade.ROOT, "m", 1.0)})))
    with pytest.raises(CodecError, match="'lockdown' is missing"):
        decode(json.dumps({"looked": {"boot": body["looked"]["programs"]}}).encode())


def test_a_line_that_is_too_long_is_refused_unread() -> None:
    with pytest.raises(CodecError, match="longer than"):
        decode_scope(b" " * (codec.LONGEST_REQUEST + 1))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(CodecError, match="not JSON"):
        decode(b"[" * 1_000_000)


def places(body: object) -> list[Callable[[object], None]]:
    """List a way to overwrite each place in a JSON value."""
    if not isinstance(body, dict | list):
        return []
    keys = list(body) if isinstance(body, dict) else list(range(len(body)))
    return [partial(body.__setitem__, key) for key in keys] + [put for key in keys for put in places(body[key])]
