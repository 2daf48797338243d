"""A gateway that dies while the laptop is connected, and one that never answers; the file sorts last, for it waits."""

from concurrent.futures import Future

import pytest

from tests.e2e.lonely import Lonely

pytestmark = pytest.mark.lab


def test_a_gateway_that_vanished_is_noticed_and_told(lonely: Future[Lonely]) -> None:
    story = lonely.result(100)
    assert story.lost.who == "network"
    assert story.lost_after < 20


def test_a_gateway_that_never_answers_is_given_up_within_a_minute_or_so(lonely: Future[Lonely]) -> None:
    story = lonely.result(100)
    assert story.unreachable.who == "network"
    assert story.unreachable_after < 70
