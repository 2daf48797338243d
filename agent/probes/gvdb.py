"""A reader of GVDB, the file format of dconf's databases: hash tables of keys to values, never trusted to be whole.

Every pointer is checked against the file and every walk is bounded, for users write these files.
It knows only the two types of value that are asked for here, truth values and whole numbers.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from agent.probes.small_files import UnreadableError


class GvdbError(UnreadableError):
    """The file is not what it says."""


@dataclass(frozen=True, slots=True)
class Table:
    """One hash table of a file: where its buckets and its items lie."""

    content: bytes
    buckets: range
    items: range

    @classmethod
    def root(cls, content: bytes) -> Self:
        """Open the outermost table of a file."""
        if content[: len(SIGNATURE)] != SIGNATURE:
            raise GvdbError("it is no database")
        _, _, start, end = HEADER.unpack(_cut(content, len(SIGNATURE), HEADER.size))
        return cls._open(content, start, end)

    @classmethod
    def _open(cls, content: bytes, start: int, end: int) -> Self:
        if not start <= end <= len(content):
            raise GvdbError("a table lies outside of it")
        bloom, buckets = TABLE.unpack(_cut(content, start, TABLE.size))
        first_bucket = start + TABLE.size + (bloom & BLOOM_WORDS) * WORD.size
        first_item = first_bucket + buckets * WORD.size
        if first_item > end:
            raise GvdbError("a table is shorter than its buckets")
        items = range(first_item, end - (end - first_item) % ITEM.size, ITEM.size)
        return cls(content, range(first_bucket, first_item, WORD.size), items)

    def number(self, key: str) -> int | None:
        """Give a whole number; None where there is none of that name, or it is of another type."""
        value = self._value(key)
        return struct.unpack("<I", value[:4])[0] if len(value) == 6 and value[-2:] == b"\0u" else None

    def truth(self, key: str) -> bool | None:
        """Give a truth value; None where there is none of that name, or it is of another type."""
        value = self._value(key)
        return value[0] != 0 if len(value) == 3 and value[-2:] == b"\0b" else None

    def has(self, key: str) -> bool:
        """Tell whether a value of any type has this name."""
        return self._find(key, VALUE) is not None

    def table(self, key: str) -> Self | None:
        """Open a table inside this one; None where there is none of that name."""
        found = self._find(key, INNER_TABLE)
        return None if found is None else self._open(self.content, *found)

    def _value(self, key: str) -> bytes:
        found = self._find(key, VALUE)
        if found is None:
            return b""
        start, end = found
        if not start <= end <= min(len(self.content), start + LONGEST_VALUE):
            raise GvdbError("a value lies outside of it")
        return self.content[start:end]

    def _find(self, key: str, kind: bytes) -> tuple[int, int] | None:
        """Find where the item of a name and a kind lies: start and end."""
        name = key.encode()
        wanted = _hash(name)
        for place in self._bucket(wanted):
            item = Item(*ITEM.unpack_from(self.content, self.items[place]))
            if item.hash == wanted and item.kind == kind and self._is_named(item, name):
                return item.start, item.end
        return None

    def _bucket(self, wanted: int) -> Iterator[int]:
        if not self.buckets:
            return
        place = wanted % len(self.buckets)
        (first,) = WORD.unpack_from(self.content, self.buckets[place])
        last = len(self.items)
        if place + 1 < len(self.buckets):
            (last,) = WORD.unpack_from(self.content, self.buckets[place + 1])
        found = range(first, min(last, len(self.items)))
        if len(found) > MOST_IN_BUCKET:
            raise GvdbError("too many names share a bucket")
        yield from found

    def _is_named(self, item: "Item", name: bytes) -> bool:
        """Compare a name from its end: each item holds the last part of it and names the one before."""
        while True:
            part = _cut(self.content, item.name, item.length)
            if not part or not name.endswith(part):
                return False
            name = name[: -len(part)]
            if item.parent == NO_PARENT or item.parent >= len(self.items):
                return not name and item.parent == NO_PARENT
            item = Item(*ITEM.unpack_from(self.content, self.items[item.parent]))


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a table as it is stored."""

    hash: int
    parent: int
    name: int
    length: int
    kind: bytes
    start: int
    end: int


def _hash(name: bytes) -> int:
    number = 5381
    for byte in name:
        number = number * 33 + (byte - 256 if byte > 127 else byte)
    return number & 0xFFFFFFFF


def _cut(content: bytes, start: int, size: int) -> bytes:
    part = content[start : start + size]
    if len(part) != size:
        raise GvdbError("it ends too soon")
    return part


# Fixed by GVDB: all numbers are little-endian where the signature reads like this.
SIGNATURE = b"GVariant"
HEADER = struct.Struct("<IIII")  # version, options, start and end of the root table
TABLE = struct.Struct("<II")  # words of the Bloom filter with its shift, buckets
ITEM = struct.Struct("<IIIHcxII")
WORD = struct.Struct("<I")
BLOOM_WORDS = (1 << 27) - 1
NO_PARENT = 0xFFFFFFFF
VALUE, INNER_TABLE = b"v", b"H"

# Our choices.
LONGEST_VALUE = 64
MOST_IN_BUCKET = 256
