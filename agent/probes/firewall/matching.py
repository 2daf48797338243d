"""Whether one condition of a rule holds for a packet: for certain, for some senders, or nobody can tell.

It follows no rule further; what it does not know may hold and may not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import ge, gt, le, lt

from agent.probes.firewall.packet import (
    Absent,
    Aims,
    Bits,
    Extension,
    Joined,
    Labels,
    Open,
    Packet,
    Sender,
    Value,
    WayBack,
    read_value,
)
from agent.probes.firewall.ruleset import Ruleset, bare
from agent.probes.firewall.sources import ALL, NONE, Sources


@dataclass(frozen=True, slots=True)
class Holds:
    """For which senders a condition holds.

    It may hold for the one packet of each sender that is followed (`yes`), may not (`no`), or nobody can tell and both
    are so; `may` and `may_not` are the same of any packet that a sender could make.
    """

    yes: Sources
    no: Sources
    may: Sources
    may_not: Sources

    def __and__(self, other: "Holds") -> "Holds":
        """Tell when both hold."""
        return Holds(self.yes & other.yes, self.no | other.no, self.may & other.may, self.may_not | other.may_not)

    def __or__(self, other: "Holds") -> "Holds":
        """Tell when either holds."""
        return Holds(self.yes | other.yes, self.no & other.no, self.may | other.may, self.may_not & other.may_not)

    def __invert__(self) -> "Holds":
        """Tell when it does not hold."""
        return Holds(self.no, self.yes, self.may_not, self.may)


@dataclass(frozen=True, slots=True)
class Matcher:
    """Answers the conditions of one table's rules for one packet."""

    ruleset: Ruleset
    table: tuple[str, str]
    packet: Packet

    def compare(self, operator: str, left: object, right: object) -> Holds:
        """Tell whether a comparison holds."""
        value, elements = read_value(self.packet, left), self.elements(right)
        match value:
            case Absent():
                return NEVER
            case Open():
                return UNTOLD
            case Extension():
                return USUALLY if right is False else SELDOM
            case Bits():
                return _compare_bits(operator, value, elements)
        match operator:
            case "==" | "in":
                return self._is_among(value, elements)
            case "!=":
                return ~self._is_among(value, elements)
        return _compare_order(operator, value, right)

    def has(self, left: object) -> bool:
        """Tell whether the packet has such a field at all; a rule that looks up one that it has not does not apply."""
        return not isinstance(read_value(self.packet, left), Absent)

    def is_key(self, left: object, key: object) -> Holds:
        """Tell whether a map's entry is the one that is looked up."""
        return ALWAYS if key == "*" else self._equals(read_value(self.packet, left), bare(key))

    def elements(self, told: object) -> Sequence[object] | None:
        """Give what a set or map holds, written out or named; None where packets change it or it is not there."""
        match told:
            case str(name) if name.startswith("@"):
                named = self.ruleset.sets.get((*self.table, name[1:]))
                return None if named is None or named.changing else named.told
            case {"set": list() as elements}:
                return elements
        return (told,)

    def _is_among(self, value: Value, elements: Sequence[object] | None) -> Holds:
        if elements is None:
            return UNTOLD
        if isinstance(value, Sender | Aims):
            return _is_within(value, self.ruleset.addresses(elements))
        return either(self._equals(value, bare(element)) for element in elements)

    def _equals(self, value: Value, told: object) -> Holds:
        match value, told:
            case Joined(parts), {"concat": [*keys]} if len(parts) == len(keys):
                return both(self._equals(part, bare(key)) for part, key in zip(parts, keys, strict=True))
            case Sender() | Aims(), _:
                return _is_within(value, self.ruleset.addresses((told,)))
            case Bits(), _:
                return _compare_bits("==", value, (told,))
            case WayBack(), False:
                return SELDOM  # whoever has no way back is not heard of again
            case Labels(names), _:
                return _is_called(names, told)
        return UNTOLD


def either(each: Iterable[Holds]) -> Holds:
    """Tell when at least one of several holds."""
    result = NEVER
    for one in each:
        if one == ALWAYS:
            return ALWAYS
        result = result if one == NEVER else result | one
    return result


def both(each: Iterable[Holds]) -> Holds:
    """Tell when all of several hold."""
    return ~either(~one for one in each)


def _is_within(value: Sender | Aims, meant: Sources | None) -> Holds:
    if meant is None:
        return UNTOLD
    if isinstance(value, Sender):
        return Holds(meant, ~meant, meant, ~meant)
    hits = [address in meant for address in value.addresses]
    return ALWAYS if all(hits) else UNTOLD if any(hits) else NEVER


def _is_called(names: tuple[str | int, ...], told: object) -> Holds:
    match told:
        case {"range": [int(low), int(high)]}:
            numbers = [name for name in names if isinstance(name, int)]
            return _certain(low <= numbers[0] <= high) if numbers else UNTOLD
        case bool():
            return UNTOLD
        case str() if told.endswith("*"):
            return either(_certain(name.startswith(told[:-1])) for name in names if isinstance(name, str))
        case str() | int():
            same_kind = any(isinstance(name, type(told)) for name in names)
            return _certain(told in names) if same_kind else UNTOLD
    return UNTOLD


def _compare_bits(operator: str, value: Bits, elements: Sequence[object] | None) -> Holds:
    masks = [value.mask(bare(element)) for element in elements or (None,)]
    known = [mask for mask in masks if mask is not None]
    if len(known) < len(masks):
        return UNTOLD
    match operator:
        case "==":
            return _certain(value.set in known)
        case "!=":
            return _certain(value.set not in known)
        case "in":
            return _certain(any(value.set & mask for mask in known))
        case "!":
            return _certain(not any(value.set & mask for mask in known))
    return UNTOLD


def _compare_order(operator: str, value: Value, told: object) -> Holds:
    match value, told:
        case Labels((int(number),)), int(bound) if operator in ORDERS:
            return _certain(ORDERS[operator](number, bound))
    return UNTOLD


def _certain(holds: bool) -> Holds:
    return ALWAYS if holds else NEVER


ORDERS = {"<": lt, ">": gt, "<=": le, ">=": ge}
ALWAYS, NEVER = Holds(ALL, NONE, ALL, NONE), Holds(NONE, ALL, NONE, ALL)
UNTOLD = Holds(ALL, ALL, ALL, ALL)
# What holds for a packet that comes alone, and may not for one in a crowd; and what does not.
USUALLY, SELDOM = Holds(ALL, NONE, ALL, ALL), Holds(NONE, ALL, ALL, ALL)
