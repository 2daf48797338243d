"""The vocabulary of events: canonical, complete, and unable to tell what nobody may collect."""

import json
import re
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import EVENTS, CheckResult, Event, EventError, Evidence, Location, Outcome, Response

DIGEST = "ab" * 32
OPENED = events.Opened(
    site="main",
    user=1000,
    gateway="198.51.100.1",
    addresses=("10.99.0.7",),
    local_identity="fqdn:laptop-17.hospital.test",
    remote_identity="fqdn:gw.hospital.test",
    remote_certificate=DIGEST,
    ike_suite="aes256gcm16-prfsha384-ecp384",
    esp_suite="aes256gcm16",
    handshake_ms=6.1234567,
)


def values_of(hint: object) -> st.SearchStrategy[object]:
    """Every value that a field may hold, made from its annotation alone."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return st.none() | values_of(arguments[0])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is Annotated:
        return st.from_regex(events._pattern(hint), fullmatch=True)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(0, events.LARGEST)
    if hint is float:
        return st.floats(0, 1e12)
    assert isinstance(hint, type)
    if issubclass(hint, str):
        return st.sampled_from(list(hint))
    return st.builds(hint, **{name: values_of(inner) for name, inner in events._hints(hint).items()})


any_event = st.one_of([values_of(kind) for kind in EVENTS])


def strings_in(schema: object) -> Iterator[Mapping[str, object]]:
    """Every part of a JSON Schema that lets a string through."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "string" or "const" in schema or "enum" in schema:
            yield schema
        for part in schema.values():
            yield from strings_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from strings_in(part)


@given(any_event, st.floats(0, 4e9), st.integers(0, 2**40))
def test_every_event_is_one_canonical_line(event: Event, at: float, seq: int):
    line = events.line(event, at, seq)
    assert line.isascii()
    assert "\n" not in line
    body = json.loads(line)
    assert json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True) == line
    assert (body["event"], body["seq"]) == (event.name, seq)


@given(any_event)
def test_the_schema_names_exactly_the_fields_that_are_written(event: Event):
    body = json.loads(events.line(event, 0.0, 0))
    described = next(part for part in events.schema()["oneOf"] if part["properties"]["event"] == {"const": event.name})
    assert set(body) == set(described["properties"]) == set(described["required"])
    assert described["additionalProperties"] is False


def test_no_string_of_the_schema_is_free():
    strings = list(strings_in(events.schema()))
    assert len(strings) > 40
    for part in strings:
        assert {"const", "enum", "pattern"} & set(part), part


@pytest.mark.parametrize(
    "private",
    [
        "/home/sato/Downloads/setup.sh",
        "C:\\Users\\sato",
        "python3 -c 'import os'",
        "カフェのWi-Fi",
        "Cafe Free",
        "00:11:22:33:44:55 CafeFree",
        "file.name\n",
        "",
    ],
)
def test_no_field_can_hold_a_path_a_command_line_or_the_name_of_a_network(private: str):
    patterns = {str(part["pattern"]) for part in strings_in(events.schema()) if "pattern" in part}
    assert len(patterns) == 6
    assert not [pattern for pattern in patterns if re.fullmatch(pattern, private)]


def test_an_object_of_the_schema_takes_no_further_field():
    def objects(schema: object) -> Iterator[Mapping[str, object]]:
        parts = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
        if isinstance(schema, Mapping) and schema.get("type") == "object":
            yield schema
        for part in parts:
            yield from objects(part)

    found = list(objects(events.schema()))
    assert len(found) > len(EVENTS)
    assert all(part["additionalProperties"] is False for part in found)


@pytest.mark.parametrize(
    "event",
    [
        events.ProblemMet("/home/sato/x"),
        events.ProblemMet("peer lost"),
        events.Started("1.0\n"),
        events.PolicyAccepted(-1, DIGEST),
        events.PolicyAccepted(True, DIGEST),
        events.PolicyAccepted(1, "AB" * 32),
        events.Closed("main", 0, events.CloseReason.ASKED, float("nan"), 0, 0),
        events.Closed("main", 0, events.CloseReason.ASKED, float("inf"), 0, 0),
        events.Closed("main", 0, "asked", 1.0, 0, 0),
        events.Refused("main", 0, (CheckResult("wifi.trust", Outcome.FAIL, Response.REFUSE, None),)),
        events.Looked("main", True, [CheckResult("wifi.trust", Outcome.PASS, Response.OFF)]),
    ],
)
def test_a_value_that_no_event_can_express_is_an_error_that_does_not_repeat_it(event: Event):
    with pytest.raises(EventError) as caught:
        events.line(event, 0.0, 0)
    assert "sato" not in str(caught.value)


@pytest.mark.parametrize("at", [float("nan"), float("inf"), 1e18, -1e18])
def test_an_instant_outside_the_calendar_is_an_error(at: float):
    with pytest.raises(EventError):
        events.line(events.Stopped(), at, 0)


def test_a_negative_number_in_the_chain_is_an_error():
    with pytest.raises(EventError):
        events.line(events.Stopped(), 0.0, -1)


def test_an_opened_tunnel_is_told_with_both_identities_and_suites():
    assert events.line(OPENED, 1_777_777_777.5, 7) == (
        '{"addresses":["10.99.0.7"],"at":"2026-05-03T03:09:37.500Z","esp_suite":"aes256gcm16","event":"opened",'
        '"gateway":"198.51.100.1","handshake_ms":6.123,"ike_suite":"aes256gcm16-prfsha384-ecp384",'
        '"local_identity":"fqdn:laptop-17.hospital.test","reach":"full","remote_certificate":"' + DIGEST + '",'
        '"remote_identity":"fqdn:gw.hospital.test","seq":7,"site":"main","user":1000}'
    )


def test_a_network_has_the_same_pseudonym_on_one_device_and_another_on_the_next():
    assert events.network_digest(b"k" * 32, b"Cafe") == events.network_digest(b"k" * 32, b"Cafe")
    assert events.network_digest(b"k" * 32, b"Cafe") != events.network_digest(b"l" * 32, b"Cafe")
    assert events.network_digest(b"k" * 32, b"Cafe") != events.network_digest(b"k" * 32, b"cafe")


@given(st.sampled_from(["fqdn", "ip", "email", "dn"]), st.text(max_size=400))
def test_any_identity_can_be_told_if_need_be_by_its_digest(kind: str, text: str):
    told = events.identity(kind, text)
    assert re.fullmatch(events._pattern(events.Identity), told)
    assert told == f"{kind}:{text}" or told.startswith("sha256:")


def test_a_program_is_told_by_place_hash_and_package_only():
    seen = events.ProgramSeen(Location.HOME, DIGEST)
    result = CheckResult("apps.unapproved", Outcome.FAIL, Response.REFUSE, Evidence(programs=(seen,), vanished=2))
    body = json.loads(events.line(events.Refused("main", 1000, (result,)), 0.0, 0))
    assert body["checks"][0]["evidence"] == {
        "marks": [],
        "more": 0,
        "networks": [],
        "programs": [{"location": "home", "package": None, "sha256": DIGEST}],
        "unreadable": 0,
        "vanished": 2,
    }
