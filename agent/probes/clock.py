"""Whether the kernel's clock follows a time source and how far off it may be, as adjtimex(2) tells. It sets nothing."""

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass

from agent.posture.facts import Clock, Grade, Observed, Told, Unseen


@dataclass(frozen=True, slots=True)
class Discipline:
    """What the kernel keeps of its clock: the flags, and the largest error in microseconds."""

    status: int
    largest_error: int


def look_at_clock(boot: Callable[[], float], read: Callable[[], Discipline]) -> Observed[Clock] | Unseen:
    """Ask the kernel by `read`."""
    try:
        discipline = read()
    except OSError as error:
        return Unseen(f"the kernel did not tell about its clock ({error.strerror})", boot())
    return Observed(tell(discipline), Grade.ROOT, METHOD, boot())


def read_discipline() -> Discipline:
    """Call adjtimex(2) without a mode, so that it only reads; OSError where that is not allowed."""
    timex = Timex()
    if LIBC.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return Discipline(timex.status, timex.maxerror)


def tell(discipline: Discipline) -> Clock:
    """Say what it means; a time service may keep the error small without ever calling the clock synchronised."""
    known = discipline.largest_error < ERROR_UNKNOWN
    unsynchronised = Told.UNTOLD if known else Told.NO
    synchronised = unsynchronised if discipline.status & STA_UNSYNC else Told.YES
    return Clock(synchronised, discipline.largest_error / MICROSECONDS if known else None)


class Timex(ctypes.Structure):
    """The kernel's struct timex up to what is read here, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


LIBC = ctypes.CDLL(None, use_errno=True)

# Fixed by the kernel (linux/timex.h): it counts the error up to 16 s, where it gives up.
STA_UNSYNC = 0x0040
ERROR_UNKNOWN = 16_000_000
MICROSECONDS = 1_000_000

# Our choice.
METHOD = "adjtimex"
