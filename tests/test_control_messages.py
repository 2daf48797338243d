"""The control protocol's lines: what is written can be read, and nothing else can."""

import json
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.control.messages import (
    LONGEST_LINE,
    REPLIES,
    REQUESTS,
    AddNetwork,
    Checked,
    Choice,
    Coming,
    Connect,
    Done,
    Emergency,
    MessageError,
    Network,
    Networks,
    Offer,
    Readiness,
    Reason,
    Refused,
    RemoveNetwork,
    Reply,
    Report,
    Request,
    StateName,
    Status,
    Step,
    Tunnel,
    decode_reply,
    decode_request,
    encode,
)
from agent.words import Words

text = st.text(max_size=40)
words = st.builds(Words, text, text)
finite = st.floats(-1e15, 1e15)
counts = st.integers(0, 2**63 - 1)
reasons = st.builds(Reason, text, st.sampled_from(["fail", "unknown", "warn", "problem"]), words, words, text)
many_reasons = st.lists(reasons, max_size=3).map(tuple)
texts = st.lists(text, max_size=3).map(tuple)
tunnels = st.builds(Tunnel, text, texts, text, text, text, text, text, texts, finite, finite, counts, counts)
statuses = st.builds(
    Status,
    st.sampled_from(get_args(StateName)),
    st.none() | text,
    texts,
    text,
    st.none() | counts,
    many_reasons,
    many_reasons,
    st.none() | tunnels,
    *3 * (st.none() | finite,),
    st.none() | st.builds(Offer, st.lists(st.builds(Choice, text, words), max_size=3).map(tuple), texts, finite, texts),
)
checked = st.builds(
    Checked,
    text,
    st.sampled_from(["pass", "fail", "unknown"]),
    st.sampled_from(["refuse", "warn", "off"]),
    words,
    words,
    text,
    st.none() | st.sampled_from(["A", "B", "C"]),
    text,
    finite,
)
coming = st.builds(
    Coming, st.sampled_from(["now", "soon", "later", "notice"]), st.none() | text, text, words, words, text
)
networks = st.builds(Network, st.none() | counts, text, text, st.sampled_from(["wpa2", "wpa3"]), st.none() | text)
replies: st.SearchStrategy[Reply] = st.one_of(
    st.builds(Step, st.sampled_from(["look", "key", "tunnel", "gateway", "network"]), finite, words),
    statuses,
    st.builds(Refused, st.sampled_from(["posture", "problem"]), many_reasons, st.booleans()),
    st.builds(Done, finite, statuses),
    st.builds(
        Report,
        text,
        counts,
        st.booleans(),
        st.lists(checked, max_size=3).map(tuple),
        st.none() | reasons,
    ),
    st.builds(Readiness, text, counts, st.booleans(), st.lists(coming, max_size=3).map(tuple), st.none() | reasons),
    st.builds(Networks, st.lists(networks, max_size=3).map(tuple), counts, st.none() | networks, st.none() | networks),
)
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(Connect, st.none() | text),
    st.builds(Emergency, text, st.none() | text),
    st.builds(AddNetwork, st.none() | text),
    st.builds(RemoveNetwork, text),
    st.sampled_from([kind() for kind in REQUESTS.values() if not fields(kind)]),
)


@given(replies)
def test_every_reply_survives_the_line(reply: Reply) -> None:
    assert decode_reply(encode(reply)) == reply


@given(requests)
def test_every_request_survives_the_line(request: Request) -> None:
    assert decode_request(encode(request)) == request


@given(st.binary(max_size=300))
def test_garbage_is_refused_with_one_error(line: bytes) -> None:
    for decode in (decode_request, decode_reply):
        with pytest.raises(MessageError):
            decode(line)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(REPLIES)), st.data())
def test_a_reply_with_values_of_any_kind_is_read_or_refused(name: str, data: st.DataObject) -> None:
    names = [field.name for field in fields(REPLIES[name])]
    body = {field: data.draw(json_values) for field in names}
    try:
        reply = decode_reply(json.dumps({"message": name, **body}).encode())
    except MessageError:
        return
    assert decode_reply(encode(reply)) == reply


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e400", "1" + "0" * 400])
def test_a_number_that_no_clock_or_counter_can_show_is_refused(number: str) -> None:
    line = f'{{"message":"step","step":"look","elapsed_ms":{number},"said":{{"en":"a","ja":"b"}}}}'
    with pytest.raises(MessageError, match="'elapsed_ms'"):
        decode_reply(line.encode())


@pytest.mark.parametrize("allowed", ["1", '"true"', "null", "[]"])
def test_only_a_truth_value_says_that_a_connection_would_be_let_through(allowed: str) -> None:
    line = f'{{"message":"report","at":"","policy_serial":1,"allowed":{allowed},"findings":[],"problem":null}}'
    with pytest.raises(MessageError, match="'allowed'"):
        decode_reply(line.encode())


def test_an_unknown_field_is_named_in_the_refusal() -> None:
    with pytest.raises(MessageError, match="'speed'"):
        decode_request(b'{"message":"connect","site":"a","speed":9}')


def test_a_line_over_the_limit_is_not_parsed() -> None:
    line = b'{"message":"status"' + b" " * LONGEST_LINE + b"}"
    with pytest.raises(MessageError, match="longer than"):
        decode_request(line)


def test_a_deeply_nested_line_is_refused() -> None:
    with pytest.raises(MessageError):
        decode_request(b"[" * 30_000 + b"]" * 30_000)
