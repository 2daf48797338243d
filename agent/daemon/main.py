"""The daemon's start and end: what it reads, what it owns, and in which order it lets go.

Started twice, without rights or with a bad policy, it says so in one sentence and changes nothing.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from agent import events
from agent.boot_clock import boot_clock
from agent.control.server import SecondDaemonError, Server
from agent.daemon.checkpoint import Checkpoint
from agent.daemon.desk import Desk
from agent.daemon.failures import Failures
from agent.daemon.files import own_folder, read_private, why_unreadable
from agent.daemon.jury import Jury, named_users
from agent.daemon.lookout import Lookout
from agent.daemon.passage import Machine
from agent.daemon.policies import Policies
from agent.daemon.policy_file import check_policy
from agent.daemon.readiness import daily
from agent.daemon.records import Records
from agent.daemon.registrations import Registrations
from agent.daemon.roll import Roll
from agent.daemon.secrecy import forbid_core_dumps
from agent.daemon.settings import Settings, parse
from agent.daemon.sources import all_sources
from agent.network.apply import Network
from agent.network.errors import NetworkRefused
from agent.problems import Problem, problem
from ike.config import Instant

log = logging.getLogger("sekishod")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; the exit code is 0 after a clean end, 1 when it could not start, 2 for wrong usage."""
    settings = parse(argv)
    if settings.check:
        return check_policy(settings.policies)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for ours in ("agent", log.name):
        logging.getLogger(ours).setLevel(logging.DEBUG if settings.verbose else logging.INFO)
    if os.geteuid() != 0:
        print("sekishod: it needs root's rights; start it by its service.", file=sys.stderr)
        return 1
    try:
        forbid_core_dumps()
        asyncio.run(_serve(settings))
    except SecondDaemonError:
        return _fail(problem("daemon.second"))
    except NetworkRefused as error:
        return _fail(problem(error.code, str(error)))
    except (OSError, ValueError) as error:
        print(f"sekishod: it cannot start: {why_unreadable(error)}.", file=sys.stderr)
        return 1
    return 0


def _fail(trouble: Problem) -> int:
    detail = f" [{trouble.detail}]" if trouble.detail else ""
    print(f"sekishod: {trouble.sentence.en}{detail}", file=sys.stderr)
    return 1


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    own_folder(settings.state)
    desk = Desk()
    server = Server(settings.control, desk.answer, desk.may_ask)
    await server.start()
    try:
        async with _working(settings, desk):
            await stop.wait()
    finally:
        await server.stop()


@asynccontextmanager
async def _working(settings: Settings, desk: Desk) -> AsyncIterator[None]:
    """Own everything behind the desk; at the end the machine is as it was before."""
    network = Network(settings.state / "undo")
    _recover(network)
    records = Records(settings.events, time.time)
    records.append(events.Started(version("sekisho")))
    policies = Policies(settings.policies, settings.state / "policy.json", records, time.time)
    policy = policies.start()
    if isinstance(policy, Problem):
        desk.close_for(policy)
        yield
    else:
        roll = Roll()
        roll.learn(named_users(policy))
        failures = Failures(settings.state / "failing.json")
        key = _network_key(settings.state / "network-key")
        own = Registrations(settings.state / "networks.json")
        jury = Jury(policy, key, roll.uid_of, failures, lambda: policies.warnings, own)
        machine = Machine(_clock, os.urandom, network, settings.resolv_conf)
        sources = all_sources(
            lambda: checkpoint.jury.policy,
            lambda: checkpoint.sought,
            settings.system_bus,
            settings.resolv_conf,
            _clock,
        )
        lookout = Lookout(settings.look, sources)
        checkpoint = Checkpoint(jury, machine, records, lookout, accept=policies.accept)
        desk.open_for(checkpoint)
        lookout.mind(jury.ages)
        await lookout.warm_up(jury.scope())
        ahead = asyncio.create_task(daily(checkpoint, desk.keep))
        ahead.add_done_callback(_ended)
        yield
        ahead.cancel()
        desk.close_for(problem("stopping"))
        await checkpoint.closed()
        await lookout.close()
    records.append(events.Stopped())
    records.close()


def _ended(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("an error of our own: nobody looks ahead any more", exc_info=error)


def _recover(network: Network) -> None:
    undone = network.recover()
    if undone is not None:
        log.warning("an earlier run ended without restoring the network; that is done now")
        for what in undone.left:
            log.warning("left alone: %s", what)


def _network_key(path: Path) -> bytes:
    """Read this device's own key for the pseudonyms of networks, and make it the first time."""
    with suppress(FileNotFoundError):
        known = read_private(path, KEY_SIZE)
        if len(known) == KEY_SIZE:
            return known
        path.unlink()  # a power cut left it half written
    key = os.urandom(KEY_SIZE)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(key)
    return key


def _clock() -> Instant:
    return Instant(boot_clock(), time.time())


# Our choices, in bytes.
KEY_SIZE = 32

if __name__ == "__main__":
    sys.exit(main())
