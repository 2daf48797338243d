"""The gate: every state meets every event, and nothing is open without a verdict that allows it."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events, gate
from agent.events import CloseReason, Outcome, Reach, Response
from agent.gate import (
    Asked,
    Changed,
    Closed,
    CloseSite,
    Closing,
    Deny,
    Emergency,
    Failed,
    FetchPolicy,
    Idle,
    Inside,
    Look,
    Looked,
    Looking,
    LookLost,
    Open,
    Opened,
    Opening,
    OpenSite,
    Plea,
    PolicyChanged,
    Record,
    Refused,
    Service,
    Tell,
    Terms,
    Tick,
    Wish,
    Withdrawn,
    deadline,
    is_watched,
    step,
    where_matters,
)
from agent.gate.wishes import MOST_RETURNS, PAUSE, RETURNS_WITHIN
from agent.posture.verdict import Cut, Finding, Verdict, Who
from agent.problems import problem
from agent.words import Words

SAID = Words("Seen.", "見ました。")


def finding(check="apps.unapproved", outcome=Outcome.FAIL, rule=Response.REFUSE, cut=Cut.NOW, countdown=0.0):
    return Finding(check, outcome, SAID, SAID, Who.YOU, rule=rule, cut=cut, countdown=countdown)


GOOD = Verdict((finding(outcome=Outcome.PASS, rule=Response.OFF),), 1.0)
WARNED = Verdict((finding(rule=Response.WARN),), 1.0)
BAD = Verdict((finding(),), 1.0)
WEAK = Verdict((finding("wifi.trust"),), 1.0)
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
LOOK = Look("main", 1000, 15.0)
LOST = problem("peer.lost")
URL = "https://policy.hospital.test/p.yaml"
PLAIN = Wish("main", 1000)
WISH = Wish("main", 1000, Terms(900.0, URL, 600.0))
BACK = replace(WISH, back=100.0)
PLEA = Plea("patient", 3600.0, frozenset({"wifi.trust"}))

STATES = {
    "Idle": Idle(),
    "Looking": Looking(WISH, LOOK),
    "Looking, granted nothing": Looking(PLAIN, LOOK),
    "Looking, emergency": Looking(WISH, LOOK, PLEA),
    "Inside": Inside(WISH, GOOD),
    "Inside, granted nothing": Inside(PLAIN, GOOD),
    "Refused": Refused(WISH, (LOST,)),
    "Refused, waiting": Refused(BACK, BAD.refusals),
    "Service, setting up": Service(WISH, BAD.refusals, 900.0),
    "Service": Service(WISH, BAD.refusals, 900.0, 16.0, 76.0),
    "Service, asking": Service(WISH, BAD.refusals, 900.0, 16.0, 76.0, Looking(WISH, LOOK)),
    "Service, waiting": Service(BACK, BAD.refusals, 900.0, 16.0, 76.0),
    "Opening": Opening(WISH, GOOD),
    "Opening, emergency": Opening(WISH, WEAK, PLEA),
    "Open": Open(WISH, GOOD, 2.0),
    "Open, counting": Open(WISH, COUNTING, 2.0, cut_at=30.0),
    "Emergency": Emergency(WISH, WEAK, PLEA, 2.0, 3602.0),
    "Closing, asked": Closing(WISH, CloseReason.ASKED, (), 2.0),
    "Closing, failed": Closing(WISH, CloseReason.PROBLEM, (LOST,), 2.0),
    "Closing, cut": Closing(BACK, CloseReason.POSTURE, BAD.refusals, 2.0),
    "Closing, healed": Closing(WISH, CloseReason.HEALED, (), 2.0, Opening(WISH, GOOD)),
    "Closing, healed inside": Closing(WISH, CloseReason.HEALED, (), 2.0, Inside(WISH, GOOD)),
}
EVENTS = {
    "Asked": Asked(WISH),
    "Asked for another": Asked(Wish("other", 1000)),
    "Asked, emergency": Asked(WISH, PLEA),
    "Looked good": Looked(LOOK, GOOD),
    "Looked good, inside": Looked(LOOK, GOOD, inside=True),
    "Looked bad": Looked(LOOK, BAD),
    "Looked weak": Looked(LOOK, WEAK),
    "Looked old": Looked(Look("main", 1000, -5.0), GOOD),
    "Opened": Opened(RECORD),
    "Failed": Failed(LOST),
    "Withdrawn": Withdrawn(),
    "Changed good": Changed(GOOD),
    "Changed good, inside": Changed(GOOD, inside=True),
    "Changed bad": Changed(BAD),
    "Changed bad, inside": Changed(BAD, inside=True),
    "Changed weak": Changed(WEAK),
    "LookLost": LookLost("gone"),
    "PolicyChanged": PolicyChanged(Terms()),
    "Closed": Closed(10, 20),
    "Tick": Tick(),
}
STAY = ("=", "")
DENIED = ("=", "Deny")
FREE = ("Idle", "Inside", "Refused")


def told(effect: gate.Effect) -> str:
    match effect:
        case Record(event):
            return f"Record({event.name})"
        case OpenSite(reach=reach):
            return f"OpenSite({reach.value})"
        case _:
            return type(effect).__name__


# At 20 s of the boot clock. What is not listed stays as it is, without any effect.
TABLE = {
    ("Idle", "Asked"): ("Looking", "Look"),
    ("Idle", "Asked for another"): ("Looking", "Look"),
    ("Idle", "Asked, emergency"): ("Looking", "Look"),
    ("Looking", "Looked good"): ("Opening", "Record(looked) OpenSite(full)"),
    ("Looking", "Looked good, inside"): ("Inside", "Record(looked) Record(entered)"),
    ("Looking", "Looked bad"): ("Service", "Record(looked) Record(refused) Tell OpenSite(service)"),
    ("Looking", "Looked weak"): ("Service", "Record(looked) Record(refused) Tell OpenSite(service)"),
    ("Looking", "Failed"): ("Refused", "Record(problem) Tell"),
    ("Looking", "Withdrawn"): ("Idle", ""),
    ("Looking", "LookLost"): ("Refused", "Record(problem) Tell"),
    ("Looking, granted nothing", "Looked good"): ("Opening", "Record(looked) OpenSite(full)"),
    ("Looking, granted nothing", "Looked good, inside"): ("Inside", "Record(looked) Record(entered)"),
    ("Looking, granted nothing", "Looked bad"): ("Refused", "Record(looked) Record(refused) Tell"),
    ("Looking, granted nothing", "Looked weak"): ("Refused", "Record(looked) Record(refused) Tell"),
    ("Looking, granted nothing", "Failed"): ("Refused", "Record(problem) Tell"),
    ("Looking, granted nothing", "Withdrawn"): ("Idle", ""),
    ("Looking, granted nothing", "LookLost"): ("Refused", "Record(problem) Tell"),
    ("Looking, emergency", "Looked good"): ("Opening", "Record(looked) OpenSite(full)"),
    ("Looking, emergency", "Looked good, inside"): ("Inside", "Record(looked) Record(entered)"),
    ("Looking, emergency", "Looked bad"): ("Service", "Record(looked) Record(refused) Tell OpenSite(service)"),
    ("Looking, emergency", "Looked weak"): ("Opening", "Record(looked) Tell OpenSite(emergency)"),
    ("Looking, emergency", "Failed"): ("Refused", "Record(problem) Tell"),
    ("Looking, emergency", "Withdrawn"): ("Idle", ""),
    ("Looking, emergency", "LookLost"): ("Refused", "Record(problem) Tell"),
    ("Inside", "Asked"): ("Looking", "Look"),
    ("Inside", "Asked for another"): ("Looking", "Look"),
    ("Inside", "Asked, emergency"): ("Looking", "Look"),
    ("Inside", "Withdrawn"): ("Idle", ""),
    ("Inside", "Changed good"): ("Looking", "Record(left) Look"),
    ("Inside", "Changed bad"): ("Looking", "Record(left) Look"),
    ("Inside", "Changed bad, inside"): ("Refused", "Record(looked) Record(refused) Tell"),
    ("Inside", "Changed weak"): ("Looking", "Record(left) Look"),
    ("Inside", "LookLost"): ("Refused", "Record(problem) Tell"),
    ("Inside, granted nothing", "Asked"): ("Looking", "Look"),
    ("Inside, granted nothing", "Asked for another"): ("Looking", "Look"),
    ("Inside, granted nothing", "Asked, emergency"): ("Looking", "Look"),
    ("Inside, granted nothing", "Withdrawn"): ("Idle", ""),
    ("Inside, granted nothing", "Changed good"): ("Idle", "Record(left)"),
    ("Inside, granted nothing", "Changed bad"): ("Idle", "Record(left)"),
    ("Inside, granted nothing", "Changed bad, inside"): ("Refused", "Record(looked) Record(refused) Tell"),
    ("Inside, granted nothing", "Changed weak"): ("Idle", "Record(left)"),
    ("Inside, granted nothing", "LookLost"): ("Refused", "Record(problem) Tell"),
    ("Refused", "Asked"): ("Looking", "Look"),
    ("Refused", "Asked for another"): ("Looking", "Look"),
    ("Refused", "Asked, emergency"): ("Looking", "Look"),
    ("Refused", "Withdrawn"): ("Idle", ""),
    ("Refused, waiting", "Asked"): ("Looking", "Look"),
    ("Refused, waiting", "Asked for another"): ("Looking", "Look"),
    ("Refused, waiting", "Asked, emergency"): ("Looking", "Look"),
    ("Refused, waiting", "Withdrawn"): ("Idle", ""),
    ("Refused, waiting", "Changed good"): ("Opening", "Record(looked) OpenSite(full)"),
    ("Refused, waiting", "Changed good, inside"): ("Inside", "Record(looked) Record(entered)"),
    ("Refused, waiting", "Changed weak"): ("Refused", ""),
    ("Refused, waiting", "LookLost"): ("Refused", ""),
    ("Service, setting up", "Asked"): ("Service", "Look"),
    ("Service, setting up", "Asked, emergency"): ("Service", "Look"),
    ("Service, setting up", "Opened"): ("Service", "Record(opened) FetchPolicy"),
    ("Service, setting up", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service, setting up", "Withdrawn"): ("Closing", "CloseSite"),
    ("Service, setting up", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service, setting up", "PolicyChanged"): ("Service", "Look"),
    ("Service, setting up", "Closed"): ("Refused", "Tell Record(problem)"),
    ("Service", "Asked"): ("Service", "Look"),
    ("Service", "Asked, emergency"): ("Service", "Look"),
    ("Service", "Opened"): ("Service", "Record(opened) FetchPolicy"),
    ("Service", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service", "Withdrawn"): ("Closing", "CloseSite"),
    ("Service", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service", "PolicyChanged"): ("Service", "Look"),
    ("Service", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Service, asking", "Asked"): ("Service", "Look"),
    ("Service, asking", "Asked, emergency"): ("Service", "Look"),
    ("Service, asking", "Looked good"): ("Closing", "CloseSite Record(looked)"),
    ("Service, asking", "Looked good, inside"): ("Closing", "CloseSite Record(looked)"),
    ("Service, asking", "Looked bad"): ("Service", "Record(looked) Record(refused) Tell"),
    ("Service, asking", "Looked weak"): ("Service", "Record(looked) Record(refused) Tell"),
    ("Service, asking", "Opened"): ("Service", "Record(opened) FetchPolicy"),
    ("Service, asking", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service, asking", "Withdrawn"): ("Closing", "CloseSite"),
    ("Service, asking", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service, asking", "PolicyChanged"): ("Service", "Look"),
    ("Service, asking", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Service, waiting", "Asked"): ("Service", "Look"),
    ("Service, waiting", "Asked, emergency"): ("Service", "Look"),
    ("Service, waiting", "Opened"): ("Service", "Record(opened) FetchPolicy"),
    ("Service, waiting", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service, waiting", "Withdrawn"): ("Closing", "CloseSite"),
    ("Service, waiting", "Changed good"): ("Closing", "CloseSite Record(looked)"),
    ("Service, waiting", "Changed good, inside"): ("Closing", "CloseSite Record(looked)"),
    ("Service, waiting", "Changed weak"): ("Service", ""),
    ("Service, waiting", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Service, waiting", "PolicyChanged"): ("Service", "Look"),
    ("Service, waiting", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Opening", "Opened"): ("Open", "Record(opened)"),
    ("Opening", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Opening", "Withdrawn"): ("Closing", "CloseSite"),
    ("Opening", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Opening", "Changed bad, inside"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Opening", "Changed weak"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Opening", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Opening", "Closed"): ("Refused", "Tell Record(problem)"),
    ("Opening, emergency", "Opened"): ("Emergency", "Record(opened) Record(emergency-opened)"),
    ("Opening, emergency", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Opening, emergency", "Withdrawn"): ("Closing", "CloseSite"),
    ("Opening, emergency", "Changed good"): ("Opening", "Record(looked)"),
    ("Opening, emergency", "Changed good, inside"): ("Opening", "Record(looked)"),
    ("Opening, emergency", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Opening, emergency", "Changed bad, inside"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Opening, emergency", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Opening, emergency", "Closed"): ("Refused", "Tell Record(problem)"),
    ("Open", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open", "Withdrawn"): ("Closing", "CloseSite"),
    ("Open", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open", "Changed bad, inside"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open", "Changed weak"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Open, counting", "Failed"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open, counting", "Withdrawn"): ("Closing", "CloseSite"),
    ("Open, counting", "Changed good"): ("Open", "Record(looked) Tell"),
    ("Open, counting", "Changed good, inside"): ("Open", "Record(looked) Tell"),
    ("Open, counting", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open, counting", "Changed bad, inside"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open, counting", "Changed weak"): ("Closing", "CloseSite Tell Record(refused) Record(looked)"),
    ("Open, counting", "LookLost"): ("Closing", "CloseSite Tell Record(problem)"),
    ("Open, counting", "Closed"): ("Refused", "Tell Record(problem) Record(closed)"),
    ("Emergency", "Failed"): ("Closing", "CloseSite Tell Record(problem) Record(emergency-closed)"),
    ("Emergency", "Withdrawn"): ("Closing", "CloseSite Record(emergency-closed)"),
    ("Emergency", "Changed good"): ("Emergency", "Record(looked) Tell"),
    ("Emergency", "Changed good, inside"): ("Emergency", "Record(looked) Tell"),
    ("Emergency", "Changed bad"): ("Closing", "CloseSite Tell Record(refused) Record(emergency-closed) Record(looked)"),
    ("Emergency", "Changed bad, inside"): (
        "Closing",
        "CloseSite Tell Record(refused) Record(emergency-closed) Record(looked)",
    ),
    ("Emergency", "LookLost"): ("Closing", "CloseSite Tell Record(problem) Record(emergency-closed)"),
    ("Emergency", "Closed"): ("Refused", "Tell Record(problem) Record(emergency-closed) Record(closed)"),
    ("Closing, asked", "Withdrawn"): ("Closing", ""),
    ("Closing, asked", "Closed"): ("Idle", "Record(closed)"),
    ("Closing, failed", "Withdrawn"): ("Closing", ""),
    ("Closing, failed", "Closed"): ("Refused", "Record(closed)"),
    ("Closing, cut", "Withdrawn"): ("Closing", ""),
    ("Closing, cut", "Changed good"): ("Closing", "Record(looked)"),
    ("Closing, cut", "Changed good, inside"): ("Closing", "Record(looked)"),
    ("Closing, cut", "Changed weak"): ("Closing", ""),
    ("Closing, cut", "LookLost"): ("Closing", ""),
    ("Closing, cut", "Closed"): ("Service", "Record(closed) OpenSite(service)"),
    ("Closing, healed", "Withdrawn"): ("Closing", ""),
    ("Closing, healed", "Changed good, inside"): ("Closing", ""),
    ("Closing, healed", "Changed bad"): ("Closing", "Record(looked) Record(refused) Tell"),
    ("Closing, healed", "Changed bad, inside"): ("Closing", "Record(looked) Record(refused) Tell"),
    ("Closing, healed", "Changed weak"): ("Closing", "Record(looked) Record(refused) Tell"),
    ("Closing, healed", "LookLost"): ("Closing", "Tell Record(problem)"),
    ("Closing, healed", "Closed"): ("Opening", "Record(closed) OpenSite(full)"),
    ("Closing, healed inside", "Withdrawn"): ("Closing", ""),
    ("Closing, healed inside", "Changed good"): ("Closing", ""),
    ("Closing, healed inside", "Changed bad"): ("Closing", "Record(looked) Record(refused) Tell"),
    ("Closing, healed inside", "Changed bad, inside"): ("Closing", "Record(looked) Record(refused) Tell"),
    ("Closing, healed inside", "Changed weak"): ("Closing", "Record(looked) Record(refused) Tell"),
    ("Closing, healed inside", "LookLost"): ("Closing", "Tell Record(problem)"),
    ("Closing, healed inside", "Closed"): ("Inside", "Record(closed) Record(entered)"),
}


@pytest.mark.parametrize(("state", "event"), list(product(STATES, EVENTS)))
def test_every_state_meets_every_event_as_the_table_says(state: str, event: str):
    after, effects = step(STATES[state], EVENTS[event], now=20.0)
    name, expected = TABLE.get((state, event), DENIED if is_denied(state, event) else STAY)
    assert " ".join(map(told, effects)) == expected
    if name == "=":
        assert after == STATES[state]
    else:
        assert type(after).__name__ == name


def is_denied(state: str, event: str) -> bool:
    if event == "Asked for another":
        return not state.startswith(FREE)
    return event.startswith("Asked") and not state.startswith((*FREE, "Service"))


def test_the_table_covers_every_kind_of_state_and_event():
    assert {type(state) for state in STATES.values()} == set(get_args(gate.State))
    assert {type(event) for event in EVENTS.values()} == set(get_args(gate.Event))


def test_a_warning_is_told_and_the_site_opens():
    state, effects = step(STATES["Looking"], Looked(LOOK, WARNED), now=20.0)
    assert state == Opening(WISH, WARNED)
    assert effects[1:] == (Tell(WARNED.warnings), OpenSite("main", 1000))


def test_a_cut_tells_its_reasons_at_once_and_keeps_them_until_the_site_is_closed():
    closing, effects = step(Open(PLAIN, GOOD, 2.0), Changed(BAD), now=5.0)
    assert effects[:2] == (CloseSite("main", CloseReason.POSTURE), Tell(BAD.refusals))
    refused, effects = step(closing, Closed(3, 4), now=7.0)
    assert refused == Refused(PLAIN, BAD.refusals)
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
    assert step(closing, Closed(), now=4.0) == (Refused(WISH, (LOST,)), ())


@pytest.mark.parametrize("name", [name for name in STATES if name.startswith("Closing")])
def test_what_could_not_be_put_back_stands_in_the_way_until_somebody_knows_of_it(name: str):
    left = problem("network.left", "rules: no")
    state = STATES[name]
    refused, effects = step(state, Closed(3, 4, left), now=4.0)
    assert refused == Refused(replace(state.wish, back=None), (*state.reasons, left))
    assert effects[1:] == (Tell((left,)), Record(events.ProblemMet("network.left", "main")))


def test_the_answer_to_an_overtaken_look_counts_for_nothing():
    looking, (first,) = step(Idle(), Asked(WISH), now=1.0)
    idle, _ = step(looking, Withdrawn(), now=2.0)
    again, (second,) = step(idle, Asked(replace(WISH, uid=2000)), now=3.0)
    assert step(again, Looked(first, GOOD), now=4.0) == (again, ())
    assert isinstance(step(again, Looked(second, GOOD), now=4.0)[0], Opening)


def test_a_look_that_takes_too_long_refuses():
    looking, _ = step(Idle(), Asked(WISH), now=1.0)
    assert deadline(looking) == 11.0
    assert step(looking, Tick(), now=10.9) == (looking, ())
    refused, _ = step(looking, Tick(), now=11.0)
    assert refused.reasons[0].code == "look.lost"


def test_the_same_findings_again_are_neither_recorded_nor_told():
    again = Verdict(GOOD.findings, 50.0)
    for name in ("Open", "Inside"):
        state, effects = step(STATES[name], Changed(again, inside=True), now=50.0)
        assert state.verdict == again
        assert effects == ()


def test_a_process_that_came_and_went_unread_is_no_news():
    missed = Verdict((replace(GOOD.findings[0], evidence=events.Evidence(vanished=3)),), 2.0)
    after, effects = step(Open(WISH, GOOD, 2.0), Changed(missed), now=20.0)
    assert effects == ()
    assert after == Open(WISH, missed, 2.0)


# Inside.


def test_inside_nothing_is_opened_and_leaving_looks_again_only_where_the_wish_comes_back():
    inside, effects = step(STATES["Looking"], Looked(LOOK, GOOD, inside=True), now=20.0)
    assert inside == Inside(WISH, GOOD)
    assert not [effect for effect in effects if isinstance(effect, OpenSite)]
    looking, effects = step(inside, Changed(GOOD), now=30.0)
    assert looking == Looking(replace(WISH, back=630.0), Look("main", 1000, 30.0))
    assert effects == (Record(events.Left("main", 1000)), looking.look)
    plain = Inside(PLAIN, GOOD)
    assert step(plain, Changed(GOOD), now=30.0) == (Idle(), (Record(events.Left("main", 1000)),))


def test_whoever_leaves_and_is_on_no_network_for_a_while_is_let_in_by_the_next_one():
    inside, _ = step(STATES["Looking"], Looked(LOOK, GOOD, inside=True), now=20.0)
    looking, (_, look) = step(inside, Changed(GOOD), now=30.0)
    opening, _ = step(looking, Looked(look, GOOD), now=30.1)
    closing, _ = step(opening, Failed(problem("gateway.unresolved")), now=30.2)
    refused, _ = step(closing, Closed(), now=30.3)
    assert is_watched(refused)
    _, effects = step(refused, Changed(GOOD), now=300.0)
    assert effects[-1] == OpenSite("main", 1000)
    assert isinstance(step(refused, Changed(GOOD, inside=True), now=300.0)[0], Inside)
    blind, _ = step(looking, LookLost("gone"), now=30.1)
    assert not is_watched(blind)


def test_a_tunnel_that_is_open_stays_open_where_the_laptop_comes_to_stand_inside():
    """Nothing that it carries is cut for the place: it is never wrong, and whoever stays may connect anew."""
    for name in ("Opening", "Open", "Emergency"):
        state = STATES[name]
        assert step(state, Changed(state.verdict, inside=True), now=20.0) == (state, ())


def test_where_the_machine_stands_is_asked_only_while_it_decides_what_is_entered():
    matters = {name for name, state in STATES.items() if where_matters(state)}
    looked_at = {"Looking", "Looking, granted nothing", "Looking, emergency", "Inside", "Inside, granted nothing"}
    waiting = {"Refused, waiting", "Service, asking", "Service, waiting", "Closing, cut"}
    assert matters == looked_at | waiting | {"Closing, healed", "Closing, healed inside"}


def test_inside_the_same_checks_refuse_but_there_is_nothing_to_close():
    refused, effects = step(STATES["Inside"], Changed(BAD, inside=True), now=20.0)
    assert refused == Refused(replace(WISH, back=620.0, cuts=(20.0,)), BAD.refusals)
    assert " ".join(map(told, effects)) == "Record(looked) Record(refused) Tell"
    refused, effects = step(STATES["Looking"], Looked(LOOK, BAD, inside=True), now=20.0)
    assert refused == Refused(WISH, BAD.refusals)
    assert not [effect for effect in effects if isinstance(effect, OpenSite)]


# Service.


def test_a_refused_machine_reaches_what_heals_it_for_a_time_and_asks_for_a_newer_policy():
    service, effects = step(STATES["Looking"], Looked(LOOK, BAD), now=20.0)
    assert service == Service(WISH, BAD.refusals, until=920.0)
    assert effects[-1] == OpenSite("main", 1000, Reach.SERVICE)
    service, effects = step(service, Opened(RECORD), now=21.0)
    assert effects == (Record(RECORD), FetchPolicy(URL))
    assert deadline(service) == 81.0
    service, effects = step(service, Tick(), now=81.0)
    assert (effects, deadline(service)) == ((FetchPolicy(URL),), 141.0)
    service = replace(service, fetch_at=1e9)
    assert deadline(service) == 920.0
    closing, effects = step(service, Tick(), now=920.0)
    assert effects == (CloseSite("main", CloseReason.TIME),)
    refused, _ = step(closing, Closed(), now=921.0)
    assert refused == Refused(WISH, BAD.refusals)


def test_without_an_address_no_policy_is_asked_for():
    service = Service(Wish("main", 1000, Terms(900.0)), BAD.refusals, 900.0)
    after, effects = step(service, Opened(RECORD), now=20.0)
    assert effects == (Record(RECORD),)
    assert deadline(after) == 900.0


def test_a_good_new_policy_opens_the_site_without_anybody_asking():
    asking, (look,) = step(STATES["Service"], PolicyChanged(Terms(comes_back=5.0)), now=30.0)
    closing, effects = step(asking, Looked(look, GOOD), now=30.1)
    assert effects[0] == CloseSite("main", CloseReason.HEALED)
    assert is_watched(closing)
    opening, effects = step(closing, Closed(1, 2), now=30.2)
    assert opening == Opening(replace(WISH, terms=Terms(comes_back=5.0)), GOOD)
    assert effects[-1] == OpenSite("main", 1000, Reach.FULL)


def test_a_new_policy_that_refuses_too_leaves_the_narrow_way_and_tells_why():
    asking, (look,) = step(STATES["Service"], PolicyChanged(WISH.terms), now=30.0)
    after, effects = step(asking, Looked(look, WEAK), now=30.1)
    assert after == replace(STATES["Service"], reasons=WEAK.refusals)
    assert effects[-1] == Tell(WEAK.refusals)
    assert step(after, Looked(look, GOOD), now=30.2) == (after, ())


def test_what_fails_on_the_way_from_service_to_open_opens_nothing():
    for event, code in ((Changed(WEAK), "wifi.trust"), (LookLost("gone"), "look.lost")):
        closing, _ = step(STATES["Closing, healed"], event, now=20.0)
        refused, effects = step(closing, Closed(), now=21.0)
        assert isinstance(refused, Refused)
        assert [getattr(one, "check", getattr(one, "code", "")) for one in refused.reasons] == [code]
        assert not [effect for effect in effects if isinstance(effect, OpenSite)]
    closing, _ = step(STATES["Closing, healed"], Withdrawn(), now=20.0)
    assert isinstance(step(closing, Closed(), now=21.0)[0], Idle)


def test_a_problem_is_never_served():
    for event in (LookLost("gone"), Failed(LOST), Tick()):
        refused, effects = step(STATES["Looking"], event, now=30.0)
        assert isinstance(refused, Refused)
        assert not [effect for effect in effects if isinstance(effect, OpenSite)]
    closing, _ = step(STATES["Open"], Failed(problem("gateway.identity")), now=30.0)
    assert isinstance(step(closing, Closed(), now=31.0)[0], Refused)


def test_a_narrow_way_that_fails_leaves_the_machine_refused_for_its_own_reasons():
    closing, _ = step(STATES["Service, setting up"], Failed(problem("gateway.unreachable")), now=30.0)
    assert step(closing, Closed(), now=31.0) == (Refused(WISH, BAD.refusals), ())


def test_a_look_beside_the_narrow_way_that_takes_too_long_closes_it():
    asking, _ = step(STATES["Service"], Asked(WISH), now=30.0)
    assert deadline(asking) == 40.0
    closing, effects = step(asking, Tick(), now=40.0)
    assert effects[0] == CloseSite("main", CloseReason.LOOK_LOST)
    assert [reason.code for reason in closing.reasons] == ["look.lost"]


def test_whoever_disconnects_is_not_served_afterwards():
    for name in ("Closing, cut", "Service", "Open"):
        state, _ = step(STATES[name], Withdrawn(), now=20.0)
        after, effects = step(state, Closed(), now=21.0)
        assert isinstance(after, Idle | Refused)
        assert not is_watched(after)
        assert not [effect for effect in effects if isinstance(effect, OpenSite)]


def test_a_look_that_is_lost_while_it_closes_is_not_served_either():
    cured, _ = step(STATES["Closing, cut"], Changed(GOOD), now=20.0)
    blind, effects = step(cured, LookLost("gone"), now=20.5)
    assert effects[0] == Tell(blind.reasons)
    assert step(blind, Closed(), now=21.0)[0] == Refused(WISH, blind.reasons)


# Emergency.


def test_an_emergency_passes_over_what_the_policy_lets_pass_and_is_recorded_with_it():
    opening, effects = step(STATES["Looking, emergency"], Looked(LOOK, WEAK), now=20.0)
    assert opening == Opening(WISH, WEAK, PLEA)
    assert effects[1:] == (Tell(WEAK.refusals), OpenSite("main", 1000, Reach.EMERGENCY))
    emergency, effects = step(opening, Opened(RECORD), now=21.0)
    assert emergency == Emergency(WISH, WEAK, PLEA, 21.0, 3621.0)
    checks = (WEAK.findings[0].result,)
    assert effects == (Record(RECORD), Record(events.EmergencyOpened("main", 1000, "patient", checks, 3600.0)))


def test_an_emergency_passes_over_nothing_else():
    both = Verdict(WEAK.findings + BAD.findings, 1.0)
    for verdict in (BAD, both):
        refused, effects = step(STATES["Looking, emergency"], Looked(LOOK, verdict), now=20.0)
        assert isinstance(refused, Service)
        assert OpenSite("main", 1000, Reach.EMERGENCY) not in effects
    refused, _ = step(STATES["Looking, emergency"], LookLost("gone"), now=20.0)
    assert isinstance(refused, Refused)


def test_a_machine_that_passes_needs_no_emergency():
    opening, _ = step(STATES["Looking, emergency"], Looked(LOOK, GOOD), now=20.0)
    assert opening == Opening(WISH, GOOD)


def test_an_emergency_ends_by_itself_and_says_so():
    emergency = STATES["Emergency"]
    assert deadline(emergency) == 3602.0
    assert step(emergency, Tick(), now=3601.9) == (emergency, ())
    closing, effects = step(emergency, Tick(), now=3602.0)
    assert effects[0] == CloseSite("main", CloseReason.TIME)
    assert Record(events.EmergencyClosed("main", 1000, "patient", CloseReason.TIME, 3600.0)) in effects
    refused, _ = step(closing, Closed(), now=3603.0)
    assert [reason.code for reason in refused.reasons] == ["emergency.over"]
    assert not is_watched(refused)


def test_something_worse_cuts_an_emergency_as_usual():
    closing, effects = step(STATES["Emergency"], Changed(Verdict(WEAK.findings + BAD.findings, 1.0)), now=20.0)
    assert effects[0] == CloseSite("main", CloseReason.POSTURE)
    assert closing.reasons == BAD.refusals
    counting, _ = step(STATES["Emergency"], Changed(Verdict(WEAK.findings + COUNTING.findings, 1.0)), now=20.0)
    assert deadline(counting) == 50.0
    closing, _ = step(counting, Tick(), now=50.0)
    assert closing.reasons == COUNTING.refusals


def test_an_emergency_can_be_asked_for_out_of_service():
    asking, (look,) = step(STATES["Service"], Asked(WISH, PLEA), now=30.0)
    closing, effects = step(asking, Looked(look, WEAK), now=30.1)
    assert effects[0] == CloseSite("main", CloseReason.HEALED)
    still, _ = step(closing, Changed(Verdict(WEAK.findings, 30.2)), now=30.2)
    opening, effects = step(still, Closed(), now=30.3)
    assert effects[-1] == OpenSite("main", 1000, Reach.EMERGENCY)
    assert isinstance(opening, Opening)


# Back by itself.


def test_what_was_cut_comes_back_by_itself_once_cured_in_time():
    wish = Wish("main", 1000, Terms(comes_back=600.0))
    closing, _ = step(Open(wish, GOOD, 2.0), Changed(BAD), now=20.0)
    refused, _ = step(closing, Closed(), now=21.0)
    assert refused == Refused(replace(wish, back=620.0, cuts=(20.0,)), BAD.refusals)
    assert (deadline(refused), is_watched(refused)) == (620.0, True)
    opening, effects = step(refused, Changed(GOOD), now=300.0)
    assert effects[-1] == OpenSite("main", 1000)
    opened, _ = step(opening, Opened(RECORD), now=301.0)
    assert opened == Open(replace(wish, cuts=(20.0,)), GOOD, 301.0)
    late, _ = step(refused, Tick(), now=620.0)
    assert (late, is_watched(late)) == (Refused(replace(wish, cuts=(20.0,)), BAD.refusals), False)
    assert step(late, Changed(GOOD), now=621.0) == (late, ())


def test_what_was_refused_at_connect_or_failed_never_comes_back():
    wish = Wish("main", 1000, Terms(comes_back=600.0))
    refused, _ = step(Looking(wish, LOOK), Looked(LOOK, BAD), now=20.0)
    assert not is_watched(refused)
    for event in (Failed(LOST), LookLost("gone"), Withdrawn()):
        closing, _ = step(Open(wish, GOOD, 2.0), event, now=20.0)
        assert not is_watched(closing)
        assert not is_watched(step(closing, Closed(), now=21.0)[0])


def test_while_it_waits_it_tells_what_stands_in_the_way_now():
    refused, _ = step(STATES["Refused, waiting"], Changed(WEAK), now=20.0)
    assert refused == Refused(BACK, WEAK.refusals)


def test_a_cure_that_comes_while_it_closes_is_not_lost():
    wish = Wish("main", 1000, Terms(comes_back=600.0))
    closing, _ = step(Open(wish, GOOD, 2.0), Changed(BAD), now=20.0)
    cured, _ = step(closing, Changed(GOOD), now=20.5)
    assert isinstance(step(cured, Closed(), now=21.0)[0], Opening)
    worse, _ = step(cured, Changed(WEAK), now=20.6)
    assert step(worse, Closed(), now=21.0)[0].reasons == WEAK.refusals


def test_a_machine_that_flaps_must_pause():
    state = Open(Wish("main", 1000, Terms(comes_back=2 * RETURNS_WITHIN)), GOOD, 0.0)
    for number in range(MOST_RETURNS + 1):
        assert isinstance(state, Open)
        closing, _ = step(state, Changed(BAD), now=number + 0.1)
        refused, _ = step(closing, Closed(), now=number + 0.2)
        opening, _ = step(refused, Changed(GOOD), now=number + 0.3)
        state, _ = step(opening, Opened(RECORD), now=number + 0.4)
    assert state == refused
    again, _ = step(refused, Changed(GOOD), now=RETURNS_WITHIN + 0.1)
    assert isinstance(again, Opening)


def test_a_machine_that_fails_whenever_it_comes_up_flaps_too():
    state: gate.State = Refused(Wish("main", 1000, Terms(comes_back=100.0), back=100.0), BAD.refusals)
    for number in range(MOST_RETURNS + 1):
        opening, _ = step(state, Changed(GOOD), now=number + 0.1)
        assert isinstance(opening, Opening)
        closing, _ = step(opening, Changed(BAD), now=number + 0.2)
        state, _ = step(closing, Closed(), now=number + 0.3)
    assert step(state, Changed(GOOD), now=50.0) == (state, ())
    assert state.wish.back == 100.0


def test_a_network_that_comes_up_slowly_uses_no_return_up():
    """Wi-Fi is joined before it has an address: each try until then ends at once, and its own interface is news."""
    state: gate.State = Refused(BACK, BAD.refusals)
    for number in range(3 * MOST_RETURNS):
        now = 20.0 + number * PAUSE
        opening, _ = step(state, Changed(GOOD), now)
        assert isinstance(opening, Opening)
        closing, _ = step(opening, Failed(problem("gateway.unresolved")), now)
        assert step(closing, Changed(GOOD), now + 0.1) == (closing, ())
        state, _ = step(closing, Closed(), now + 0.2)
        assert step(state, Changed(GOOD), now + 0.3) == (state, ())


def test_a_network_that_is_not_up_yet_takes_no_wish_away_that_waits_to_come_back():
    opening = Opening(BACK, GOOD)
    for code, waits in (("gateway.unresolved", True), ("gateway.identity", False)):
        closing, _ = step(opening, Failed(problem(code)), now=20.0)
        refused, _ = step(closing, Closed(), now=21.0)
        assert is_watched(refused) is waits
    cut, _ = step(opening, Changed(BAD), now=20.0)
    assert step(cut, Closed(), now=21.0)[0].wish.back == 100.0


# Whatever happens.


verdicts = st.sampled_from(
    [
        GOOD,
        GOOD,
        BAD,
        WEAK,
        WARNED,
        COUNTING,
        LATER,
        *(Verdict(WEAK.findings + one.findings, 2.0) for one in (BAD, COUNTING)),
    ]
)
grants = st.builds(Terms, st.sampled_from([None, 60.0]), st.sampled_from([None, URL]), st.sampled_from([0.0, 120.0]))
wishes = st.builds(Wish, st.sampled_from(["main", "other"]), st.integers(0, 3), grants)
asked = st.builds(Asked, wishes, st.sampled_from([None, replace(PLEA, seconds=45.0)]))
looked = st.builds(Looked, st.just(LOOK), verdicts, st.booleans())
changed = st.builds(Changed, verdicts, st.booleans())
closed = st.builds(Closed, st.integers(0, 9), st.integers(0, 9), st.sampled_from([None, None, problem("network.left")]))
any_event = st.one_of(
    asked,
    looked,
    changed,
    closed,
    st.just(Opened(RECORD)),
    st.sampled_from([Failed(LOST), Failed(problem("gateway.unresolved"))]),
    st.builds(Withdrawn, st.sampled_from(CloseReason)),
    st.builds(LookLost, st.text(max_size=5)),
    st.builds(PolicyChanged, grants),
    st.just(Tick()),
)


def likely(state: gate.State) -> st.SearchStrategy[gate.Event]:
    """What a machine in this state mostly meets; without it, few random lives would ever get far."""
    match state:
        case Looking() | Service(asking=Looking()):
            return looked
        case Opening() | Service(since=None):
            return st.just(Opened(RECORD))
        case Closing():
            return closed | changed
        case Service():
            return changed | asked | st.builds(PolicyChanged, grants)
        case Open() | Emergency() | Inside() | Refused(wish=Wish(back=float())):
            return changed
        case _:
            return asked


class Machine:
    """What the daemon would hold: at most one tunnel, and the looks that were asked for."""

    def __init__(self) -> None:
        self.state: gate.State = Idle()
        self.tunnel: tuple[str, Reach] | None = None
        self.looks: list[Look] = [LOOK]

    def happens(self, event: gate.Event, now: float) -> None:
        match event, self.tunnel:
            case Looked(), _:
                event = replace(event, look=self.looks[-1])
            case Opened(), ("opening", reach):
                self.tunnel = ("open", reach)
            case Closed(), (_, _):
                self.tunnel = None
            case ((Opened() | Closed()), _):
                return  # there is nobody who could say so
        before = self.state
        self.state, effects = step(before, event, now)
        for number, effect in enumerate(effects):
            self.carry_out(number, effect)
        if isinstance(event, Asked):
            assert [effect for effect in effects if isinstance(effect, Look | Deny)]
        if isinstance(event, Changed) and any(isinstance(effect, OpenSite) for effect in effects):
            assert len([at for at in self.state.wish.cuts if now - at < RETURNS_WITHIN]) <= MOST_RETURNS
        if isinstance(event, Changed) and isinstance(before, Open) and event.verdict.cut is Cut.NOW:
            assert isinstance(effects[0], CloseSite)
        self.is_as_it_must_be(now)

    def carry_out(self, number: int, effect: gate.Effect) -> None:
        match effect:
            case OpenSite(reach=reach):
                assert self.tunnel is None
                self.tunnel = ("opening", reach)
            case CloseSite():
                assert number == 0
                assert self.tunnel is not None
                assert self.tunnel[0] != "closing"
                self.tunnel = ("closing", self.tunnel[1])
            case Look():
                self.looks.append(effect)
            case FetchPolicy():
                assert self.tunnel == ("open", Reach.SERVICE)
            case Record(event):
                events.line(event, 0.0, 0)

    def is_as_it_must_be(self, now: float) -> None:
        state = self.state
        match state:
            case Idle() | Looking() | Refused() | Inside():
                assert self.tunnel is None
            case Service():
                assert self.tunnel in (("opening", Reach.SERVICE), ("open", Reach.SERVICE))
                assert all(isinstance(reason, Finding) for reason in state.reasons)
            case Opening():
                assert self.tunnel == ("opening", state.reach)
                assert gate.standing(state.verdict, state.plea).allows
            case Open():
                assert self.tunnel == ("open", Reach.FULL)
                assert (state.verdict.cut is Cut.COUNTDOWN) == (state.cut_at is not None)
                assert state.verdict.cut is not Cut.NOW
            case Emergency():
                assert self.tunnel == ("open", Reach.EMERGENCY)
                assert state.until - state.since == state.plea.seconds
                assert gate.standing(state.verdict, state.plea).cut is not Cut.NOW
            case Closing():
                assert self.tunnel is not None
                assert self.tunnel[0] == "closing"
        if isinstance(state, Refused | Service):
            assert state.reasons
        if not isinstance(state, Idle):
            assert len(state.wish.cuts) <= MOST_RETURNS + 1


@given(st.data())
def test_whatever_happens_nothing_carries_packets_but_what_the_last_verdict_lets(data):
    machine, now = Machine(), 0.0
    for _ in range(40):
        event = data.draw(any_event if data.draw(st.integers(0, 3)) == 3 else likely(machine.state))
        now += data.draw(st.sampled_from([0.0, 1.0, 1.0, 7.0, 50.0]))
        while (due := deadline(machine.state)) is not None and due <= now:
            before = machine.state
            machine.happens(Tick(), now)
            assert machine.state != before, "a deadline that nothing answers would come for ever"
        machine.happens(event, now)
        assert not isinstance(machine.state, Emergency | Service) or now < machine.state.until


@given(st.sampled_from(sorted(STATES)), st.floats(0, 1e6))
def test_the_last_word_of_a_lost_look_is_never_open(state: str, now: float):
    after, _ = step(STATES[state], LookLost("gone"), now)
    assert not isinstance(after, Open | Opening | Looking | Emergency | Inside | Service)
