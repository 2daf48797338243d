"""Knows how the demo speaks to the person who watches: steps, commands as they are typed, what was seen, times.

Never measures anything that is reported elsewhere; its times are only for the eye.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.endpoint import Answer


@contextmanager
def step(number: int, title: str) -> Iterator[None]:
    """Head one step, and tell at its end what it took."""
    began = time.monotonic()
    print(f"\n{number}  {title}", flush=True)
    yield
    print(f"{'':{COLUMN}}{_took(began)}", flush=True)


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Tell what is being waited for before it is there, and what it took."""
    began = time.monotonic()
    line = f"   {what} ..."
    sys.stdout.write(line)
    sys.stdout.flush()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f"{'':{max(1, COLUMN - len(line))}}{_took(began)}", flush=True)


def did(what: str) -> None:
    """Tell what was done."""
    print(f"   {what}", flush=True)


def saw(what: str, value: object) -> None:
    """Tell one thing that was seen."""
    print(f"   -> {what}: {value}", flush=True)


def command(line: str, answer: Answer | None = None) -> None:
    """Show a command as it was typed, with all that it printed."""
    print(f"   $ {line}", flush=True)
    if answer is not None:
        for printed in (answer.output + answer.errors).splitlines():
            print(f"     {printed}", flush=True)


def _took(began: float) -> str:
    return f"{time.monotonic() - began:6.2f} s"


# Our choices
COLUMN = 78
