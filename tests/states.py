"""Draws docs/states.md from the gate itself: `python -m tests.states` writes it, a test fails when it is stale.

The rows are read out of the table's own text, what a row does out of the docstring of what it calls, and where
it leads is found by playing the states and events of the gate's test against it.
"""

import ast
import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from agent import gate
from agent.gate import table
from tests.test_gate import EVENTS, STATES


@dataclass
class Row:
    """One row of the table: whose it is, when it holds, what it does and where it was seen to lead."""

    states: tuple[str, ...]
    events: tuple[str, ...]
    guard: ast.expr | None
    does: str
    leads: set[tuple[str, str]] = field(default_factory=set)

    def holds(self, state: gate.State, event: gate.Event, now: float) -> bool:
        """Tell whether the table would take this row, if none before it."""
        if type(state).__name__ not in self.states or type(event).__name__ not in self.events:
            return False
        if self.guard is None:
            return True
        guard = compile(ast.Expression(self.guard), "guard", "eval")
        return bool(eval(guard, vars(table), {"state": state, "event": event, "now": now}))


def draw() -> str:
    """Write the whole document."""
    rows = read_rows()
    play(rows)
    return f"{HEAD}\n{_diagram(rows)}\n{_states()}\n{_table(rows)}"


def read_rows() -> list[Row]:
    """Read the rows out of the table's text, all but the last, which does nothing."""
    step = ast.parse(inspect.getsource(table.step)).body[0]
    assert isinstance(step, ast.FunctionDef)
    match = step.body[-1]
    assert isinstance(match, ast.Match)
    return [_row(case) for case in match.cases if isinstance(case.pattern, ast.MatchSequence)]


def play(rows: list[Row]) -> None:
    """Find where each row leads; a row that nothing leads to has no test."""
    for state in STATES.values():
        for event in EVENTS.values():
            for now in INSTANTS:
                row = next((one for one in rows if one.holds(state, event, now)), None)
                if row is not None:
                    after, _ = gate.step(state, event, now)
                    row.leads.add((type(state).__name__, type(after).__name__))


def _row(case: ast.match_case) -> Row:
    assert isinstance(case.pattern, ast.MatchSequence)
    states, events = (tuple(_classes(part)) for part in case.pattern.patterns)
    (answer,) = case.body
    assert isinstance(answer, ast.Return)
    assert answer.value is not None
    return Row(states or ALL_STATES, events, case.guard, _does(answer.value))


def _classes(pattern: ast.pattern) -> Iterator[str]:
    match pattern:
        case ast.MatchClass(cls=ast.Name(id=name)):
            yield name
        case ast.MatchOr(patterns=patterns):
            for part in patterns:
                yield from _classes(part)


def _does(answer: ast.expr) -> str:
    """Say what a row does: the first sentence of the function that it calls, or what stands there."""
    if isinstance(answer, ast.Call) and isinstance(answer.func, ast.Attribute):
        assert isinstance(answer.func.value, ast.Name)
        module = importlib.import_module(f"agent.gate.{answer.func.value.id}")
        told = inspect.getdoc(getattr(module, answer.func.attr))
        assert told is not None
        return " ".join(told.split("\n\n")[0].split())
    denied = any(isinstance(part, ast.Name) and part.id == "Deny" for part in ast.walk(answer))
    return "Tell only the one who asked that it is busy." if denied else "Rest; nothing follows."


def _diagram(rows: list[Row]) -> str:
    edges: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for before, after in sorted(row.leads):
            if before != after:
                edges[before, after] += [event for event in row.events if event not in edges[before, after]]
    lines = (f"    {before} --> {after}: {', '.join(sorted(why))}" for (before, after), why in sorted(edges.items()))
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> Idle", *lines, "```", ""])


def _states() -> str:
    lines = (f"| {kind.__name__} | {_told(kind, 0)} | {_told(kind, -1).removeprefix('Packets: ')} |" for kind in KINDS)
    return "\n".join(
        ["## States, and which packets may pass", "", "| state | what is true | packets |", RULE, *lines, ""]
    )


def _told(kind: type, paragraph: int) -> str:
    told = inspect.getdoc(kind)
    assert told is not None
    return " ".join(told.split("\n\n")[paragraph].split())


def _table(rows: list[Row]) -> str:
    lines = [
        f"| {', '.join(row.states)} | {', '.join(row.events)} | {_guard(row)} | {row.does} | {_leads(row)} |"
        for row in rows
    ]
    return "\n".join(
        ["## Rows", "", ROWS, "", "| state | event | if | what is done | leads to |", f"{RULE} --- | --- |", *lines, ""]
    )


def _guard(row: Row) -> str:
    return "" if row.guard is None else f"`{ast.unparse(row.guard)}`"


def _leads(row: Row) -> str:
    return ", ".join(sorted({"(stays)" if before == after else after for before, after in row.leads}))


KINDS: tuple[type, ...] = get_args(gate.State)
ALL_STATES = tuple(kind.__name__ for kind in KINDS)
INSTANTS = (20.0, 1e6)
RULE = "| --- | --- | --- |"
ROWS = "The first row that fits is taken; a pair without a row changes nothing."
HEAD = """\
# The gate's states

Drawn from `agent/gate` by `make docs`; not to be edited by hand. One site is open at a time. Whoever asks, the
machine is looked at first, and nothing opens without a verdict that allows it.

Whenever the machine is looked at - to connect, for a report, once a day, or on and on while a site is open - the
network around it is asked what the policy's `network` section names (`wire`, `canary`, `portal`), and nothing else.
"""
PLACE = Path(__file__).parent.parent / "docs" / "states.md"

if __name__ == "__main__":
    PLACE.write_text(draw())
