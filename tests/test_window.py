"""Message ids, retransmission and the repeated answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ike.fragment import Collector
from ike.registry import ExchangeType
from ike.window import Pending, Place, Schedule, Window

SCHEDULE = Schedule()
INFORMATIONAL = ExchangeType.INFORMATIONAL


def asking(window: Window) -> Window:
    return window.asking(INFORMATIONAL, (b"request",), SCHEDULE, 10.0)


def test_waits_grow_by_half_from_half_a_second_and_stop_growing_at_five():
    waits = [SCHEDULE.wait(n) for n in range(1, 13)]
    assert waits[:4] == [0.5, 0.75, 1.125, 1.6875]
    assert waits[6:] == [5.0] * 6
    assert sum(waits) == pytest.approx(40.39, abs=0.01)


def test_a_request_is_sent_twelve_times_and_then_given_up():
    pending: Pending | None = Pending.first(0, INFORMATIONAL, (b"request",), SCHEDULE, 0.0)
    sent = 0
    while pending is not None:
        sent += 1
        assert pending.sent == sent
        pending = pending.again(pending.due)
    assert sent == 12


def test_the_next_request_of_the_peer_is_fresh_and_its_last_one_repeated():
    window = Window().answering((b"answer",))
    assert window.place(1, response=False) is Place.FRESH
    assert window.place(0, response=False) is Place.REPEATED


@pytest.mark.parametrize("ahead", [2, 3, 1000, 2**32 - 1])
def test_ids_ahead_are_strange(ahead: int):
    assert Window().answering((b"answer",)).place(ahead, response=False) is Place.STRANGE


def test_ids_long_past_are_strange():
    window = Window().answering((b"first",)).answering((b"second",))
    assert window.place(0, response=False) is Place.STRANGE


def test_nothing_is_repeated_before_anything_was_answered():
    assert Window(theirs=1).place(0, response=False) is Place.STRANGE


def test_an_answer_is_taken_only_for_the_request_that_waits():
    assert Window().place(0, response=True) is Place.STRANGE
    window = asking(Window())
    assert window.place(0, response=True) is Place.ANSWER
    assert window.place(1, response=True) is Place.STRANGE
    assert window.settled().place(0, response=True) is Place.STRANGE


def test_each_request_of_ours_has_the_next_id():
    window = asking(asking(Window()).settled())
    assert (window.ours, window.pending.message_id) == (2, 1) if window.pending else False


def test_the_answer_kept_is_that_to_the_last_request():
    assert Window().answering((b"first",)).answering((b"second", b"piece")).answer == (b"second", b"piece")


def test_fragments_of_requests_and_answers_are_collected_apart():
    collector = Collector(total=2)
    window = Window().collecting(collector, response=True)
    assert (window.answers, window.requests) == (collector, Collector())


def test_a_window_shows_no_message_bytes():
    window = asking(Window().answering((b"\x99secret",)))
    assert "secret" not in repr(window)
    assert "request" not in repr(window.pending)


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 5), st.integers(0, 5))
def test_every_id_has_exactly_one_place(message_id: int, response: bool, ours: int, theirs: int):
    window = asking(Window(ours=ours, theirs=theirs, answer=(b"answer",)))
    place = window.place(message_id, response)
    assert (place is Place.ANSWER) == (response and message_id == ours)
    assert (place is Place.FRESH) == (not response and message_id == theirs)
