"""What each command asks of the service, how long it waits, and the exit code that tells the outcome."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import get_args

from agent.cli import phrases, show
from agent.cli.arguments import STDOUT, Wish
from agent.cli.asking import PATIENT, QUICK, SLOW, Exit, answer, refused, replies
from agent.cli.screen import Screen
from agent.control.client import foreign
from agent.control.messages import (
    AskReady,
    AskReport,
    AskStatus,
    Connect,
    Disconnect,
    Done,
    Emergency,
    Networks,
    Readiness,
    Refused,
    Report,
    Status,
    Step,
    StepName,
    Watch,
    Why,
)


def connect(wish: Wish, screen: Screen) -> Exit:
    """Open a site, telling each step; Ctrl-C takes the request back."""
    return _open(Connect(wish.site), wish, screen)


def emergency(wish: Wish, screen: Screen) -> Exit:
    """Open a site in an emergency, once whoever asks has read what that means and said why."""
    from agent.cli import urgency  # only here, as below: a status starts without it

    if wish.reason is None or not wish.json:
        told = answer(Status, AskStatus(), QUICK, wish, screen)
        if isinstance(told, Refused):
            return refused(told, wish, screen)
        stopped = urgency.prepare(told, wish, screen)
        if stopped is not None:
            return stopped
    return _open(Emergency(wish.reason or "", wish.site), wish, screen)


def disconnect(wish: Wish, screen: Screen) -> Exit:
    """Close what is open; nothing open is as good."""
    told = answer(Done, Disconnect(), SLOW, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
    screen.lines([phrases.DISCONNECTED.in_(wish.language)])
    return Exit.DONE


def status(wish: Wish, screen: Screen) -> Exit:
    """Tell the state now."""
    told = answer(Status, AskStatus(), QUICK, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
    screen.lines(show.standing(told, wish.language))
    return Exit.DONE if told.state in CONNECTED else Exit.NOT_CONNECTED


def why(wish: Wish, screen: Screen) -> Exit:
    """Tell the reasons of the last refusal or cut."""
    told = answer(Status, Why(), QUICK, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
    screen.lines(show.why(told, wish.language))
    return Exit.DONE


def report(wish: Wish, screen: Screen) -> Exit:
    """Tell what is seen of this computer, check by check; or what is collected at all."""
    if wish.collected:
        from agent.cli import collected

        screen.record(collected.as_json())
        screen.lines(collected.lines(wish.language))
        return Exit.DONE
    told = answer(Report, AskReport(), PATIENT, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
    return _reported(told, wish, screen)


def watch(wish: Wish, screen: Screen) -> Exit:
    """Tell each change until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        for reply in replies(wish.socket, Watch(), None):
            screen.reply(reply)
            if isinstance(reply, Refused):
                return refused(reply, wish, screen)
            if not isinstance(reply, Status):
                raise foreign(f"'{reply.name}' is no answer to '{Watch.name}'")
            screen.lines([show.change(reply, time.strftime("%H:%M:%S"), wish.language)])
    return Exit.DONE


def ready(wish: Wish, screen: Screen) -> Exit:
    """Tell what will refuse this computer within a day."""
    from agent.cli import foresight

    told = answer(Readiness, AskReady(), PATIENT, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
    screen.lines(foresight.lines(told, wish.language))
    return Exit.DONE if told.ready else Exit.REFUSED


def network(wish: Wish, screen: Screen) -> Exit:
    """List, register or forget people's own Wi-Fi networks."""
    from agent.cli import own_networks

    told = answer(Networks, own_networks.request(wish), PATIENT, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
    screen.lines(own_networks.lines(told, wish.language))
    return Exit.DONE


def office(wish: Wish, screen: Screen) -> Exit:
    """Go over to IT's desk, which is a program of its own."""
    from agent.cli.office import go_over

    try:
        go_over(wish)
    except OSError as error:
        screen.complain([phrases.NOT_DONE.in_(wish.language), show.safe(str(error))])
        return Exit.INTERNAL


def _open(request: Connect | Emergency, wish: Wish, screen: Screen) -> Exit:
    try:
        return _connect(request, wish, screen)
    except KeyboardInterrupt:
        return _stop(wish, screen)


def _connect(request: Connect | Emergency, wish: Wish, screen: Screen) -> Exit:
    waiting_for = list(get_args(StepName))

    def step(ended: Step) -> None:
        if ended.step in waiting_for:
            del waiting_for[: waiting_for.index(ended.step) + 1]
        screen.lines([f"{show.safe(ended.said.in_(wish.language))} ... {ended.elapsed_ms / 1000:.2f} s"])

    told = answer(Done, request, SLOW, wish, screen, step, _live(screen, wish, waiting_for))
    if isinstance(told, Refused):
        return refused(told, wish, screen)
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
    told = answer(Done, Disconnect(), SLOW, wish, screen)
    if isinstance(told, Refused):
        return refused(told, wish, screen)
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


COMMANDS: Mapping[str, Callable[[Wish, Screen], Exit]] = {
    "connect": connect,
    "emergency": emergency,
    "disconnect": disconnect,
    "status": status,
    "why": why,
    "report": report,
    "ready": ready,
    "watch": watch,
    "network": network,
    "policy": office,
    "apps": office,
}
CONNECTED = ("open", "inside", "emergency")
