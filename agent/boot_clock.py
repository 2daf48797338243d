"""The clock that counts from boot and goes on while the machine sleeps; it says nothing of the date."""

import time


def boot_clock() -> float:
    """Tell the seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
