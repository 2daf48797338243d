"""Where a packet ends under a ruleset: let in, turned away, sent elsewhere, or nobody can tell.

It follows all senders at once and tries no packet on the wire. A statement that it does not know may do
anything, so what it could concern is `UNTOLD` and never a wrong answer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from agent.posture.facts.network import Address
from agent.posture.facts.observed import Told
from agent.probes.firewall.matching import ALWAYS, NEVER, SELDOM, UNTOLD, USUALLY, Holds, Matcher
from agent.probes.firewall.packet import BEFORE_TRACKING, Packet
from agent.probes.firewall.ruleset import Base, Chain, Rule, Ruleset, Statement, bare
from agent.probes.firewall.sources import NONE, Sources, strangers


@dataclass(frozen=True, slots=True)
class Flow:
    """Whose packets may be here: of whom the one packet that is followed, and of whom any that he could make."""

    followed: Sources = NONE
    any: Sources = NONE

    def __or__(self, other: "Flow") -> "Flow":
        """Join two flows."""
        if not self.any or not other.any:  # the usual case, and there are many
            return self if self.any else other
        return Flow(self.followed | other.followed, self.any | other.any)

    def split(self, holds: Holds) -> tuple["Flow", "Flow"]:
        """Part those for whom a condition may hold from those for whom it may not; some can be both."""
        if holds in (ALWAYS, NEVER):
            return (self, Flow()) if holds == ALWAYS else (Flow(), self)
        return (
            Flow(self.followed & holds.yes, self.any & holds.may),
            Flow(self.followed & holds.no, self.any & holds.may_not),
        )

    def told(self, elsewhere: "Flow") -> Told:
        """Tell whether somebody's packet ends here, given those that may end elsewhere."""
        if not self.any:
            return Told.NO
        return Told.YES if self.followed - elsewhere.followed else Told.UNTOLD


@dataclass(frozen=True, slots=True)
class Fate:
    """What may become of a flow in a rule or a chain.

    `rest` goes on with the next rule, `returned` leaves the chain, `moved` got another destination.
    """

    rest: Flow = Flow()
    accepted: Flow = Flow()
    dropped: Flow = Flow()
    returned: Flow = Flow()
    moved: Flow = Flow()

    def __or__(self, other: "Fate") -> "Fate":
        """Join what may become of two parts of a flow."""
        return Fate(
            self.rest | other.rest,
            self.accepted | other.accepted,
            self.dropped | other.dropped,
            self.returned | other.returned,
            self.moved | other.moved,
        )


class Tangled(Exception):
    """Rules that jump too deep, or are too many to follow."""


class Passage:
    """Answers questions about packets under one ruleset; after too much work every answer is `UNTOLD`.

    `own` are the machine's addresses, which no stranger has. Groups and broadcasts are another question.
    """

    def __init__(self, ruleset: Ruleset, own: Iterable[Address]) -> None:
        self.ruleset = ruleset
        self.own = frozenset(own)
        self._known: dict[Packet, tuple[Told, Told]] = {}
        self._left = MOST_RULES

    def passes(self, packet: Packet) -> Told:
        """Tell whether some stranger's packet gets in, or through to where it would leave."""
        return self._follow(packet)[0]

    def moves(self, packet: Packet) -> Told:
        """Tell whether some stranger's packet gets another destination on its way in (DNAT, redirect)."""
        return self._follow(packet)[1]

    def _follow(self, packet: Packet) -> tuple[Told, Told]:
        if packet not in self._known:
            self._known[packet] = self._walk(packet)
        return self._known[packet]

    def _walk(self, packet: Packet) -> tuple[Told, Told]:
        if self.ruleset.beside:
            return Told.UNTOLD, Told.UNTOLD
        senders = strangers(packet.version, self.own)
        walk = _Walk(self.ruleset, packet, self._count)
        try:
            passed = walk.through(Flow(senders, senders))
        except Tangled:
            return Told.UNTOLD, Told.UNTOLD
        return passed.told(walk.dropped | walk.moved), walk.moved.told(walk.dropped | passed)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Tangled


