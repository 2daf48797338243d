"""Asks the service one thing for a command, and tells in what shape it may be refused; the exit codes are here.

It knows no command's words.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import TypeVar

from agent.cli import show
from agent.cli.arguments import Wish
from agent.cli.screen import TICK, Screen
from agent.control.client import ControlError, Conversation, foreign
from agent.control.messages import Done, Networks, Readiness, Refused, Reply, Report, Request, Status, Step
from agent.problems import problem

Expected = TypeVar("Expected", Done, Status, Report, Readiness, Networks)


class Exit(IntEnum):
    """The exit codes; they are stable."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    REFUSED = 3
    FAILED = 4
    NOT_PERMITTED = 5
    NO_SERVICE = 6
    NOT_CONNECTED = 7


def answer(
    kind: type[Expected],
    request: Request,
    patience: float,
    wish: Wish,
    screen: Screen,
    step: Callable[[Step], None] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Expected | Refused:
    """Await the reply that ends a request, telling the steps before it."""
    for _, reply in zip(range(MOST_REPLIES), replies(wish.socket, request, patience, tick), strict=False):
        screen.reply(reply)
        if isinstance(reply, kind | Refused):
            return reply
        if step is None or not isinstance(reply, Step):
            raise foreign(f"'{reply.name}' is no answer to '{request.name}'")
        step(reply)
    raise foreign("it comes to no end")


def replies(
    path: str, request: Request, patience: float | None, tick: Callable[[], None] = lambda: None
) -> Iterator[Reply]:
    """Yield the replies to a request; the first is awaited briefly in any case when it is a `Watch`."""
    with Conversation(path, request) as conversation:
        silent_since, heard = time.monotonic(), False
        while True:
            reply = conversation.next_reply(TICK)
            limit = patience if heard or patience is not None else QUICK
            if reply is not None:
                silent_since, heard = time.monotonic(), True
                yield reply
            elif limit is not None and time.monotonic() - silent_since >= limit:
                raise ControlError(problem("daemon.silent"))
            else:
                tick()


def refused(told: Refused, wish: Wish, screen: Screen) -> Exit:
    """Tell a refusal, and give the exit code for it."""
    connecting = wish.command in CONNECTING
    screen.complain(show.refusal(told, connecting, wish.language))
    for one in told.reasons:
        if one.code in CODES:
            return CODES[one.code]
    if told.by == "posture":
        return Exit.REFUSED
    return Exit.FAILED if connecting else Exit.INTERNAL


def complain(error: ControlError, wish: Wish, screen: Screen) -> Exit:
    """Tell that the service could not be asked, or broke off."""
    told = show.as_refusal(error.problem)
    screen.reply(told)
    return refused(told, wish, screen)


CONNECTING = ("connect", "emergency")
CODES: Mapping[str, Exit] = {
    "control.refused": Exit.NOT_PERMITTED,
    "emergency.off": Exit.NOT_PERMITTED,
    "emergency.denied": Exit.NOT_PERMITTED,
    "emergency.reason": Exit.USAGE,
    "registration.title": Exit.USAGE,
    "registration.unknown": Exit.USAGE,
    "registration.unclear": Exit.USAGE,
    "registration.off": Exit.NOT_PERMITTED,
    **dict.fromkeys(
        (
            "registration.no_wifi",
            "registration.several",
            "registration.unseen",
            "registration.nameless",
            "registration.open",
            "registration.weak",
            "registration.known",
            "registration.full",
        ),
        Exit.REFUSED,
    ),
    "daemon.absent": Exit.NO_SERVICE,
    "daemon.lost": Exit.INTERNAL,
    "daemon.silent": Exit.INTERNAL,
    "daemon.foreign": Exit.INTERNAL,
    "control.malformed": Exit.INTERNAL,
}

# Our choices, in seconds: a gateway that answers late is retried for about a minute before the service gives up,
# and a report waits for those that asked before.
QUICK = 5.0
PATIENT = 20.0
SLOW = 120.0
MOST_REPLIES = 64
