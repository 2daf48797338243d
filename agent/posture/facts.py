"""What was seen of the machine: values with grade, method and age, or why nothing was seen.

Facts judge nothing, and a failed look is `Unseen`, never an empty value.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Grade(StrEnum):
    """How far an observation can be believed."""

    ATTESTED = "A"
    ROOT = "B"
    HEURISTIC = "C"


@dataclass(frozen=True, slots=True)
class Observed(Generic[Value]):
    """One value as it was seen at `at` (seconds of the boot clock) by `method`."""

    value: Value
    grade: Grade
    method: str
    at: float


@dataclass(frozen=True, slots=True)
class Unseen:
    """A look that failed, and why: one clause for people, already safe to print."""

    why: str
    at: float


class Origin(StrEnum):
    """How a package's source was established from apt's own lists."""

    EXACT = "exact"
    NAME_ONLY = "name-only"
    NONE = "none"
    LISTS_STALE = "lists-stale"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Package:
    """The package that owns a path; ownership proves the path, not the content."""

    manager: str
    name: str
    version: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Script:
    """A file that an interpreter was told to run; each field says what it says of a `Program`."""

    path: str
    package: Package | None
    sha256: str | None = None
    unhashed: str = ""
    home: bool = False
    foreign: bool = False
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """One running program: its executable, and the files that this was told to run.

    `path` is the executable as the kernel names it (a `(deleted)` mark removed and told by
    `replaced`), `package` its owner; `sha256` is hex and None when it was not needed or not readable,
    `unhashed` then says why. `home` is true when the path lies below the home folder of a person;
    `foreign` when that path leads to another file, or to none, where we look ourselves: a private
    mount can show any path; `writable` when somebody but root owns the file or may write it.
    `scripts` are the files that an interpreter runs, where they could be told: one, or several where
    an interpreter (the dynamic loader) was told to run another; the last is what is run in the end.
    """

    pid: int
    started: int
    uid: int
    name: str
    path: str
    package: Package | None
    sha256: str | None = None
    unhashed: str = ""
    replaced: bool = False
    home: bool = False
    foreign: bool = False
    writable: bool = False
    scripts: tuple[Script, ...] = ()

    @property
    def files(self) -> "tuple[Program | Script, ...]":
        """The executable and the scripts, in the order in which each was told to run the next."""
        return (self, *self.scripts)


@dataclass(frozen=True, slots=True)
class Programs:
    """All programs of the judged users at one moment.

    `vanished` counts those that ended before their executable could be read, `unreadable`
    those that still ran but would not show it.
    """

    running: tuple[Program, ...]
    vanished: int
    unreadable: int


class Security(StrEnum):
    """What protects a wireless network, by its AKM suites; the weakest accepted one counts."""

    OPEN = "open"
    OWE = "owe"
    WEP = "wep"
    WPA_TKIP = "wpa-tkip"
    WPA2_PSK = "wpa2-psk"
    WPA2_WPA3_MIXED = "wpa2-wpa3-mixed"
    SAE = "sae"
    ENTERPRISE = "802.1x"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Wireless:
    """The Wi-Fi network in use; `ssid` is raw bytes, for an SSID promises no encoding."""

    interface: str
    ssid: bytes
    bssid: str
    security: Security
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """How the machine reaches the network now; no wireless entry means that Wi-Fi is not in use."""

    wireless: tuple[Wireless, ...]
    wired: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything one look brought home."""

    programs: Observed[Programs] | Unseen
    links: Observed[Links] | Unseen
