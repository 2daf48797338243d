"""`sekisho-look`: the part of looking that needs rights, as a program of its own behind a unix socket.

It runs in the root network namespace, where the kernel reports processes. It sends no traffic, writes
nothing but its socket with the lock beside it and its cache, runs no other program, and gives up all rights
but three.
"""

import argparse
import asyncio
import json
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.boot_clock import boot_clock
from agent.local_socket import take_lock
from agent.probes.codec import FACTS, Scope
from agent.probes.device import device_probes
from agent.probes.digests import Digests
from agent.probes.exec_events import EventsError, ExecEvents
from agent.probes.packages import Packages
from agent.probes.programs import ProgramProbe
from agent.probes.rights import Capability, keep_only, list_missing
from agent.probes.serving import Host
from agent.probes.slow_looks import SlowLooks
from agent.shapes import plain


class LookError(Exception):
    """Why the helper cannot do its work, as one sentence for the person who started it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; the exit status is 0 after a clean end, 1 when it could not work, 2 for wrong usage."""
    options = _parser().parse_args(argv)
    try:
        if options.once:
            uids = frozenset(options.uid or [os.getuid()])
            return _look_once(Scope(uids, facts=frozenset(options.fact or ["programs"])))
        return _serve(options.socket, options.cache, frozenset({0, *options.user}))
    except LookError as error:
        print(f"sekisho-look: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sekisho-look",
        description="Tells the Sekisho daemon which programs the judged users run, and how this computer is kept. "
        "It only looks: no traffic, no writing, no other program started.",
    )
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--socket", type=Path, metavar="PATH", help="serve the daemon on this unix socket")
    how.add_argument("--once", action="store_true", help="look once, print what was seen as JSON, and end")
    parser.add_argument(
        "--user",
        type=_find_uid,
        action="append",
        default=[],
        metavar="USER",
        help="a user (name or number) who may connect to the socket besides root; may be repeated",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="PATH",
        help="with --socket: keep the hashes of the system's own programs in this file over a restart",
    )
    parser.add_argument(
        "--uid",
        type=_find_uid,
        action="append",
        metavar="USER",
        help="with --once: whose programs to look at (default: your own); may be repeated",
    )
    parser.add_argument(
        "--fact",
        choices=sorted(FACTS),
        action="append",
        metavar="FACT",
        help=f"with --once: what to look at (default: programs): {', '.join(sorted(FACTS))}; may be repeated",
    )
    return parser


def _find_uid(name: str) -> int:
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise argparse.ArgumentTypeError(f"there is no user {name!r}") from None


def _look_once(scope: Scope) -> int:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    slow = _open_slow_looks()
    facts = {name: slow.look_now(name, scope) for name in sorted(scope.facts - {"programs"})}
    if "programs" in scope.facts:
        facts["programs"] = _open_probe().look(scope)
    json.dump(facts, sys.stdout, indent=2, default=plain)
    print()
    return 0


def _serve(path: Path, cache: Path | None, allowed: frozenset[int]) -> int:
    missing = list_missing(Capability)
    if missing:
        names = ", ".join(f"CAP_{capability.name}" for capability in missing)
        raise LookError(f"it lacks the right {names}; start it as root or by its systemd unit.")
    with _locked(path), _listening(path) as listener:
        keep_only(Capability)
        probe, events = _open_probe(cache), _open_events()
        print(f"sekisho-look: serving at {path}", file=sys.stderr, flush=True)
        broken = asyncio.run(_serve_until_told(Host(probe, _open_slow_looks(), events, allowed), listener))
    if broken is not None:
        raise LookError(f"{broken}.")
    return 0


async def _serve_until_told(host: Host, listener: socket.socket) -> str | None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return await host.serve(listener, stop)


def _open_probe(cache: Path | None = None) -> ProgramProbe:
    try:
        return ProgramProbe(
            Packages(Path("/"), time.time), Digests(time.time_ns, store=cache), boot_clock, Path("/proc")
        )
    except OSError as error:
        raise LookError(f"/proc cannot be opened ({error.strerror}).") from error


def _open_slow_looks() -> SlowLooks:
    return SlowLooks(device_probes(Path("/"), Path("/proc"), boot_clock, time.time), boot_clock)


def _open_events() -> ExecEvents | str:
    try:
        return ExecEvents.open()
    except EventsError as error:
        return str(error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = path.with_name(path.name + ".lock")
    try:
        held = take_lock(lock)
    except BlockingIOError:
        raise LookError(f"another sekisho-look already serves {path}.") from None
    except OSError as error:
        raise LookError(f"the socket's lock {lock} cannot be opened ({error.strerror}).") from error
    try:
        yield
    finally:
        os.close(held)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    fresh = path.with_name(path.name + ".new")
    try:
        with suppress(FileNotFoundError):
            fresh.unlink()
        listener.bind(os.fspath(fresh))
        listener.listen()
        fresh.chmod(0o666)  # everyone may knock; the kernel tells who it is
        fresh.replace(path)  # whoever sees the socket can connect to it; one left by a killed helper is replaced
    except OSError as error:
        listener.close()
        raise LookError(f"the socket {path} cannot be made ({error.strerror or error}).") from error
    try:
        yield listener
    finally:
        listener.close()
        with suppress(OSError):
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
