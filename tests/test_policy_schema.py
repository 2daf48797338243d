"""The JSON Schema for editors: it takes what the policy's reader takes, in the short forms too."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.posture import policy
from agent.posture.policy import Policy
from agent.posture.policy.text import Tree, read
from tests.test_policy import EXAMPLES, SHORTEST

SCHEMA = json.loads(json.dumps(policy.schema()))
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def fits(value: Tree, schema) -> bool:
    """Tell whether a value fits the few words of JSON Schema that ours uses; an unknown word is an error."""
    return all(RULES[word](value, said, schema) for word, said in schema.items() if word not in TOLD)


def is_object(value: Tree, known: Mapping[str, object]) -> bool:
    return not isinstance(value, dict) or all(fits(value[key], known[key]) for key in known.keys() & value.keys())


def is_named(value: dict[str, Tree], patterns: Mapping[str, object]) -> bool:
    named = [(value[key], each) for key in value for said, each in patterns.items() if re.search(said, key)]
    return all(fits(one, each) for one, each in named)


def has_no_more(value: Tree, more, schema) -> bool:
    if not isinstance(value, dict):
        return True
    others = value.keys() - schema.get("properties", {}).keys()
    return not others if more is False else all(fits(value[key], more) for key in others)


def measured(value: Tree, kind: type, allows) -> bool:
    return not isinstance(value, kind) or allows(value)


TOLD = {"$schema", "$defs", "title", "description", "default", "format", "ge", "le"}  # a time is no number to compare
RULES = {
    "$ref": lambda value, ref, _: fits(value, SCHEMA["$defs"][ref.removeprefix("#/$defs/")]),
    "anyOf": lambda value, schemas, _: any(fits(value, one) for one in schemas),
    "type": lambda value, name, _: (
        any(isinstance(value, TYPES[one]) for one in ([name] if isinstance(name, str) else name))
        and not (isinstance(value, bool) and name != "boolean")
    ),
    "const": lambda value, only, _: value == only,
    "enum": lambda value, words, _: value in words,
    "properties": lambda value, known, _: is_object(value, known),
    "patternProperties": lambda value, patterns, _: measured(value, dict, lambda keys: is_named(keys, patterns)),
    "additionalProperties": has_no_more,
    "propertyNames": lambda value, names, _: measured(value, dict, lambda keys: all(fits(key, names) for key in keys)),
    "required": lambda value, keys, _: measured(value, dict, set(keys).issubset),
    "minProperties": lambda value, least, _: measured(value, dict, lambda keys: len(keys) >= least),
    "maxProperties": lambda value, most, _: measured(value, dict, lambda keys: len(keys) <= most),
    "items": lambda value, each, _: measured(value, list, lambda items: all(fits(item, each) for item in items)),
    "minItems": lambda value, least, _: measured(value, list, lambda items: len(items) >= least),
    "maxItems": lambda value, most, _: measured(value, list, lambda items: len(items) <= most),
    "pattern": lambda value, pattern, _: measured(value, str, lambda text: bool(re.search(pattern, text))),
    "minimum": lambda value, least, _: measured(value, int, lambda number: number >= least),
    "maximum": lambda value, most, _: measured(value, int, lambda number: number <= most),
}


def written(more: str) -> Tree:
    return read(SHORTEST + more, "policy.yaml").value


def test_it_describes_every_section():
    assert set(SCHEMA["properties"]) == set(Policy.model_fields)
    assert set(SCHEMA["required"]) == {"serial", "help_desk", "sites"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_fits(path: Path):
    assert fits(read(path.read_bytes(), path.name).value, SCHEMA)


@pytest.mark.parametrize("title", ["中央病院", "{ja: 中央病院, en: Central Hospital}"])
def test_what_may_be_written_short_or_long_fits_both_ways(title: str):
    assert fits(written(f"    title: {title}\n    addresses: 10.99.0.0/16\n"), SCHEMA)
    assert fits(written(f"    title: {title}\n    addresses: [10.99.0.0/16]\n"), SCHEMA)


@pytest.mark.parametrize(
    "more",
    [
        "wiffi: {}\n",
        "    title: [a]\n",
        "    addresses: 7\n",
        f"    addresses: [{'10.99.0.0/16,' * 17}]\n",
        "checks: {wifi.trusst: {fail: warn}}\n",
        "checks: {wifi.trust: {fail: wran}}\n",
        "network: {turnaround: {ports: icmp/1}}\n",
    ],
)
def test_what_is_written_wrong_does_not_fit(more: str):
    assert not fits(written(more), SCHEMA)
