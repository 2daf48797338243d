"""A network of its own for a test body: a child process in fresh network and mount namespaces.

Whatever the body does to routes, rules or mounts dies with the child; the machine's own
network is never entered.
"""

import ctypes
import os
import signal
import subprocess
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection


def alone(body: Callable[..., None], *arguments: object, seconds: float = 60.0) -> None:
    """Run `body` in a child with its own network and mounts; fail with its traceback."""
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(theirs, body, arguments))
    child.start()
    theirs.close()
    told = ours.poll(seconds)
    answer = ours.recv() if told else f"no answer within {seconds} s"
    if not told and child.pid is not None:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert answer is None, answer


def _run(told: Connection, body: Callable[..., None], arguments: tuple[object, ...]) -> None:
    try:
        own_namespaces()
        body(*arguments)
    except BaseException:  # whatever it was, the parent tells it
        told.send(traceback.format_exc())
    else:
        told.send(None)


def own_namespaces() -> None:
    """Leave the machine's network and mounts for fresh ones."""
    libc = ctypes.CDLL(None, use_errno=True)
    for call in (libc.unshare(CLONE_NEWNET | CLONE_NEWNS), libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)):
        assert call == 0, os.strerror(ctypes.get_errno())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def network_text() -> str:
    """Tell addresses, rules and routes as text; the queueing discipline is the kernel's own affair."""
    commands = (
        ["ip", "addr"],
        ["ip", "rule"],
        ["ip", "-6", "rule"],
        *(["ip", f, "route", "show", "table", "all"] for f in ("-4", "-6")),
    )
    told = "\n".join(subprocess.run(each, check=True, capture_output=True, text=True).stdout for each in commands)
    return "\n".join(" ".join(_without_discipline(line.split())) for line in told.splitlines())


def _without_discipline(words: list[str]) -> list[str]:
    if "qdisc" not in words:
        return words
    at = words.index("qdisc")
    return words[:at] + words[at + 2 :]


# Fixed by the kernel.
CLONE_NEWNS, CLONE_NEWNET = 0x0002_0000, 0x4000_0000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
