"""Knows the network state of a laptop as text, so that "as before" can be compared and a difference read.

Never counts what changes by itself: lifetimes, counters and the order in which the kernel lists things.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Self

from tests.lab.laptop import Laptop
from tests.lab.namespaces import NFT
from tests.lab.run import IP


@dataclass(frozen=True)
class Snapshot:
    """Addresses, routes, rules, packet filter, tunnels and resolv.conf at one moment."""

    parts: dict[str, str]

    @classmethod
    def take(cls, laptop: Laptop) -> Self:
        """Read the state now."""
        parts = {" ".join(argv): _steady(laptop.command(*argv)) for argv in COMMANDS}
        return cls({**parts, "/etc/resolv.conf": _escaped(laptop.file("/etc/resolv.conf").read_bytes())})

    def text(self) -> str:
        """Write the whole state, one headed part after the other."""
        return "".join(f"== {title}\n{body}" for title, body in self.parts.items())

    def difference(self, after: "Snapshot") -> str:
        """Return a unified diff to a later snapshot; empty when all is as before."""
        lines = difflib.unified_diff(
            self.text().splitlines(), after.text().splitlines(), "before", "after", lineterm="", n=1
        )
        return "\n".join(lines)


def _steady(text: str) -> str:
    for pattern in VOLATILE:
        text = pattern.sub("", text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _escaped(content: bytes) -> str:
    """Write bytes so that every one of them shows, also a missing end of line."""
    return "".join(f"{line!r}\n" for line in content.splitlines(keepends=True))


# Our choices
COMMANDS = (
    (IP, "-d", "addr"),
    (IP, "-4", "rule"),
    (IP, "-6", "rule"),
    (IP, "-4", "route", "show", "table", "all"),
    (IP, "-6", "route", "show", "table", "all"),
    (IP, "tuntap", "list"),
    (NFT, "--stateless", "list", "ruleset"),
)
VOLATILE = (
    re.compile(r"\b(valid_lft|preferred_lft|expires|age) \S+"),
    re.compile(r"\btentative\b"),
)