@dataclass(frozen=True, slots=True)
class _At:
    """In which table a rule stands, and how many jumps from where the kernel came in."""

    table: tuple[str, str]
    depth: int


class _Walk:
    """One packet's way through the hooks."""

    def __init__(self, ruleset: Ruleset, packet: Packet, count: Callable[[], None]) -> None:
        self.moved = Flow()
        self.dropped = Flow()
        self._ruleset = ruleset
        self._packet = packet
        self._count = count

    def through(self, flow: Flow) -> Flow:
        """Take a flow through every chain that it meets; give what is left of it at the end."""
        for hook in ("ingress", "prerouting", "forward" if self._packet.onward else "input"):
            for chain, base in self._ruleset.entered(hook, FAMILIES[self._packet.version], self._packet.link):
                flow = self._enter(chain, base, flow)
        return flow

    def _enter(self, chain: Chain, base: Base, flow: Flow) -> Flow:
        if self._packet.state is not None:
            early = base.hook in EARLY_HOOKS and base.priority < TRACKING
            self._packet = replace(self._packet, state=BEFORE_TRACKING if early else "new")
        fate = self._chain(chain, flow, _At(chain.name[:2], 0))
        if (base.kind, base.hook) == ("nat", "prerouting"):
            self.moved |= fate.moved
            self._packet = replace(self._packet, translated=self.moved.any)
        self.dropped |= fate.dropped | fate.rest if base.drops else fate.dropped
        return fate.accepted if base.drops else fate.accepted | fate.rest

    def _chain(self, chain: Chain, flow: Flow, at: _At) -> Fate:
        """Follow the rules; who reaches the end or returns is the fate's `rest`."""
        whole = Fate(rest=flow)
        for rule in chain.rules:
            if not whole.rest.any:
                break
            fate = self._rule(rule, whole.rest, at)
            whole = replace(whole | fate, rest=fate.rest)
        return replace(whole, rest=whole.rest | whole.returned, returned=Flow())

    def _rule(self, rule: Rule, flow: Flow, at: _At) -> Fate:
        self._count()
        whole = Fate()
        for statement in rule:
            fate, flow = self._statement(statement, flow, at)
            whole |= fate
            if not flow.any:
                return whole
        return whole | Fate(rest=flow)

    def _statement(self, statement: Statement, flow: Flow, at: _At) -> tuple[Fate, Flow]:
        """Give what is decided of a flow, and who goes on within the rule."""
        holds = self._condition(statement, at)
        if holds is not None:
            inside, outside = flow.split(holds)
            return Fate(rest=outside), inside
        match statement:
            case {"vmap": {"key": key, "data": data}}:
                return self._look_up(key, data, flow, at), Flow()
            case {"notrack": _}:
                self._packet = replace(self._packet, state=None)
        if _lets_go_on(statement):
            return Fate(), flow
        inside, outside = flow.split(self._applies(statement, at))
        return self._decide(statement, inside, at) | Fate(rest=outside), Flow()

    def _condition(self, statement: Statement, at: _At) -> Holds | None:
        match statement:
            case {"match": {"op": str(operator), "left": left, "right": right}}:
                return self._matcher(at).compare(operator, left, right)
            case {"limit": {"rate": _, "inv": True}}:  # a stranger in no hurry never comes too fast
                return SELDOM
            case {"limit": {"rate": _}}:
                return USUALLY
            case {"set": {"op": _, "elem": element, **more}}:  # it fails where the set is full
                usual = UNTOLD if "stmt" in more else USUALLY
                return usual if self._matcher(at).has(bare(element)) else NEVER
            case {"limit": _} | {"quota": _} | {"ct count": _} | {"meter": _} | {"xt": {"type": "match"}}:
                return UNTOLD
        return None

    def _applies(self, statement: Statement, at: _At) -> Holds:
        """Tell whether a verdict can be carried out on such a packet, which what nft lists need not say."""
        match statement:
            case {"reject": {"type": "tcp reset"}} if at.table[0] == "inet":
                return UNTOLD  # for one IP version or both
            case {"reject": {"type": str(answer)}} if answer == ANSWER_OF_OTHERS[self._packet.version]:
                return NEVER
            case {"dnat": {"family": "ip" | "ip6" as family}} if family not in FAMILIES[self._packet.version]:
                return NEVER
        return ALWAYS

    def _look_up(self, key: object, data: object, flow: Flow, at: _At) -> Fate:
        matcher = self._matcher(at)
        if not matcher.has(key):
            return Fate(rest=flow)
        entries = matcher.elements(data)
        if entries is None:
            return _anything(flow)
        whole = Fate()
        for entry in sorted(entries, key=_is_catch_all):
            self._count()
            match entry:
                case [wanted, verdict]:
                    inside, flow = flow.split(matcher.is_key(key, wanted))
                    whole |= self._decide(verdict, inside, at)
                case _:
                    return whole | _anything(flow)
        return whole | Fate(rest=flow)

    def _decide(self, verdict: object, flow: Flow, at: _At) -> Fate:
        match verdict:
            case {"accept": _} | {"snat": _} | {"masquerade": _}:
                return Fate(accepted=flow)
            case {"drop": _} | {"reject": _}:
                return Fate(dropped=flow)
            case {"continue": _}:
                return Fate(rest=flow)
            case {"return": _}:
                return Fate(returned=flow)
            case {"dnat": body} | {"redirect": body}:
                return _anything(flow) if _goes_by_map(body) else Fate(moved=flow)
            case {"queue": _}:
                return Fate(accepted=flow, dropped=flow)
            case {"jump": {"target": str(target)}}:
                return self._jump(target, flow, at)
            case {"goto": {"target": str(target)}}:
                fate = self._jump(target, flow, at)
                return replace(fate, rest=Flow(), returned=fate.rest)
        return _anything(flow)

    def _jump(self, target: str, flow: Flow, at: _At) -> Fate:
        chain = self._ruleset.chains.get((*at.table, target))
        if chain is None:
            return _anything(flow)
        if at.depth == DEEPEST:
            raise Tangled
        return self._chain(chain, flow, replace(at, depth=at.depth + 1))

    def _matcher(self, at: _At) -> Matcher:
        return Matcher(self._ruleset, at.table, self._packet)


