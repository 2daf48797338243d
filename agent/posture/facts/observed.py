"""What it means to have seen something: a value with grade, method and time, or why nothing was seen."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Value = TypeVar("Value", covariant=True)


class Grade(StrEnum):
    """How far an observation can be believed."""

    ATTESTED = "A"
    ROOT = "B"
    HEURISTIC = "C"


class Told(StrEnum):
    """An answer that may have stayed open."""

    YES = "yes"
    NO = "no"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Observed(Generic[Value]):
    """One value as it was seen at `at` (seconds of the boot clock) by `method`."""

    value: Value
    grade: Grade
    method: str
    at: float


@dataclass(frozen=True, slots=True)
class Unseen:
    """A look that failed, and why: one clause for people, already safe to print."""

    why: str
    at: float


NOT_LOOKED = Unseen("nobody has looked yet", 0.0)
