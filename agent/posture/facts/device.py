"""What was seen of the laptop itself. Ages and durations are seconds, instants seconds since 1970."""

from dataclasses import dataclass
from enum import StrEnum

from agent.posture.facts.observed import Told


@dataclass(frozen=True, slots=True)
class Scanner:
    """One antivirus program: does it run, how old are its signatures, does it look at files as they are opened."""

    title: str
    running: bool
    signatures_age: float | None
    on_access: Told


@dataclass(frozen=True, slots=True)
class Antimalware:
    """The antivirus programs that were looked for."""

    scanners: tuple[Scanner, ...]


class Seal(StrEnum):
    """What keeps the content of a volume from whoever takes the disk; DM_CRYPT is encryption without LUKS's header."""

    LUKS = "luks"
    DM_CRYPT = "dm-crypt"
    FSCRYPT = "fscrypt"
    ZFS = "zfs"
    MEMORY = "memory"
    NONE = "none"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Volume:
    """Where something is stored (`/`, `/home`, `swap`, a folder) and what seals it.

    `chain` is what lies below it, from the file system down to the disk; `why` is told when the seal is not.
    """

    place: str
    seal: Seal
    chain: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """The volumes that could hold images."""

    volumes: tuple[Volume, ...]


@dataclass(frozen=True, slots=True)
class Updates:
    """The system's release and what it lacks. `supported_until` is None where it is not known.

    `pending` are names of packages with a security update, None where that could not be told; `why` says why, or
    why there may be more. `lists_age` is how long ago, at most, what is offered was asked for; None is not known.
    """

    release: str
    supported_until: float | None
    pending: tuple[str, ...] | None
    lists_age: float | None
    reboot_wanted: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Locking:
    """How this laptop keeps others out: the judged users' screen lock, logins without password, empty passwords.

    `after` is how many seconds of idleness lock the screen, None where it could not be told. Accounts are named
    where they are judged users', and are an empty text where they are others'.
    """

    screen_locks: Told
    after: float | None
    auto_login: tuple[str, ...] = ()
    empty_passwords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemovableDisk:
    """A disk that can be taken away."""

    name: str
    mounted: bool
    writable: bool
    sealed: Told


@dataclass(frozen=True, slots=True)
class UsbStorage:
    """Whether drivers for USB disks are barred, and what is plugged in."""

    barred: Told
    disks: tuple[RemovableDisk, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """Whether the kernel's clock follows a time source, and how far off it may be at most."""

    synchronised: Told
    offset: float | None


@dataclass(frozen=True, slots=True)
class Boot:
    """How the machine started; `lockdown` is the kernel's own word (`none`, `integrity`, ...), empty without one."""

    secure_boot: Told
    lockdown: str
    tpm: bool


@dataclass(frozen=True, slots=True)
class Paper:
    """The device certificate of one site: when it ends, and whether the site's own authorities issued it."""

    site: str
    not_before: float
    not_after: float
    ours: Told
    why: str = ""


@dataclass(frozen=True, slots=True)
class Papers:
    """The device certificates that the policy names."""

    papers: tuple[Paper, ...]
