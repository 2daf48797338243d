"""Drives one IKE session: datagrams and timers in, effects carried out; knows no policy and no gate.

Packets never pass here: the data plane moves them, and IKE datagrams come and go by its socketpair.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

import esp
from agent.problems import Problem, problem
from agent.tunnel.translate import sa_of
from ike.config import Config, Dice, Endpoint, Instant
from ike.crypto import SignatureScheme
from ike.effects import (
    ChildSa,
    Close,
    Configure,
    Datagram,
    Down,
    Effect,
    Event,
    Heard,
    InstallChild,
    Note,
    Rekeyed,
    RemoveChild,
    Sign,
    Signed,
    SignRefused,
    Tick,
    Transmit,
    Up,
    UseChild,
)
from ike.session import Session

log = logging.getLogger(__name__)


class Signer(Protocol):
    """Holds the device key: a file today, a card or a TPM tomorrow."""

    async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        """Sign, or raise `SignerError` with one clause that says why not."""


class SignerError(Exception):
    """The key holder did not sign; the text says why."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The tunnel is over; `problem` is None when it was closed on request."""

    problem: Problem | None


Told = Up | Configure | Rekeyed | Note | Ended
"""What a tunnel tells its owner."""


class Tunnel:
    """One attempt to reach a gateway and the connection that comes of it.

    `tun` and `udp` are open descriptors that stay the caller's; `tell` is called on the
    event loop for everything the owner must know, last of all `Ended`.
    """

    def __init__(
        self,
        config: Config,
        *,
        signer: Signer,
        tun: int,
        udp: int,
        clock: Callable[[], Instant],
        dice: Dice,
        tell: Callable[[Told], None],
    ) -> None:
        self._config = config
        self._signer = signer
        self._clock = clock
        self._dice = dice
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._ike, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            with theirs:
                self._pump = esp.Pump(tun=tun, udp=udp, ike=theirs.fileno())
        except BaseException:
            self._ike.close()
            raise
        self._session: Session | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._signing: set[asyncio.Task[None]] = set()
        self._children: dict[int, ChildSa] = {}
        self._sending_on: int | None = None
        self._packets_in = 0
        self._ended = asyncio.Event()

    def start(self) -> None:
        """Start the data plane and send the first message."""
        self._pump.start()
        self._loop.add_reader(self._ike, self._receive)
        session, effects = Session.connect(self._config, self._clock(), self._dice)
        self._proceed(session, effects)

    def stats(self) -> esp.Stats:
        """Count what the data plane moved."""
        return self._pump.stats()

    def stop_traffic(self) -> None:
        """Take every Child SA out of the data plane: from now on no packet passes, either way."""
        for child in tuple(self._children.values()):
            self._remove(child.spi_in, child.spi_out)

    async def close(self, patience: float) -> None:
        """Stop all traffic at once, then take leave of the gateway for at most `patience` seconds."""
        self.stop_traffic()
        self._feed(Close())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._ended.wait()
        finally:
            self._end(None)

    def _receive(self) -> None:
        for _ in range(MOST_DATAGRAMS_AT_ONCE):
            try:
                framed = self._ike.recv(LONGEST_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(problem("pump.failed", str(error)))
                return
            if not framed:
                self._end(problem("pump.failed", self._pump.failed or ""))
                return
            address, port, message = esp.unframe(framed)
            self._feed(Datagram(message, Endpoint(address, port)))
            if self._ended.is_set():
                return

    def _feed(self, event: Event) -> None:
        if self._session is None or self._ended.is_set():
            return
        try:
            session, effects = self._session.step(event, self._clock(), self._dice)
            self._proceed(session, effects)
        except Exception as error:  # the room's wall: whatever is wrong here must not leave a tunnel open
            log.exception("an error of our own")
            self._end(problem("internal", type(error).__name__))

    def _proceed(self, session: Session, effects: tuple[Effect, ...]) -> None:
        self._session = session
        for effect in effects:
            self._carry_out(effect)
        self._set_timer()

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Transmit(message, to):
                self._transmit(message, to)
            case Sign():
                self._begin(self._sign(effect))
            case InstallChild(child, outbound):
                self._install(child, outbound)
            case UseChild(spi_out):
                self._send_on(next(child for child in self._children.values() if child.spi_out == spi_out))
            case RemoveChild(spi_in, spi_out):
                self._remove(spi_in, spi_out)
            case Down(error, _):
                self._end(None if error is None else problem(error.code, error.detail))
            case Up() | Configure() | Rekeyed() | Note():
                self._tell(effect)

    def _transmit(self, message: bytes, to: Endpoint) -> None:
        try:
            self._ike.send(esp.frame(to.address, to.port, message))
        except OSError as error:
            log.debug("an IKE message was not sent: %s", error)  # it is sent again on schedule

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._signing.add(task)
        task.add_done_callback(self._signed)

    def _signed(self, task: asyncio.Task[None]) -> None:
        self._signing.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # nobody else would ever answer the session, which waits for a signature
            log.error("an error of our own", exc_info=error)
            self._end(problem("internal", type(error).__name__))

    async def _sign(self, wanted: Sign) -> None:
        try:
            signature = await self._signer.sign(wanted.scheme, wanted.data)
        except SignerError as error:
            self._feed(SignRefused(wanted.ticket, str(error)))
        else:
            self._feed(Signed(wanted.ticket, signature))

    def _install(self, child: ChildSa, outbound: bool) -> None:
        self._children[child.spi_in] = child
        self._pump.install_inbound(sa_of(child, "in"))
        if outbound:
            self._send_on(child)

    def _send_on(self, child: ChildSa) -> None:
        self._pump.install_outbound(sa_of(child, "out"), (child.peer.address, child.peer.port))
        self._sending_on = child.spi_out

    def _remove(self, spi_in: int, spi_out: int) -> None:
        self._children.pop(spi_in, None)
        self._pump.remove_inbound(spi_in)
        if self._sending_on == spi_out:
            self._pump.remove_outbound()
            self._sending_on = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = None if self._session is None or self._ended.is_set() else self._session.deadline
        if deadline is not None:
            wait = min(max(0.0, deadline.at - self._clock().boot), LONGEST_NAP)
            self._timer = self._loop.call_later(wait, self._tick)

    def _tick(self) -> None:
        packets_in = self._pump.stats().packets_in
        if packets_in != self._packets_in:
            self._packets_in = packets_in
            self._feed(Heard())
        self._feed(Tick())

    def _end(self, trouble: Problem | None) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        self._set_timer()
        for task in self._signing:
            task.cancel()
        self._loop.remove_reader(self._ike)
        self._pump.stop()
        self._ike.close()
        self._children.clear()
        self._session = None
        self._tell(Ended(trouble))


# Our choices. The event loop's clock stands still while the machine sleeps: after a nap the boot clock is read again.
LONGEST_NAP = 1.0
MOST_DATAGRAMS_AT_ONCE = 64
LONGEST_DATAGRAM = 65_536 + 64
