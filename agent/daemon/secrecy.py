"""Keeps what is in the daemon's memory out of core dumps and away from debuggers of other users."""

import ctypes
import os
import resource


def forbid_core_dumps() -> None:
    """Make this process undumpable, also for a core handler behind a pipe, which no size limit stops."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "prctl")


# Fixed by the kernel (linux/prctl.h).
PR_SET_DUMPABLE = 4
