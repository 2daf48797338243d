"""Dataclasses as JSON by their type hints: what is written is read back, and nothing else is taken."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.shapes import Bounds, ShapeError, plain, shape

Held = TypeVar("Held")
BOUNDS = Bounds(text=8, items=3, whole=9, least=-1.0, most=1.0, fields={"few": 1, "word": re.compile("a+"), "big": 99})
LENIENT = Bounds(text=8, items=3, whole=9, least=-1.0, most=1.0, defaults=True)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Mark:
    expression: str


@dataclass(frozen=True)
class Leaf:
    kind: ClassVar[str] = "leaf"
    text: str
    whole: int = 0


@dataclass(frozen=True)
class Other:
    reason: str


@dataclass(frozen=True)
class Box(Generic[Held]):
    held: Held
    number: float


@dataclass(frozen=True)
class Tree:
    leaf: Leaf
    boxed: Box[Leaf] | Other
    maybe: str | None
    raw: bytes
    colour: Colour
    choice: Literal["left", "right"]
    leaves: tuple[Leaf, ...]
    colours: frozenset[Colour]
    address: IPv4Address | IPv6Address
    prefix: IPv4Network | IPv6Network
    code: Annotated[str, Mark("[a-z]{1,3}")]
    flag: bool
    few: tuple[str, ...]
    word: str
    big: int


TEXT = st.text(max_size=8)
LEAVES = st.builds(Leaf, TEXT, st.integers(0, 9))
TREES = st.builds(
    Tree,
    LEAVES,
    st.builds(Box, LEAVES, st.floats(-1, 1)) | st.builds(Other, TEXT),
    st.none() | TEXT,
    st.binary(max_size=8),
    st.sampled_from(Colour),
    st.sampled_from(["left", "right"]),
    st.lists(LEAVES, max_size=3).map(tuple),
    st.frozensets(st.sampled_from(Colour)),
    st.ip_addresses(),
    st.sampled_from([IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/64")]),
    st.from_regex("[a-z]{1,3}", fullmatch=True),
    st.booleans(),
    st.lists(TEXT, max_size=1).map(tuple),
    st.from_regex("a+", fullmatch=True),
    st.integers(0, 99),
)
TREE = Tree(
    Leaf("x", 1),
    Other("none"),
    None,
    b"\xff",
    Colour.RED,
    "left",
    (),
    frozenset({Colour.BLUE}),
    IPv4Address("10.0.0.1"),
    IPv4Network("10.0.0.0/8"),
    "abc",
    True,
    (),
    "a",
    0,
)


def written(value: object) -> dict[str, object]:
    body = json.loads(json.dumps(value, default=plain))
    assert isinstance(body, dict)
    return body


@given(TREES)
def test_what_is_written_is_read_back_equal(tree: Tree) -> None:
    assert shape(Tree, BOUNDS)(written(tree)) == tree


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("leaf", [], "'leaf' is no object"),
        ("leaf", {"text": "x" * 9, "whole": 0}, "'text' is no text of at most 8"),
        ("leaf", {"text": "x", "whole": 10}, "'whole' is no whole number up to 9"),
        ("leaf", {"text": "x", "whole": True}, "'whole' is no whole number"),
        ("leaf", {"text": "x"}, "'whole' is missing"),
        ("leaf", {"text": "x", "whole": 0, "y": 1}, "no field 'y'"),
        ("boxed", {"held": {"text": "x", "whole": 0}, "number": 2}, "'number' is no number from -1 to 1"),
        ("boxed", {"held": {"text": "x", "whole": 0}, "number": float("nan")}, "'number' is no number"),
        ("boxed", {"held": {"text": "x", "whole": 0}, "number": "1"}, "'number' is no number"),
        ("boxed", {"neither": 1}, "'boxed' is none of the objects"),
        ("maybe", 1, "'maybe' is no text"),
        ("raw", "f", "'raw' is not written"),
        ("raw", "ff" * 9, "'raw' is no text of at most 16"),
        ("colour", "green", "'colour' has an unknown value"),
        ("colour", ["red"], "'colour' has an unknown value"),
        ("choice", "up", "'choice' has an unknown value"),
        ("leaves", [{}] * 4, "'leaves' is no list of at most 3"),
        ("leaves", ["x"], "'leaves' is no object"),
        ("colours", "red", "'colours' is no list"),
        ("address", "10.0.0.256", "'address' is not written"),
        ("address", 1, "'address' is no text"),
        ("prefix", "10.0.0.1/8", "'prefix' is not written"),
        ("code", "ABC", "'code' is not written"),
        ("code", "abc\n", "'code' is not written"),
        ("flag", 0, "'flag' is neither true nor false"),
        ("few", ["a", "b"], "'few' is no list of at most 1"),
        ("word", "b", "'word' is not written"),
        ("big", 100, "'big' is no whole number up to 99"),
        ("big", -1, "'big' is no whole number up to 99"),
    ],
)
def test_another_type_or_a_value_out_of_bounds_is_refused_by_the_fields_name(
    field: str, value: object, why: str
) -> None:
    body = written(TREE)
    body[field] = value
    with pytest.raises(ShapeError, match=why):
        shape(Tree, BOUNDS)(body)


def test_a_list_of_at_most_one_holds_texts_of_the_usual_length() -> None:
    body = written(TREE)
    body["few"] = ["x" * 8]
    assert shape(Tree, BOUNDS)(body).few == ("x" * 8,)


def test_an_absent_field_takes_its_default_only_where_that_is_agreed() -> None:
    assert shape(Leaf, LENIENT)({"text": "x"}) == Leaf("x")
    with pytest.raises(ShapeError, match="'text' is missing"):
        shape(Leaf, LENIENT)({"whole": 1})
    with pytest.raises(ShapeError, match="no field 'surprise'"):
        shape(Leaf, LENIENT)({"text": "x", "surprise": 1})


def test_the_name_of_an_unknown_field_is_told_short_and_without_control_characters() -> None:
    with pytest.raises(ShapeError) as refused:
        shape(Leaf, BOUNDS)({"text": "x", "whole": 0, "\x1b\u202e" + "y" * 500: 1})
    assert str(refused.value) == "there is no field '\\x1b\\u202e" + "y" * 38 + "'"


@dataclass(frozen=True)
class Twin:
    reason: str


@dataclass(frozen=True)
class Unclear:
    which: Other | Twin


@dataclass(frozen=True)
class Unknown:
    what: complex


@pytest.mark.parametrize(("kind", "why"), [(Unclear, "cannot be told apart"), (Unknown, "has no shape")])
def test_a_class_that_could_not_be_read_surely_is_refused_before_anything_is_read(kind: type, why: str) -> None:
    with pytest.raises(TypeError, match=why):
        shape(kind, BOUNDS)


def test_what_has_no_shape_is_not_written() -> None:
    with pytest.raises(TypeError, match="complex has no shape"):
        json.dumps(1j, default=plain)
