"""The network of an open tunnel, all of it or none of it, and the machine as before at its end.

It knows the order and the journal; what the network shall look like is `plan`'s, and how one
change is made is `kernel`'s and `dns`'s.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute

from agent.network.dns import ResolverChange, change_resolver, check_dns, read_state, sweep
from agent.network.errors import NetworkRefused
from agent.network.journal import Journal
from agent.network.kernel import Kernel, Requests
from agent.network.plan import Change, KernelChange, LinkChange, NetworkConfig, check, plan

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Undone:
    """How the way back went: what others had changed and was left to them, and what the system refused."""

    left: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


class Network:
    """One tunnel's mark on the machine. Blocking, a few milliseconds a call; a running event loop does not mind."""

    def __init__(self, journal: Path, requests: Callable[[], Requests] = IPRoute) -> None:
        self._journal = Journal(journal)
        self._requests = requests
        self._inverses: tuple[Change, ...] = ()

    def apply(self, config: NetworkConfig) -> None:
        """Set everything up; raise `NetworkRefused` with the machine as before where one step fails."""
        if self._inverses:
            raise NetworkRefused("journal", "another tunnel's network is still set up")
        self.recover()
        _aside(lambda: self._apply(config))

    def undo(self) -> Undone:
        """Take everything back, last change first; what is already gone does not matter."""
        inverses, self._inverses = self._inverses, ()
        return _aside(lambda: self._take_back(inverses)) if inverses else Undone()

    def recover(self) -> Undone | None:
        """Take back what an earlier run of the service left behind; None when it left nothing."""
        leftover = self._journal.leftover()
        if leftover is None:
            return None
        undone = _aside(lambda: self._take_back(leftover))
        if undone.failed:
            raise NetworkRefused("journal", f"what an earlier run left could not be undone: {undone.failed[0]}")
        return undone

    def _apply(self, config: NetworkConfig) -> None:
        check(config)
        with Kernel(self._requests) as kernel:
            resolver = None
            if config.dns is not None:
                check_dns(config.dns)
                resolver = read_state(config.dns.path)
            changes = plan(config, kernel.link_state(config), resolver)
            kernel.check_free(config)
            inverses = tuple(change.inverse() for change in reversed(changes))
            self._journal.write(inverses)
            self._make(kernel, changes)
            self._inverses = inverses

    def _make(self, kernel: Kernel, changes: Sequence[Change]) -> None:
        for made, change in enumerate(changes):
            try:
                _carry_out(kernel, change)
            except Exception as error:
                # Only the interface's own change can be half made: the kernel sets its fields one by one.
                reached = changes[: made + isinstance(change, LinkChange)]
                self._give_up(reached, error)
                raise

    def _give_up(self, reached: Sequence[Change], error: Exception) -> None:
        undone = self._take_back([change.inverse() for change in reversed(reached)])
        if undone.left or undone.failed:
            remains = (undone.failed + undone.left)[0]
            raise NetworkRefused("undo", f"{error}; and not everything could be put back: {remains}") from error

    def _take_back(self, inverses: Sequence[Change]) -> Undone:
        left = _take_back_files([change for change in inverses if isinstance(change, ResolverChange)])
        failed = self._take_back_kernel([change for change in inverses if not isinstance(change, ResolverChange)])
        if not failed:
            self._journal.clear()
        return Undone(left, failed)

    def _take_back_kernel(self, inverses: Sequence[KernelChange]) -> tuple[str, ...]:
        failed: list[str] = []
        try:
            with Kernel(self._requests) as kernel:
                for change in inverses:
                    try:
                        kernel.carry_out(change)
                    except NetworkRefused as error:
                        failed.append(str(error))
        except NetworkRefused as error:
            failed.append(str(error))
        return tuple(failed)


def _take_back_files(inverses: Sequence[ResolverChange]) -> tuple[str, ...]:
    left: list[str] = []
    for change in inverses:
        sweep(change.path)
        try:
            change_resolver(change)
        except NetworkRefused as error:
            left.append(str(error))
    return tuple(left)


def _carry_out(kernel: Kernel, change: Change) -> None:
    if isinstance(change, ResolverChange):
        change_resolver(change)
    else:
        kernel.carry_out(change)


def _aside(work: Callable[[], Result]) -> Result:
    """Work on a thread of its own: pyroute2's blocking face refuses a thread that runs an event loop."""
    with ThreadPoolExecutor(1, "network") as thread:
        return thread.submit(work).result()
