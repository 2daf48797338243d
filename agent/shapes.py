"""How a frozen dataclass looks as JSON, by its own type hints: strict, bounded, compiled once per class.

It opens nothing and knows no message; what it does not know of a type hint it refuses when it is compiled.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import NoneType, UnionType
from typing import Annotated, Literal, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")
Reader = Callable[[object], object]
Most = int | re.Pattern[str]


class ShapeError(ValueError):
    """A JSON value that is not what a field may hold; the text says why in one clause."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """How much is taken: characters of a text, items of a list, and the size of numbers.

    `fields` says it otherwise for fields of a name: the most of whatever it holds, or how its text is written.
    With `defaults` an absent field takes the default of its class; without, it is an error.
    """

    text: int
    items: int
    whole: int
    least: float
    most: float
    fields: Mapping[str, int | re.Pattern[str]] = field(default_factory=dict)
    defaults: bool = False


def plain(value: object) -> object:
    """Make one value into what JSON can hold; give it to `json.dumps` as `default`."""
    if is_dataclass(value):
        return parts(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, ADDRESSES):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no shape")


def parts(value: object) -> dict[str, object]:
    """Take a dataclass apart into what its fields hold, by their names."""
    return {name: getattr(value, name) for name in _names(cast(object, type(value)))}


def shape(kind: type[Kind], bounds: Bounds) -> Callable[[object], Kind]:
    """Compile the reader of a dataclass; the reader raises `ShapeError`."""
    return cast(Callable[[object], Kind], _compiled(cast(object, kind), bounds))


def reader(hint: object, bounds: Bounds, name: str, most: Most | None = None) -> Reader:
    """Compile the reader of any type hint, for what is called `name` in errors and has bounds of its own or none."""
    origin, arguments = get_origin(hint) or hint, get_args(hint)
    if origin in (Union, UnionType):
        return _union(arguments, bounds, name, most)
    if origin is Annotated:
        return _written(re.compile(cast(_Mark, arguments[1]).expression), name)
    if origin is Literal:
        return _choice({word: word for word in arguments}, name)
    if origin in (tuple, frozenset):
        item = reader(arguments[0], bounds, name)
        return _items(cast(_Make, origin), item, most if isinstance(most, int) else bounds.items, name)
    if isinstance(origin, type) and is_dataclass(origin):
        return _record(origin, arguments, bounds, name)
    return _scalar(origin, bounds, name, most)


@cache
def _compiled(kind: object, bounds: Bounds) -> Reader:
    return reader(kind, bounds, _class(kind).__name__)


def _scalar(kind: object, bounds: Bounds, name: str, most: Most | None) -> Reader:
    if kind is str:
        return _written(most, name) if isinstance(most, re.Pattern) else _text(most or bounds.text, name)
    if kind is bool:
        return _flag(name)
    if kind is int:
        return _whole(most if isinstance(most, int) else bounds.whole, name)
    if kind is float:
        return _number(bounds.least, bounds.most, name)
    if kind is bytes:
        return _made(bytes.fromhex, 2 * bounds.text, name)
    if kind in ADDRESSES:
        return _made(cast(Callable[[str], object], kind), LONGEST_ADDRESS, name)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _choice({member.value: member for member in kind}, name)
    raise TypeError(f"{kind!r} has no shape")


def _record(kind: type, arguments: tuple[object, ...], bounds: Bounds, name: str) -> Reader:
    hints, make = _hints(kind, arguments), cast(_Make, kind)
    readers = tuple((each, reader(hint, bounds, each, bounds.fields.get(each))) for each, hint in hints.items())
    names = frozenset(hints)
    needed = _needed(kind) if bounds.defaults else names

    def read(value: object) -> object:
        if type(value) is not dict:
            raise ShapeError(f"the value of {name!r} is no object")
        if value.keys() == names:
            return make(*[read(value[each]) for each, read in readers])
        _compare(frozenset(value), names, needed)
        return make(**{each: read(value[each]) for each, read in readers if each in value})

    return read


def _hints(kind: type, arguments: tuple[object, ...]) -> dict[str, object]:
    """Give what each field holds, in order; what a generic class leaves open is told by the arguments."""
    hints = get_type_hints(kind, include_extras=True)
    told = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    return {each.name: told.get(hints[each.name], hints[each.name]) for each in fields(kind)}


def _needed(kind: type) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING)


def _compare(told: frozenset[str], names: frozenset[str], needed: frozenset[str]) -> None:
    """Raise for the first field that is missing, or that nobody knows."""
    for name in sorted(needed - told):
        raise ShapeError(f"the field {name!r} is missing")
    for name in sorted(told - names):
        raise ShapeError(f"there is no field {name[:LONGEST_NAME]!r}")


def _union(arguments: tuple[object, ...], bounds: Bounds, name: str, most: Most | None) -> Reader:
    kinds = [argument for argument in arguments if argument is not NoneType]
    if len(kinds) > 1 and all(map(is_dataclass, map(_class, kinds))):
        read = _one_of_records(kinds, bounds, name)
    else:
        read = _first_of([reader(kind, bounds, name, most) for kind in kinds])
    if len(kinds) == len(arguments):
        return read
    return lambda value: None if value is None else read(value)


def _one_of_records(kinds: list[object], bounds: Bounds, name: str) -> Reader:
    """Choose the class by the names of the fields, which must therefore differ from class to class."""
    readers = {frozenset(_names(_class(kind))): reader(kind, bounds, name) for kind in kinds}
    if len(readers) != len(kinds):
        raise TypeError(f"the classes of the field {name!r} cannot be told apart")

    def read(value: object) -> object:
        chosen = readers.get(frozenset(value)) if type(value) is dict else None
        if chosen is None:
            raise ShapeError(f"the field {name!r} is none of the objects that it may be")
        return chosen(value)

    return read


def _class(kind: object) -> type:
    return cast(type, get_origin(kind) or kind)


def _first_of(readers: list[Reader]) -> Reader:
    *others, last = readers
    if not others:
        return last

    def read(value: object) -> object:
        for other in others:
            try:
                return other(value)
            except ShapeError:
                continue
        return last(value)

    return read


def _items(make: "_Make", item: Reader, most: int, name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not list or len(value) > most:
            raise ShapeError(f"the field {name!r} is no list of at most {most}")
        return make([item(each) for each in value])

    return read


def _choice(values: Mapping[object, object], name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not str or value not in values:
            raise ShapeError(f"the field {name!r} has an unknown value")
        return values[value]

    return read


def _text(longest: int, name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not str or len(value) > longest:
            raise ShapeError(f"the field {name!r} is no text of at most {longest} characters")
        return value

    return read


def _written(pattern: re.Pattern[str], name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not str or not pattern.fullmatch(value):
            raise ShapeError(f"the field {name!r} is not written as it should be")
        return value

    return read


def _made(make: Callable[[str], object], longest: int, name: str) -> Reader:
    """Read a text that is made into a value, if it is no longer than such a text can be."""

    def read(value: object) -> object:
        if type(value) is not str or len(value) > longest:
            raise ShapeError(f"the field {name!r} is no text of at most {longest} characters")
        try:
            return make(value)
        except ValueError as error:
            raise ShapeError(f"the field {name!r} is not written as it should be") from error

    return read


def _whole(most: int, name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not int or not 0 <= value <= most:
            raise ShapeError(f"the field {name!r} is no whole number up to {most}")
        return value

    return read


def _number(least: float, most: float, name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) not in (int, float) or not least <= cast(float, value) <= most:
            raise ShapeError(f"the field {name!r} is no number from {least:g} to {most:g}")
        return float(cast(float, value))

    return read


def _flag(name: str) -> Reader:
    def read(value: object) -> object:
        if type(value) is not bool:
            raise ShapeError(f"the field {name!r} is neither true nor false")
        return value

    return read


@cache
def _names(kind: object) -> tuple[str, ...]:
    return tuple(each.name for each in fields(_class(kind)))


class _Make(Protocol):
    """A class that is called with what its fields hold."""

    def __call__(self, *fields: object, **named: object) -> object: ...


class _Mark(Protocol):
    """What stands beside a text in `Annotated`: how it is written, as a regular expression for the whole."""

    @property
    def expression(self) -> str: ...


ADDRESSES = (IPv4Address, IPv6Address, IPv4Network, IPv6Network)

# Our choices, in characters.
LONGEST_ADDRESS = 64
LONGEST_NAME = 40
