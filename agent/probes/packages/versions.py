"""The order of Debian's version numbers (deb-version(7)). Text only; any text has a place in the order."""

import re

Number = tuple[int, str]
Part = tuple[tuple[int, ...], Number]
Key = tuple[Number, tuple[Part, ...], tuple[Part, ...]]


def order(version: str) -> Key:
    """Give what to compare instead of a version: its epoch, its upstream version and its revision."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isascii() or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return _number(epoch), _parts(upstream), _parts(revision)


def _parts(text: str) -> tuple[Part, ...]:
    """Take a text apart into letters and numbers by turns; an empty part at the end makes `~` come before it."""
    return (*((_letters(letters), _number(digits)) for letters, digits in PART.findall(text)), END)


def _letters(text: str) -> tuple[int, ...]:
    """Order characters as Debian does: `~`, the end, letters, all else."""
    return (*(BEFORE_END if each == "~" else _rank(each) for each in text), AT_END)


def _rank(character: str) -> int:
    return ord(character) + (0 if character.isascii() and character.isalpha() else AFTER_LETTERS)


def _number(digits: str) -> Number:
    """Order numbers of any length by their digits."""
    plain = digits.lstrip("0")
    return len(plain), plain


PART = re.compile(r"(?=.)([^0-9]*)([0-9]*)", re.DOTALL)
BEFORE_END, AT_END, AFTER_LETTERS = -1, 0, 0x110000
END: Part = ((AT_END,), (0, ""))