def _anything(flow: Flow) -> Fate:
    """Leave open what becomes of a flow."""
    return Fate(flow, flow, flow, flow, flow)


def _goes_by_map(body: object) -> bool:
    """Tell whether the new destination is looked up, for where it is not found the rule does not apply."""
    return isinstance(body, dict) and any(isinstance(value, dict) for value in body.values())


def _lets_go_on(statement: Statement) -> bool:
    """Tell whether a statement neither decides nor changes the packet itself."""
    match statement:
        case {"mangle": {"key": {"meta": _} | {"ct": _}}}:
            return True
    return not WITHOUT_EFFECT.isdisjoint(statement)


def _is_catch_all(entry: object) -> bool:
    match entry:
        case ["*", _]:
            return True
    return False


# Fixed by nft: families whose chains a packet of each IP version meets, and statements.
FAMILIES = {4: frozenset({"ip", "inet", "netdev"}), 6: frozenset({"ip6", "inet", "netdev"})}
ANSWER_OF_OTHERS = {4: "icmpv6", 6: "icmp"}
EARLY_HOOKS = frozenset({"ingress", "prerouting"})
TRACKING = -200
WITHOUT_EFFECT = frozenset(
    {"counter", "log", "notrack", "flow", "ct helper", "ct timeout", "ct expectation", "secmark", "last", "dup"}
)

# Our choices.
DEEPEST = 32
MOST_RULES = 50_000
