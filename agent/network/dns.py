"""resolv.conf while a tunnel is open: the tunnel's servers and names first, the rest kept, and the way back.

It asks no name and never overwrites what somebody else wrote in the meantime.
"""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from agent.network.errors import NetworkRefused, reason


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """The resolver file, the tunnel's own servers, and the protected names."""

    path: Path
    servers: tuple[IPv4Address | IPv6Address, ...] = ()
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileState:
    """All of a small file that we put back: bytes, or where the link points, or nothing at all."""

    content: bytes | None = None
    link: str | None = None
    mode: int = 0o644
    owner: int = 0
    group: int = 0

    def holds_the_same(self, other: "FileState") -> bool:
        """Tell whether a reader would find the same, whoever owns it."""
        return (self.content, self.link) == (other.content, other.link)


@dataclass(frozen=True, slots=True)
class ResolverChange:
    """Turn the resolver file from one state into another, if it still is in the first."""

    path: Path
    before: FileState
    after: FileState

    def inverse(self) -> "ResolverChange":
        """Give the change that takes this one back."""
        return ResolverChange(self.path, self.after, self.before)


def check_dns(config: DnsConfig) -> None:
    """Refuse names and servers that have no place in a resolver file (CVE-2025-10680)."""
    if len(config.search) > MOST_NAMES or len(config.servers) > MOST_SERVERS:
        raise NetworkRefused("dns", f"more than {MOST_NAMES} names or {MOST_SERVERS} servers were given")
    for name in config.search:
        if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
            raise NetworkRefused("dns", f"'{name}' is not a DNS name")
    for server in config.servers:
        scoped = isinstance(server, IPv6Address) and server.scope_id is not None
        if scoped or server.is_multicast or server.is_unspecified or server.is_loopback:
            raise NetworkRefused("dns", f"{server} cannot be a DNS server behind the tunnel")


def with_tunnel(now: FileState, config: DnsConfig) -> FileState:
    """Write the tunnel's servers and names in front of what the file says now (resolv.conf(5)).

    The last `search` or `domain` line counts, so the old ones become one with ours; every other
    line stays as it is.
    """
    check_dns(config)
    lines = (now.content or b"").splitlines()
    names = [name.encode() for name in config.search]
    old = [line.split()[1:] for line in lines if line.split()[:1] in ([b"search"], [b"domain"])]
    search = list(dict.fromkeys(names + (old[-1] if old else [])))
    kept = [line for line in lines if line.split()[:1] not in ([b"search"], [b"domain"])]
    written = [
        HEADER,
        *([b"search " + b" ".join(search)] if search else []),
        *(b"nameserver " + str(server).encode() for server in config.servers),
        *kept,
    ]
    return FileState(b"\n".join(written) + b"\n", None, now.mode, now.owner, now.group)


def read_state(path: Path) -> FileState:
    """Read a resolver file as it is; where it is a link, also what a reader finds behind it."""
    try:
        return _read_state(path)
    except FileNotFoundError:
        return FileState()
    except OSError as error:
        raise NetworkRefused("dns", f"{path} cannot be read: {reason(error)}") from error


def change_resolver(change: ResolverChange) -> None:
    """Make the change in one rename; refuse where somebody else wrote the file in the meantime."""
    now = read_state(change.path)
    if now.holds_the_same(change.after):
        return
    if not now.holds_the_same(change.before):
        raise NetworkRefused("dns", f"{change.path} was changed by another program and was left as it is")
    try:
        _put(change.path, change.after)
    except OSError as error:
        raise NetworkRefused("dns", f"{change.path} cannot be replaced: {reason(error)}") from error


def sweep(path: Path) -> None:
    """Remove what a replacement that was cut short left beside the file."""
    with suppress(OSError):
        _beside(path).unlink()


def _read_state(path: Path) -> FileState:
    seen = path.lstat()
    if not (stat.S_ISLNK(seen.st_mode) or stat.S_ISREG(seen.st_mode)):
        raise NetworkRefused("dns", f"{path} is neither a file nor a link")
    link = os.readlink(path) if stat.S_ISLNK(seen.st_mode) else None  # noqa: PTH115  # a Path would tidy the text
    try:
        content = _read_bounded(path)
    except FileNotFoundError:
        content = None
    mode = 0o644 if link is not None else stat.S_IMODE(seen.st_mode)
    return FileState(content, link, mode, seen.st_uid, seen.st_gid)


def _read_bounded(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NetworkRefused("dns", f"{path} does not lead to a file")
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise NetworkRefused("dns", f"{path} is larger than {LARGEST_FILE} bytes")
    return content


def _put(path: Path, state: FileState) -> None:
    beside = _beside(path)
    sweep(path)
    if state.link is not None:
        beside.symlink_to(state.link)
        os.chown(beside, state.owner, state.group, follow_symlinks=False)
    elif state.content is None:
        path.unlink()
        return
    else:
        _write(beside, state.content, state)
    try:
        beside.replace(path)
    except OSError:
        sweep(path)
        raise


def _write(path: Path, content: bytes, state: FileState) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchown(descriptor, state.owner, state.group)
            os.fchmod(descriptor, state.mode)
            os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.sekisho")


# Fixed by RFC 1035 §2.3.4 and RFC 952; an underscore is common in private zones.
NAME = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)
LONGEST_NAME = 253

# Our choices.
HEADER = b"# Sekisho: written while the tunnel is open, and put back at its end."
MOST_NAMES, MOST_SERVERS = 32, 3
LARGEST_FILE = 1 << 20
