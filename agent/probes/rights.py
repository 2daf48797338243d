"""Giving up every right that looking does not need; it never gains one.

What cannot be given up from inside: user 0 keeps what root owns as its own files. Installed, the
program is therefore started as a user of its own with these three capabilities and nothing else.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from enum import IntEnum


class Capability(IntEnum):
    """The rights that a look needs (linux/capability.h)."""

    DAC_READ_SEARCH = 2
    NET_ADMIN = 12
    SYS_PTRACE = 19


def list_missing(wanted: Iterable[Capability]) -> tuple[Capability, ...]:
    """Tell which of the wanted rights this process does not have."""
    held = _read_effective()
    return tuple(capability for capability in wanted if not held >> capability & 1)


def keep_only(wanted: Iterable[Capability]) -> None:
    """Give up all other capabilities for good, and the way to new ones by running a program."""
    mask = sum(1 << capability for capability in wanted) & _read_effective()
    for capability in range(HIGHEST_CAPABILITY + 1):
        if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # without CAP_SETPCAP, or beyond the last that the kernel knows
    _demand(LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    _demand(LIBC.capset(HEADER, _pack_sets(mask)))
    _demand(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _read_effective() -> int:
    sets = ctypes.create_string_buffer(SETS.size)
    _demand(LIBC.capget(HEADER, sets))
    low, _, _, high, _, _ = SETS.unpack(sets.raw)
    return int(low | high << 32)


def _pack_sets(mask: int) -> bytes:
    low, high = mask & 0xFFFFFFFF, mask >> 32
    return SETS.pack(low, low, 0, high, high, 0)


def _demand(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


LIBC = ctypes.CDLL(None, use_errno=True)

# Fixed by the kernel (linux/prctl.h, linux/capability.h).
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
HEADER = struct.pack("=Ii", 0x20080522, 0)
SETS = struct.Struct("=6I")  # effective, permitted, inheritable of the low word, then of the high word
HIGHEST_CAPABILITY = 63
