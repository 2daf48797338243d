"""The rules that are in force, as `nft -j list ruleset` tells them, sorted by where a packet meets them.

It judges no packet, and keeps a statement that it does not know for the one who judges.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.probes.firewall.sources import Sources, read_range

Statement = Mapping[str, object]
Rule = tuple[Statement, ...]
Name = tuple[str, str, str]  # family, table, chain or set


class RulesetError(Exception):
    """What was told is no ruleset; the text says why in one clause."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where the kernel enters a chain, and what becomes of a packet at its end."""

    hook: str
    kind: str
    priority: int
    drops: bool
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules in order; only a base chain is entered by itself."""

    name: Name
    base: Base | None = None
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Elements:
    """What a named set or map holds; `changing` ones are filled by packets or empty themselves."""

    told: tuple[object, ...]
    changing: bool


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Every chain and set. `beside` tells that rules of another kind are in force too, which are not among these."""

    chains: Mapping[Name, Chain] = field(default_factory=dict)
    sets: Mapping[Name, Elements] = field(default_factory=dict)
    beside: bool = False
    _read: dict[int, Sources | None] = field(default_factory=dict)

    def entered(self, hook: str, families: frozenset[str], link: str) -> list[tuple[Chain, Base]]:
        """Give the chains that a packet meets at a hook, in order."""
        met = [
            (chain, base)
            for chain in self.chains.values()
            if (base := chain.base) is not None
            and (base.hook, chain.name[0] in families) == (hook, True)
            and (not base.devices or link in base.devices)
        ]
        return sorted(met, key=lambda one: one[1].priority)

    def addresses(self, elements: Sequence[object]) -> Sources | None:
        """Read addresses, prefixes and ranges; None where one is not known. A long list is read once."""
        if len(elements) == 1:
            return _addresses(elements)
        if id(elements) not in self._read:
            self._read[id(elements)] = _addresses(elements)
        return self._read[id(elements)]

    def of_iptables(self) -> frozenset[tuple[str, str]]:
        """Name the tables whose rules nft cannot tell in full."""
        return frozenset(
            chain.name[:2] for chain in self.chains.values() for rule in chain.rules if any("xt" in one for one in rule)
        )

    def with_rules(self, rules: Mapping[Name, tuple[Rule, ...]]) -> "Ruleset":
        """Put other rules into chains that are there."""
        chains = {name: replace(chain, rules=rules.get(name, chain.rules)) for name, chain in self.chains.items()}
        return replace(self, chains=chains)

    @property
    def moving(self) -> tuple[object, ...]:
        """Give every statement that sends packets elsewhere (DNAT, redirect)."""
        return tuple(body for _, body in self._movers)

    def ports_to_move(self) -> tuple[int, ...]:
        """Give the ports that rules name where packets are sent elsewhere."""
        tables = {chain.name[:2] for chain, _ in self._movers}
        matches = self._statements("match")
        return tuple(sorted({port for chain, body in matches if chain.name[:2] in tables for port in _ports(body)}))

    @property
    def _movers(self) -> Iterator[tuple[Chain, object]]:
        yield from self._statements("dnat")
        yield from self._statements("redirect")

    def _statements(self, name: str) -> Iterator[tuple[Chain, object]]:
        for chain in self.chains.values():
            for rule in chain.rules:
                yield from ((chain, one[name]) for one in rule if name in one)


def read_ruleset(text: bytes) -> Ruleset:
    """Read what nft told; raise `RulesetError` where it is anything else."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RulesetError("what nft told is no JSON") from error
    match told:
        case {"nftables": [*objects]}:
            return _collect(objects)
    raise RulesetError("what nft told is no list of rules")


def _collect(objects: list[object]) -> Ruleset:
    asleep: set[tuple[str, str]] = set()
    bases: dict[Name, Base | None] = {}
    rules: dict[Name, list[Rule]] = {}
    sets: dict[Name, Elements] = {}
    for one in objects:
        match one:
            case {"table": {"family": str(family), "name": str(name), "flags": flags}} if "dormant" in _listed(flags):
                asleep.add((family, name))
            case {"chain": {"family": str(family), "table": str(table), "name": str(name)} as body}:
                bases[family, table, name] = None if (family, table) in asleep else _base(body)
            case {"rule": {"family": str(family), "table": str(table), "chain": str(name), "expr": [*expressions]}}:
                rules.setdefault((family, table, name), []).append(tuple(_statement(each) for each in expressions))
            case {"set": {"family": str(family), "table": str(table), "name": str(name)} as body} | {
                "map": {"family": str(family), "table": str(table), "name": str(name)} as body
            }:
                sets[family, table, name] = _elements(body)
    chains = {name: Chain(name, base, tuple(rules.get(name, ()))) for name, base in bases.items()}
    return Ruleset(chains, sets)


def _base(body: Mapping[str, object]) -> Base | None:
    match body:
        case {"hook": str(hook), "type": str(kind), "prio": int(priority)}:
            devices = tuple(name for name in _listed(body.get("dev")) if isinstance(name, str))
            return Base(hook, kind, priority, body.get("policy") == "drop", devices)
        case {"hook": _}:
            raise RulesetError("nft told a hook of a kind that is not known")
    return None


def _statement(told: object) -> Statement:
    if isinstance(told, dict) and len(told) == 1:
        return told
    raise RulesetError("nft told a statement of a kind that is not known")


def _elements(body: Mapping[str, object]) -> Elements:
    flags = _listed(body.get("flags"))
    changing = "timeout" in body or "size" in body or not {"dynamic", "timeout"}.isdisjoint(map(str, flags))
    return Elements(tuple(_listed(body.get("elem"))), changing)


def _listed(told: object) -> list[object]:
    if told is None:
        return []
    return told if isinstance(told, list) else [told]


def _addresses(elements: Sequence[object]) -> Sources | None:
    ranges = [read_range(bare(element)) for element in elements]
    known = [one for one in ranges if one is not None]
    return Sources.of(known) if len(known) == len(ranges) else None


def _ports(body: object) -> Iterator[int]:
    match body:
        case {"left": {"payload": {"field": "dport"}}, "right": {"set": [*elements]}}:
            pass
        case {"left": {"payload": {"field": "dport"}}, "right": element}:
            elements = [element]
        case _:
            return
    for element in elements:
        match bare(element):
            case int(port) | {"range": [int(port), _]}:
                yield port


def bare(element: object) -> object:
    """Take an element out of its wrapping with counter, comment or time."""
    match element:
        case {"elem": {"val": value}}:
            return value
    return element
