"""The clock as adjtimex(2) tells it."""

import pytest

from agent.posture.facts import Clock, Told, Unseen
from agent.probes.clock import Discipline, look_at_clock, read_discipline, tell


@pytest.mark.parametrize(
    ("status", "error", "clock"),
    [
        (0x2001, 250_000, Clock(Told.YES, 0.25)),
        (0x0001, 16_000_000, Clock(Told.YES, None)),
        (0x0040, 16_000_000, Clock(Told.NO, None)),
        (0x2041, 30_000, Clock(Told.UNTOLD, 0.03)),
    ],
)
def test_what_the_kernel_keeps_of_its_clock_is_told(status: int, error: int, clock: Clock):
    assert tell(Discipline(status, error)) == clock


def test_the_real_kernel_answers():
    assert 0 <= read_discipline().largest_error <= 16_000_000


def test_a_kernel_that_may_not_be_asked_is_unseen():
    def refuse() -> Discipline:
        raise PermissionError(1, "Operation not permitted")

    seen = look_at_clock(lambda: 5.0, refuse)
    assert seen == Unseen("the kernel did not tell about its clock (Operation not permitted)", 5.0)
