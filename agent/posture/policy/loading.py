"""From a policy's texts to a `Policy`, or to every error at once: file, line, column and a sentence.

It reads no file: bytes come in, and the files' names are only repeated in the errors.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from agent.posture.policy.layers import Source, laid
from agent.posture.policy.model import Policy
from agent.posture.policy.text import Document, Path, Place
from agent.words import quote


@dataclass(frozen=True, slots=True)
class PolicyError:
    """One thing that is wrong, and where; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class PolicyErrors(ValueError):
    """All that is wrong with one policy, file by file in the order of the text."""

    def __init__(self, errors: tuple[PolicyError, ...]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Layered:
    """A policy, and where each value of it was written; what was not written is not named."""

    policy: Policy
    places: Mapping[Path, Place]


def load(text: str | bytes, filename: str) -> Policy:
    """Read a policy of one file; raise `PolicyErrors` with every error, and nothing else."""
    return load_layers((Source(filename, text),)).policy


def load_layers(sources: Sequence[Source]) -> Layered:
    """Read at least one file, the lowest layer first, as one policy; raise `PolicyErrors` with every error.

    Of a flood of errors only the first are told, and that there are more.
    """
    document = laid(sources)
    policy, wrong = _validated(document) if document.complete else (None, [])
    faults = sorted(document.faults, key=attrgetter("place"))[: MOST_TOLD + 1]
    found = sorted({(fault.place, quote(fault.message)) for fault in faults} | set(wrong))
    if policy is None or found:
        told = [*found[:MOST_TOLD], *((at, MORE) for at, _ in found[MOST_TOLD : MOST_TOLD + 1])]
        raise PolicyErrors(tuple(PolicyError(at.file, at.line, at.column, said) for at, said in told))
    return Layered(policy, document.values)


def schema() -> Mapping[str, object]:
    """Give the JSON Schema of a policy, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Policy.model_json_schema()}


def _validated(document: Document) -> tuple[Policy | None, list[tuple[Place, str]]]:
    try:
        return Policy.model_validate(document.value), []
    except ValidationError as error:
        details = (detail for detail in error.errors(include_url=False) if not _follows(detail, document))
        return None, [_told(detail, document) for detail in islice(details, MOST_TOLD + 1)]


def _follows(detail: ErrorDetails, document: Document) -> bool:
    """Tell whether an error only follows from another one: an alias, or entries that are wrong themselves."""
    if any(detail["loc"][: len(path)] == path for path in document.spoiled):
        return True
    given, context = detail["input"], detail.get("ctx", {})
    return detail["type"] == "too_short" and isinstance(given, list | dict) and len(given) >= context["min_length"]


def _told(detail: ErrorDetails, document: Document) -> tuple[Place, str]:
    loc: Path = detail["loc"]
    of_key = loc[-1:] == ("[key]",)
    path = loc[:-1] if of_key else loc
    places = document.keys if of_key or detail["type"] in AT_THE_KEY else document.values
    return _nearest(path, places, document), quote(_sentence(detail, path))


def _nearest(path: Path, places: Mapping[Path, Place], document: Document) -> Place:
    """Give where something stands; for what is missing, where the section that lacks it starts."""
    parents = (path[:length] for length in range(len(path), -1, -1))
    tables = (places, document.keys, document.values)
    return next(table[parent] for parent in parents for table in tables if parent in table)


def _sentence(detail: ErrorDetails, path: Path) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return f"{_name(path[:-1])} needs the key '{path[-1]}'"
    if kind == "extra_forbidden":
        return f"{_name(path[:-1])} has no key '{path[-1]}'{_did_you_mean(str(path[-1]), _known_keys(path[:-1]))}"
    if kind == "value_error":
        return str(context["error"])
    if detail["input"] is None:
        return f"{_name(path)} has no value"
    if kind in ("enum", "literal_error"):
        return _none_of(str(detail["input"]), str(context["expected"]))
    values = {"name": _name(path), **{key: str(value) for key, value in context.items()}}
    return SENTENCES.get(kind, "the value of {name} cannot be used").format_map(values)


def _none_of(given: str, expected: str) -> str:
    words = re.findall(r"'([^']*)'", expected)
    meant = _did_you_mean(given, words)
    listed = "what is known here" if meant and len(words) > MOST_LISTED else ", ".join(words)
    return f"'{given}' is none of {listed}{meant}"


def _name(path: Path) -> str:
    """Name a place in the policy for people: keys joined by dots, entries of a list counted from 1."""
    if not path:
        return "the policy"
    if isinstance(path[-1], int):
        return f"entry {path[-1] + 1} of {_name(path[:-1])}"
    return f"'{'.'.join(str(part + 1) if isinstance(part, int) else part for part in path)}'"


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word[:LONGEST_GUESS].lower(), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _known_keys(path: Path) -> list[str]:
    """Give the keys of the section at a path, by walking down the models."""
    here: object = Policy
    for name in path:
        section = _section(here)
        if get_origin(here) in (dict, tuple):  # `name` is a free key or a number
            here = section
        elif section is not None and name in section.model_fields:
            here = section.model_fields[str(name)].annotation
    section = _section(here)
    return sorted(field.alias or name for name, field in section.model_fields.items()) if section else []


def _section(annotation: object) -> type[BaseModel] | None:
    kinds = (annotation, *get_args(annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


MORE = "there are more errors from here on; mend these first"
AT_THE_KEY = frozenset({"extra_forbidden", "missing"})
SENTENCES: Mapping[str, str] = {
    "model_type": "{name} is a section: write its keys below it, each on its own line",
    "dict_type": "{name} is a section: write its keys below it, each on its own line",
    "tuple_type": "{name} is a list: write each entry on its own line after '- '",
    "bool_type": "write true or false for {name}",
    "int_type": "write a whole number for {name}",
    "too_short": "{name} needs at least {min_length}",
    "too_long": "{name} has more than {max_length}",
    "greater_than_equal": "{name} must be at least {ge}",
    "less_than_equal": "{name} must be at most {le}",
}

# Our choices.
MOST_TOLD = 200
LONGEST_GUESS = 64
MOST_LISTED = 8
