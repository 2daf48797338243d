"""The gate: every state meets every event, and nothing is open without a verdict that allows it."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events, gate
from agent.events import CloseReason, Outcome, Response
from agent.gate import (
    Asked,
    Changed,
    Closed,
    CloseSite,
    Closing,
    Deny,
    Failed,
    Idle,
    Look,
    Looked,
    Looking,
    LookLost,
    Open,
    Opened,
    Opening,
    OpenSite,
    Record,
    Refused,
    Tell,
    Tick,
    Withdrawn,
    deadline,
    step,
)
from agent.posture.verdict import Cut, Finding, Verdict, Who
from agent.problems import problem
from agent.words import Words

SAID = Words("Seen.", "見ました。")


def finding(check="apps.unapproved", outcome=Outcome.FAIL, rule=Response.REFUSE, cut=Cut.NOW, countdown=0.0):
    return Finding(check, outcome, SAID, SAID, Who.YOU, rule=rule, cut=cut, countdown=countdown)


GOOD = Verdict((finding(outcome=Outcome.PASS, rule=Response.OFF),), 1.0)
WARNED = Verdict((finding(rule=Response.WARN),), 1.0)
BAD = Verdict((finding(),), 1.0)
COUNTING = Verdict((finding(cut=Cut.COUNTDOWN, countdown=30.0),), 1.0)
LATER = Verdict((finding(cut=Cut.SESSION_END),), 1.0)
RECORD = events.Opened(
    "main",
    1000,
    "198.51.100.1",
    ("10.99.0.7",),
    "fqdn:laptop.test",
    "fqdn:gw.test",
    "ab" * 32,
    "aes256gcm16-prfsha384-ecp384",
    "aes256gcm16",
    6.0,
)
LOOK = Look("main", 1000, 0.0)
LOST = problem("peer.lost")

STATES = {
    "Idle": Idle(),
    "Looking": Looking(LOOK, 10.0),
    "Refused": Refused("main", 1000, (LOST,)),
    "Opening": Opening("main", 1000, GOOD),
    "Open": Open("main", 1000, GOOD, 2.0),
    "Open, counting": Open("main", 1000, COUNTING, 2.0, cut_at=30.0),
    "Closing, asked": Closing("main", 1000, CloseReason.ASKED, (), 2.0),
    "Closing, cut": Closing("main", 1000, CloseReason.POSTURE, BAD.refusals, 2.0),
}
EVENTS = {
    "Asked": Asked("main", 1000),
    "Looked good": Looked(LOOK, GOOD),
    "Looked bad": Looked(LOOK, BAD),
    "Looked old": Looked(Look("main", 1000, -5.0), GOOD),
    "Opened": Opened(RECORD),
    "Failed": Failed(LOST),
    "Withdrawn": Withdrawn(),
    "Changed good": Changed(GOOD),
    "Changed bad": Changed(BAD),
    "LookLost": LookLost("gone"),
    "Closed": Closed(10, 20),
    "Tick": Tick(),
}
STAY = ("=", "")

# At 20 s of the boot clock. What is not listed stays as it is, without any effect.
TABLE = {
    ("Idle", "Asked"): ("Looking", "Look"),
    ("Looking", "Asked"): ("=", "Deny"),
    ("Looking", "Looked good"): ("Opening", "Record(looked) OpenSite"),
    ("Looking", "Looked bad"): ("Refused", "Record(looked) Record(refused) Tell"),
    ("Looking", "Failed"): ("Refused", "Record(problem) Tell"),
    ("Looking", "Withdrawn"): ("Idle", ""),
    ("Looking", "Changed bad"): ("Refused", "Record(looked) Record(refused) Tell"),
    ("Looking", "LookLost"): ("Refused", "Record(problem) Tell"),
    ("Looking", "Tick"): ("Refused", "Record(problem) Tell"),
    ("Refused", "Asked"): ("Looking", "Look"),
    ("Refused", "Withdrawn"): ("Idle", ""),
    ("Opening", "Asked"): ("=", "Deny"),
    ("Opening", "Opened"): ("Open", "Record(opened)"),
    ("Opening", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Opening", "Withdrawn"): ("Closing", "CloseSite"),
    ("Opening", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Opening", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Opening", "Closed"): ("Refused", "Tell Record(problem)"),
    ("Open", "Asked"): ("=", "Deny"),
    ("Open", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open", "Withdrawn"): ("Closing", "CloseSite"),
    ("Open", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Open, counting", "Asked"): ("=", "Deny"),
    ("Open, counting", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open, counting", "Withdrawn"): ("Closing", "CloseSite"),
    ("Open, counting", "Changed good"): ("Open", "Record(looked) Tell"),
    ("Open, counting", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open, counting", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open, counting", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Closing, asked", "Asked"): ("=", "Deny"),
    ("Closing, asked", "Closed"): ("Idle", "Record(closed)"),
    ("Closing, cut", "Asked"): ("=", "Deny"),
    ("Closing, cut", "Closed"): ("Refused", "Record(closed)"),
}


def told(effect: gate.Effect) -> str:
    return f"Record({effect.event.name})" if isinstance(effect, Record) else type(effect).__name__


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_state_meets_every_event_as_the_table_says(state: str, event: str):
    after, effects = step(STATES[state], EVENTS[event], now=20.0)
    name, expected = TABLE.get((state, event), STAY)
    assert " ".join(map(told, effects)) == expected
    if name == "=":
        assert after == STATES[state]
    else:
        assert type(after).__name__ == name


def test_the_table_covers_every_kind_of_state_and_event():
    assert {type(state) for state in STATES.values()} == set(get_args(gate.State))
    assert {type(event) for event in EVENTS.values()} == set(get_args(gate.Event))


def test_a_warning_is_told_and_the_site_opens():
    state, effects = step(STATES["Looking"], Looked(LOOK, WARNED), now=1.0)
    assert state == Opening("main", 1000, WARNED)
    assert effects[1:] == (Tell(WARNED.warnings), OpenSite("main", 1000))


def test_a_cut_tells_its_reasons_at_once_and_keeps_them_until_the_site_is_closed():
    closing, effects = step(STATES["Open"], Changed(BAD), now=5.0)
    assert effects[:2] == (CloseSite("main", CloseReason.POSTURE), Tell(BAD.refusals))
    refused, effects = step(closing, Closed(3, 4), now=7.0)
    assert refused == Refused("main", 1000, BAD.refusals)
    assert effects == (Record(events.Closed("main", 1000, CloseReason.POSTURE, 5.0, 3, 4)),)


def test_a_countdown_keeps_the_tunnel_until_its_end_and_names_the_instant():
    state, effects = step(STATES["Open"], Changed(COUNTING), now=100.0)
    assert deadline(state) == 130.0
    assert effects[-1] == Tell(COUNTING.refusals, 130.0)
    assert step(state, Tick(), now=129.9) == (state, ())
    closing, effects = step(state, Tick(), now=130.0)
    assert effects[0] == CloseSite("main", CloseReason.POSTURE)
    assert closing.reasons == COUNTING.refusals


def test_a_countdown_is_never_put_off_by_looking_again():
    state, _ = step(STATES["Open"], Changed(COUNTING), now=100.0)
    again, effects = step(state, Changed(Verdict(COUNTING.findings, 120.0)), now=120.0)
    assert deadline(again) == 130.0
    assert effects == ()


def test_a_cure_stops_a_countdown():
    state, _ = step(STATES["Open"], Changed(COUNTING), now=100.0)
    cured, effects = step(state, Changed(GOOD), now=110.0)
    assert deadline(cured) is None
    assert effects[-1] == Tell((), None)


def test_a_refusal_for_the_session_end_leaves_the_tunnel_open_and_is_told():
    state, effects = step(STATES["Open"], Changed(LATER), now=100.0)
    assert isinstance(state, Open)
    assert deadline(state) is None
    assert effects[-1] == Tell(LATER.refusals)


def test_while_opening_any_refusal_aborts_whatever_its_cut():
    for verdict in (BAD, COUNTING, LATER):
        state, effects = step(STATES["Opening"], Changed(verdict), now=3.0)
        assert isinstance(state, Closing)
        assert isinstance(effects[0], CloseSite)


def test_a_tunnel_that_never_opened_leaves_no_record_of_closing():
    closing, _ = step(STATES["Opening"], Failed(LOST), now=3.0)
    assert step(closing, Closed(), now=4.0) == (Refused("main", 1000, (LOST,)), ())


def test_what_could_not_be_put_back_stands_in_the_way_until_somebody_knows_of_it():
    left = problem("network.left", "rules: no")
    closing, _ = step(STATES["Open"], Withdrawn(), now=3.0)
    refused, effects = step(closing, Closed(3, 4, left), now=4.0)
    assert refused == Refused("main", 1000, (left,))
    assert effects[1:] == (Tell((left,)), Record(events.ProblemMet("network.left", "main")))
    aborted, _ = step(STATES["Opening"], Withdrawn(), now=3.0)
    assert step(aborted, Closed(left=left), now=4.0) == (refused, effects[1:])


def test_the_answer_to_an_overtaken_look_counts_for_nothing():
    looking, (first,) = step(Idle(), Asked("main", 1000), now=1.0)
    idle, _ = step(looking, Withdrawn(), now=2.0)
    again, (second,) = step(idle, Asked("main", 2000), now=3.0)
    assert step(again, Looked(first, GOOD), now=4.0) == (again, ())
    assert isinstance(step(again, Looked(second, GOOD), now=4.0)[0], Opening)


def test_a_look_that_takes_too_long_refuses():
    looking, _ = step(Idle(), Asked("main", 1000), now=1.0)
    assert deadline(looking) == 11.0
    assert step(looking, Tick(), now=10.9) == (looking, ())
    refused, _ = step(looking, Tick(), now=11.0)
    assert refused.reasons[0].code == "look.lost"


def test_the_same_findings_again_are_neither_recorded_nor_told():
    again = Verdict(GOOD.findings, 50.0)
    state, effects = step(STATES["Open"], Changed(again), now=50.0)
    assert state.verdict == again
    assert effects == ()


def test_someone_else_who_asks_meanwhile_is_told_that_it_is_busy():
    _, effects = step(STATES["Open"], Asked("other", 1001), now=5.0)
    assert effects == (Deny(problem("busy")),)


verdicts = st.builds(
    Verdict,
    st.lists(
        st.builds(
            finding,
            outcome=st.sampled_from(Outcome),
            rule=st.sampled_from(Response),
            cut=st.sampled_from(Cut),
            countdown=st.sampled_from([0.0, 5.0, 30.0]),
        ),
        max_size=3,
    ).map(tuple),
    st.floats(0, 1e6),
)
any_event = st.one_of(
    st.builds(Asked, st.sampled_from(["main", "other"]), st.integers(0, 3)),
    verdicts.map(lambda verdict: ("looked", verdict)),
    st.just(Opened(RECORD)),
    st.just(Failed(LOST)),
    st.builds(Withdrawn, st.sampled_from(CloseReason)),
    st.builds(Changed, verdicts),
    st.builds(LookLost, st.text(max_size=5)),
    st.builds(Closed, st.integers(0, 9), st.integers(0, 9)),
    st.just(Tick()),
)


@given(st.lists(st.tuples(any_event, st.floats(0, 20)), max_size=40))
def test_whatever_happens_nothing_is_open_without_a_verdict_that_lets_it(happenings):
    state, now = Idle(), 0.0
    for event, later in happenings:
        now += later
        if isinstance(event, tuple):
            event = Looked(state.look if isinstance(state, Looking) else LOOK, event[1])
        before = state
        state, effects = step(before, event, now)
        closed = [effect for effect in effects if isinstance(effect, CloseSite)]
        opened = [effect for effect in effects if isinstance(effect, OpenSite)]

        if isinstance(state, Opening):
            assert state.verdict.allows
        if isinstance(state, Open):
            assert state.verdict.cut is not Cut.NOW
            assert (state.verdict.cut is Cut.COUNTDOWN) == (state.cut_at is not None)
        if isinstance(state, Open) and not isinstance(before, Open):
            assert isinstance(before, Opening)
            assert state.verdict.allows
        leaves = isinstance(before, Opening | Open) and not isinstance(state, Opening | Open)
        assert len(closed) == (leaves and not isinstance(event, Closed))
        assert len(opened) == (isinstance(state, Opening) and not isinstance(before, Opening))
        if closed:
            assert effects[0] is closed[0]
            assert isinstance(state, Closing)
        if isinstance(state, Refused) and not isinstance(before, Refused):
            assert state.reasons
        for effect in effects:
            if isinstance(effect, Record):
                events.line(effect.event, now, 0)


@given(st.sampled_from(sorted(STATES)), st.floats(0, 1e6))
def test_the_last_word_of_a_lost_look_is_never_open(state: str, now: float):
    after, _ = step(STATES[state], LookLost("gone"), now)
    assert not isinstance(after, Open | Opening | Looking)


def test_a_process_that_came_and_went_unread_is_no_news():
    missed = Verdict((replace(GOOD.findings[0], evidence=events.Evidence(vanished=3)),), 2.0)
    after, effects = step(Open("main", 1000, GOOD, 2.0), Changed(missed), now=20.0)
    assert effects == ()
    assert after == Open("main", 1000, missed, 2.0)
