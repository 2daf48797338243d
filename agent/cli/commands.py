"""What each command asks of the service, how long it waits, and the exit code that tells the outcome."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from enum import IntEnum
from typing import TypeVar, get_args

from agent.cli import phrases, show
from agent.cli.arguments import STDOUT, Wish
from agent.cli.screen import TICK, Screen
from agent.control.client import ControlError, Conversation, foreign
from agent.control.messages import (
    AskReport,
    AskStatus,
    Connect,
    Disconnect,
    Done,
    Refused,
    Reply,
    Report,
    Request,
    Status,
    Step,
    StepName,
    Watch,
    Why,
)
from agent.problems import problem

Expected = TypeVar("Expected", Done, Status, Report)


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


def connect(wish: Wish, screen: Screen) -> Exit:
    """Open a site, telling each step; Ctrl-C takes the request back."""
    try:
        return _connect(wish, screen)
    except KeyboardInterrupt:
        return _stop(wish, screen)


def disconnect(wish: Wish, screen: Screen) -> Exit:
    """Close what is open; nothing open is as good."""
    told = _answer(Done, Disconnect(), SLOW, wish, screen)
    if isinstance(told, Refused):
        return _refused(told, wish, screen)
    screen.lines([phrases.DISCONNECTED.in_(wish.language)])
    return Exit.DONE


def status(wish: Wish, screen: Screen) -> Exit:
    """Tell the state now."""
    told = _answer(Status, AskStatus(), QUICK, wish, screen)
    if isinstance(told, Refused):
        return _refused(told, wish, screen)
    screen.lines(show.standing(told, wish.language))
    return Exit.DONE if told.state == "open" else Exit.NOT_CONNECTED


def why(wish: Wish, screen: Screen) -> Exit:
    """Tell the reasons of the last refusal or cut."""
    told = _answer(Status, Why(), QUICK, wish, screen)
    if isinstance(told, Refused):
        return _refused(told, wish, screen)
    screen.lines(show.why(told, wish.language))
    return Exit.DONE


def report(wish: Wish, screen: Screen) -> Exit:
    """Tell what is seen of this computer, check by check; or what is collected at all."""
    if wish.collected:
        from agent.cli import collected  # only here, as below: a status starts without it

        screen.record(collected.as_json())
        screen.lines(collected.lines(wish.language))
        return Exit.DONE
    told = _answer(Report, AskReport(), PATIENT, wish, screen)
    if isinstance(told, Refused):
        return _refused(told, wish, screen)
    return _reported(told, wish, screen)


def watch(wish: Wish, screen: Screen) -> Exit:
    """Tell each change until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        for reply in _replies(wish.socket, Watch(), None):
            screen.reply(reply)
            if isinstance(reply, Refused):
                return _refused(reply, wish, screen)
            if not isinstance(reply, Status):
                raise foreign(f"'{reply.name}' is no answer to '{Watch.name}'")
            screen.lines([show.change(reply, time.strftime("%H:%M:%S"), wish.language)])
    return Exit.DONE


def complain(error: ControlError, wish: Wish, screen: Screen) -> Exit:
    """Tell that the service could not be asked, or broke off."""
    refused = show.as_refusal(error.problem)
    screen.reply(refused)
    return _refused(refused, wish, screen)


def _connect(wish: Wish, screen: Screen) -> Exit:
    waiting_for = list(get_args(StepName))

    def step(ended: Step) -> None:
        if ended.step in waiting_for:
            del waiting_for[: waiting_for.index(ended.step) + 1]
        screen.lines([f"{show.safe(ended.said.in_(wish.language))} ... {ended.elapsed_ms / 1000:.2f} s"])

    told = _answer(Done, Connect(wish.site), SLOW, wish, screen, step, _live(screen, wish, waiting_for))
    if isinstance(told, Refused):
        return _refused(told, wish, screen)
    screen.lines(show.connected(told.status, told.elapsed_ms, wish.language))
    return Exit.DONE


def _live(screen: Screen, wish: Wish, waiting_for: list[StepName]) -> Callable[[], None]:
    since = time.monotonic()

    def tick() -> None:
        doing = phrases.WAITING[waiting_for[0] if waiting_for else ""]
        screen.waiting(doing.in_(wish.language), since)

    return tick


def _stop(wish: Wish, screen: Screen) -> Exit:
    """Take a connect back. Hanging up is not enough: what it opened would stay open."""
    screen.complain([phrases.STOPPING.in_(wish.language)])
    told = _answer(Done, Disconnect(), SLOW, wish, screen)
    if isinstance(told, Refused):
        return _refused(told, wish, screen)
    screen.complain([phrases.STOPPED.in_(wish.language)])
    return Exit.FAILED


def _reported(told: Report, wish: Wish, screen: Screen) -> Exit:
    from agent.cli import findings, page, private_file

    if wish.html is None:
        screen.lines(findings.lines(told, wish.language))
    elif wish.html == STDOUT:
        screen.document(page.page(told, wish.language))
    else:
        try:
            private_file.write(wish.html, page.page(told, wish.language))
        except private_file.Unwritten as unwritten:
            screen.complain([unwritten.why.in_(wish.language)])
            return Exit.INTERNAL
        screen.lines([phrases.WRITTEN.filled(path=show.safe(wish.html)).in_(wish.language)])
    return Exit.DONE if told.allowed else Exit.REFUSED


def _refused(refused: Refused, wish: Wish, screen: Screen) -> Exit:
    asked_to_connect = wish.command == "connect"
    screen.complain(show.refusal(refused, asked_to_connect, wish.language))
    for told in refused.reasons:
        if told.code in CODES:
            return CODES[told.code]
    if refused.by == "posture":
        return Exit.REFUSED
    return Exit.FAILED if asked_to_connect else Exit.INTERNAL


def _answer(
    kind: type[Expected],
    request: Request,
    patience: float,
    wish: Wish,
    screen: Screen,
    step: Callable[[Step], None] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Expected | Refused:
    """Await the reply that ends a request, telling the steps before it."""
    for _, reply in zip(range(MOST_REPLIES), _replies(wish.socket, request, patience, tick), strict=False):
        screen.reply(reply)
        if isinstance(reply, kind | Refused):
            return reply
        if step is None or not isinstance(reply, Step):
            raise foreign(f"'{reply.name}' is no answer to '{request.name}'")
        step(reply)
    raise foreign("it comes to no end")


def _replies(
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


COMMANDS: Mapping[str, Callable[[Wish, Screen], Exit]] = {
    "connect": connect,
    "disconnect": disconnect,
    "status": status,
    "why": why,
    "report": report,
    "watch": watch,
}
CODES: Mapping[str, Exit] = {
    "control.refused": Exit.NOT_PERMITTED,
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
