"""Where lines go: steps and results to the output, refusals to the error output, one live line on a terminal.

It knows no message of the service; in JSON mode nothing but JSON is printed.
"""

import sys
import time
from collections.abc import Iterable

from agent.control.messages import Reply, encode


class Screen:
    """The terminal, or whatever stands in its place."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self._live = not json and sys.stdout.isatty()
        self._shown = False
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a closed or odd stream stays as it is

    def reply(self, reply: Reply) -> None:
        """Print a reply as it is, in JSON mode only."""
        self.record(encode(reply).decode().rstrip("\n"))

    def record(self, line: str) -> None:
        """Print a line of JSON, in JSON mode only."""
        if self.json:
            self._print(line)

    def document(self, text: str) -> None:
        """Print a document that names its own encoding, UTF-8, whatever the terminal's may be."""
        self.clear()
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines for people."""
        if not self.json:
            for line in lines:
                self._print(line)

    def complain(self, lines: Iterable[str]) -> None:
        """Print lines for people that say why something was not done."""
        if not self.json:
            self.clear()
            for line in lines:
                print(line, file=sys.stderr, flush=True)

    def waiting(self, doing: str, since: float) -> None:
        """Show on a terminal that something takes more than a second, and how long it has taken."""
        elapsed = time.monotonic() - since
        if self._live and elapsed >= LIVE_AFTER:
            turn = SPINNER[int(elapsed / TICK) % len(SPINNER)]
            sys.stdout.write(f"{ERASE}{turn} {doing} ... {elapsed:.0f} s")
            sys.stdout.flush()
            self._shown = True

    def clear(self) -> None:
        """Take the live line away."""
        if self._shown:
            sys.stdout.write(ERASE)
            sys.stdout.flush()
            self._shown = False

    def _print(self, line: str) -> None:
        self.clear()
        print(line, flush=True)


# Our choices, in seconds.
LIVE_AFTER = 1.0
TICK = 0.2
SPINNER = "|/-\\"
ERASE = "\r\x1b[K"
