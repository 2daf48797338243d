"""Layers: what stands higher replaces what stands below, and every error names the file that it came from."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.policy import Layered, PolicyErrors, Source, load_layers
from agent.posture.policy.layers import laid
from agent.posture.policy.text import LARGEST_TEXT, Place
from agent.posture.verdict import Response
from tests.test_policy import SHORTEST

BASE = Source("usr.yaml", SHORTEST)


def layered(*texts: str | bytes) -> Layered:
    return load_layers([BASE, *(Source(f"{number}.yaml", text) for number, text in enumerate(texts, 1))])


def errors(*texts: str | bytes) -> list[str]:
    with pytest.raises(PolicyErrors) as caught:
        layered(*texts)
    return [str(error) for error in caught.value.errors]


def test_a_key_that_stands_higher_counts_and_what_it_does_not_name_stays():
    read = layered(
        "checks: {wifi.trust: {fail: warn, unknown: warn}}",
        "serial: 8\nchecks: {wifi.trust: {fail: refuse}, wifi.twin: {fail: warn}}",
    ).policy
    assert (read.serial, read.help_desk.en) == (8, "the help desk")
    trust = read.rule("wifi.trust")
    assert (trust.fail, trust.unknown) == (Response.REFUSE, Response.WARN)
    assert read.rule("wifi.twin").fail is Response.WARN


def test_lists_are_replaced_whole():
    site = layered("sites: {main: {networks: [10.1.0.0/16, 10.2.0.0/16]}}", "sites: {main: {networks: [10.3.0.0/16]}}")
    assert [str(network) for network in site.policy.sites["main"].networks] == ["10.3.0.0/16"]


def test_a_single_layer_need_not_be_whole_but_all_together_must():
    with pytest.raises(PolicyErrors) as caught:
        load_layers([Source("a.yaml", "serial: 3"), Source("b.yaml", "language: en")])
    assert [str(error) for error in caught.value.errors] == [
        "b.yaml:1:1: the policy needs the key 'help_desk'",
        "b.yaml:1:1: the policy needs the key 'sites'",
    ]


def test_every_error_names_the_file_it_stands_in():
    assert errors("language: dee\nwiffi: {}", "control: {users: nobody}\nserial: 1\nserial: 2") == [
        "1.yaml:1:11: 'dee' is none of en, ja",
        "1.yaml:2:1: the policy has no key 'wiffi'; did you mean 'wifi'?",
        "2.yaml:1:18: write 'people' for every person of this computer, or a list of user names",
        "2.yaml:3:1: the key 'serial' stands here a second time; the first is on line 2",
    ]


def test_an_error_that_a_higher_layer_replaces_stands_no_more():
    assert layered("language: dee", "language: en").policy.language == "en"


def test_what_is_no_yaml_is_refused_even_where_a_higher_layer_replaces_it():
    assert errors("language: *gone", "language: en") == ["1.yaml:1:11: '*gone' is an alias; write the value out"]
    assert errors("language: [", "language: en")[0].startswith("1.yaml:2:1: this is not YAML")
    assert errors("#" * (LARGEST_TEXT + 1))[0].startswith("1.yaml:1:1: the file has")


def test_comments_alone_change_nothing():
    assert layered("# nothing yet\n", b"").policy == load_layers([BASE]).policy


@pytest.mark.parametrize("text", ["- a", "hello", "[1, 2]"])
def test_a_layer_that_is_no_section_is_refused_and_hides_nothing_below(text: str):
    assert "1.yaml:1:1: the policy is a section: write its keys below it, each on its own line" in errors(text)
    assert "1.yaml:1:1: the policy is a section: write its keys below it, each on its own line" in errors(text, "a: b")


def test_a_section_that_is_taken_away_above_is_an_error_there():
    assert errors("wifi: {at_least: wpa3}", "wifi:") == ["2.yaml:1:6: 'wifi' has no value"]


def test_each_value_keeps_the_place_of_the_layer_that_wrote_it():
    places = layered("wifi: {at_least: wpa3}", "wifi: {protected: refuse}").places
    assert places["wifi", "at_least"] == Place("1.yaml", 1, 18)
    assert places["wifi", "protected"] == Place("2.yaml", 1, 19)
    assert places[("serial",)].file == "usr.yaml"
    assert ("wifi", "own") not in places


keys = st.sampled_from(["a", "b", "c"])
values = st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2)
sections = st.dictionaries(keys, st.recursive(values, lambda inner: st.dictionaries(keys, inner), max_leaves=6))


def over(below: dict, above: dict) -> dict:
    both = {key: over(below[key], above[key]) if is_section(below, above, key) else above[key] for key in above}
    return below | both


def is_section(below: dict, above: dict, key: str) -> bool:
    return isinstance(below.get(key), dict) and isinstance(above[key], dict)


@given(st.lists(sections, min_size=1, max_size=4))
def test_laying_is_what_a_plain_deep_merge_of_the_same_trees_is(trees: list[dict]):
    whole = laid([Source(f"{number}.yaml", json.dumps(tree)) for number, tree in enumerate(trees)])
    expected: dict = {}
    for tree in trees:
        expected = over(expected, tree)
    assert (whole.value, whole.faults) == (expected, [])
    for path, place in whole.values.items():
        if _holds(whole.value, path):
            assert _holds(trees[int(place.file.removesuffix(".yaml"))], path)


def _holds(tree, path: tuple[str | int, ...]) -> bool:
    try:
        for step in path:
            tree = tree[step]
    except (KeyError, IndexError, TypeError):
        return False
    return True


@given(st.lists(st.text(max_size=80) | st.binary(max_size=80), min_size=1, max_size=3))
def test_garbage_in_any_layer_is_a_policy_error_and_nothing_else(texts: list[str | bytes]):
    with suppress(PolicyErrors):
        layered(*texts)
