"""Rules of iptables, as `iptables-nft-save` writes them, in nft's own terms: nft alone cannot tell them in full.

It judges nothing; an option that it does not know becomes a condition that nobody knows.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network

from agent.probes.firewall.ruleset import Name, Rule, RulesetError, Statement

Reading = Callable[[str, str], tuple[object, object] | None]


def read_saved(text: str, family: str) -> dict[Name, tuple[Rule, ...]]:
    """Read the rules of every chain; `family` is `ip` or `ip6`. Raise `RulesetError` for lines of another kind."""
    rules: dict[Name, list[Rule]] = {}
    table = ""
    for line in text.splitlines():
        match line[:1], line[1:].split(" ")[0]:
            case "*", name:
                table = name
            case ":", name:
                rules[family, table, name] = []
            case "-", "A":
                words = _words(line)[1:]
                if (family, table, words[0]) not in rules:
                    raise RulesetError("iptables told a rule of a chain that it did not name")
                rules[family, table, words[0]].append(tuple(_translate(words[1:], family)))
    return {name: tuple(each) for name, each in rules.items()}


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise RulesetError("iptables told a line that does not end") from error
    if len(words) < 2:
        raise RulesetError("iptables told a rule without a chain")
    return words


def _translate(words: list[str], family: str) -> Iterator[Statement]:
    """Give the conditions in order, then the target; whatever follows a target belongs to it."""
    rest = iter(words)
    negated = False
    for word in rest:
        match word:
            case "!":
                negated = True
                continue
            case "-j" | "-g":
                yield _target(word, next(rest, ""), list(rest))
            case "--limit":
                yield USUAL_LIMIT
            case "--tcp-flags":
                yield _condition(_flags(next(rest, ""), next(rest, "")), negated)
            case _ if word in SAYS_NOTHING:
                next(rest, "")
            case _ if word in CONDITIONS:
                yield _condition(CONDITIONS[word](next(rest, ""), family), negated)
            case _ if word.startswith("-"):
                yield UNKNOWN
        negated = False


def _target(how: str, name: str, options: list[str]) -> Statement:
    if name in DECIDED:
        return {DECIDED[name]: None}
    if name in WITHOUT_EFFECT:
        return {"counter": None}
    if name in MOVED:
        return {MOVED[name]: _moved_to(options)}
    return {"goto" if how == "-g" else "jump": {"target": name}}  # to a target that is no chain: unknown


def _moved_to(options: list[str]) -> Mapping[str, object]:
    """Read `172.17.0.2:80`, `[fd00::2]:80`, an address or a port alone; leave out what is none of these."""
    match = DESTINATION.fullmatch(options[1]) if len(options) > 1 else None
    if match is None:
        return {}
    told = {"addr": match["bracketed"] or match["addr"], "port": match["port"] and int(match["port"])}
    return {name: value for name, value in told.items() if value}


def _condition(condition: tuple[object, object] | None, negated: bool) -> Statement:
    if condition is None:
        return UNKNOWN
    left, right = condition
    return {"match": {"op": "!=" if negated else "==", "left": left, "right": right}}


def _address(field: str) -> Reading:
    def read(told: str, family: str) -> tuple[object, object] | None:
        try:
            network = ip_network(told, strict=False)
        except ValueError:
            return None
        prefix = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
        return {"payload": {"protocol": family, "field": field}}, prefix

    return read


def _link(key: str) -> Reading:
    return lambda told, _: ({"meta": {"key": key}}, told[:-1] + "*" if told.endswith("+") else told)


def _protocol(told: str, _: str) -> tuple[object, object] | None:
    return {"meta": {"key": "l4proto"}}, int(told) if told.isdecimal() else told


def _ports(field: str) -> Reading:
    def read(told: str, _: str) -> tuple[object, object] | None:
        if not PORTS.fullmatch(told):
            return None
        ends = [[int(end) for end in part.split(":")] for part in told.split(",")]
        ranges = [{"range": [part[0], part[-1]]} for part in ends]
        return {"payload": {"protocol": "th", "field": field}}, {"set": ranges}

    return read


def _states(told: str, _: str) -> tuple[object, object] | None:
    return {"ct": {"key": "state"}}, {"set": told.lower().split(",")}


def _address_type(told: str, _: str) -> tuple[object, object] | None:
    return {"fib": {"result": "type", "flags": ["daddr"]}}, {"set": told.lower().split(",")}


def _flags(mask: str, wanted: str) -> tuple[object, object]:
    flags = {"payload": {"protocol": "tcp", "field": "flags"}}
    return {"&": [flags, mask.lower().split(",")]}, wanted.lower().split(",")


# Fixed by iptables.
UNKNOWN: Statement = {"match": {"op": "==", "left": {"xt": None}, "right": None}}
USUAL_LIMIT: Statement = {"limit": {"rate": None}}
SAYS_NOTHING = frozenset({"-m", "--comment", "--limit-burst"})
PORTS = re.compile(r"\d{1,5}(:\d{1,5})?(,\d{1,5}(:\d{1,5})?)*", re.ASCII)
DESTINATION = re.compile(
    r"(?:\[(?P<bracketed>[\da-f:.]+)\]|(?P<addr>[\d.]{7,}|[\da-f:.]*:[\da-f:.]*:[\da-f:.]*))?:?(?P<port>\d{1,5})?",
    re.ASCII | re.IGNORECASE,
)
DECIDED = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "reject",
    "RETURN": "return",
    "QUEUE": "queue",
    "NFQUEUE": "queue",
    "MASQUERADE": "masquerade",
    "SNAT": "snat",
    "NOTRACK": "notrack",
}
MOVED = {"DNAT": "dnat", "REDIRECT": "redirect"}
WITHOUT_EFFECT = frozenset({"LOG", "NFLOG", "ULOG", "TRACE", "MARK", "CONNMARK", "AUDIT", "CHECKSUM", "CLASSIFY"})
CONDITIONS: Mapping[str, Reading] = {
    "-s": _address("saddr"),
    "-d": _address("daddr"),
    "-i": _link("iifname"),
    "-o": _link("oifname"),
    "-p": _protocol,
    "--dport": _ports("dport"),
    "--dports": _ports("dport"),
    "--sport": _ports("sport"),
    "--sports": _ports("sport"),
    "--ctstate": _states,
    "--state": _states,
    "--dst-type": _address_type,
    "--rt-type": lambda told, _: ({"exthdr": {"name": "rt", "field": "type"}}, told),
}
