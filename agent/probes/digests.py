"""The sha256 of files that run, remembered for as long as a file stands unchanged.

It opens a file only by what the process folder leads to, never by a path someone could swap, and never
remembers a file that changed so lately that a second change could carry the same time, or whose file system
could lie about that.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from agent.probes.digest_store import MOST_STORED, read_hashes, write_hashes
from agent.probes.processes import File, Image, state_of
from agent.probes.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Digest:
    """The hex sha256 of a file, or why there is none."""

    sha256: str | None
    unhashed: str = ""


@dataclass(slots=True)
class Digests:
    """Hashes files and remembers them by device, inode, size, mtime and ctime; `wall_ns` is the wall clock.

    Those that only root may write and that lie where the system does outlive a restart in the file `store`.
    """

    wall_ns: Callable[[], int]
    volumes: Volumes = field(default_factory=Volumes)
    store: Path | None = None
    _known: OrderedDict[File, Digest] = field(default_factory=OrderedDict, init=False)
    _stored: frozenset[File] = field(default=frozenset(), init=False)

    def prepare(self) -> None:
        """Take over what was stored, but nothing that changes only in the future."""
        hashes = {} if self.store is None else read_hashes(self.store)
        self._stored = frozenset(hashes)
        self._known.update({file: Digest(sha256) for file, sha256 in hashes.items() if self._may_outlive(file)})

    def save(self) -> None:
        """Store what may outlive us, if that has changed; raise `OSError`."""
        kept = {file: digest.sha256 or "" for file, digest in self._known.items() if self._may_outlive(file)}
        if self.store is None or kept.keys() == self._stored:
            return
        write_hashes(self.store, kept.items())
        self._stored = frozenset(kept)

    def of(self, folder: int, image: Image) -> Digest:
        """Give the hash of a file below a process folder; read it unless it is known unchanged."""
        if image.file is None:
            return Digest(None, "the file cannot be examined")
        known = self._known.get(image.file)
        if known is not None:
            self._known.move_to_end(image.file)
            return known
        if image.file.size > LARGEST_FILE:
            return Digest(None, "the file is larger than 1 GiB")
        digest = _hash(folder, image.inside, image.file)
        if digest.sha256 is not None and self._is_settled(image.file) and self.volumes.hold(image.file.device):
            self._remember(image.file, digest)
        return digest

    def _is_settled(self, file: File) -> bool:
        return self.wall_ns() - max(file.ctime_ns, file.mtime_ns) > SETTLED_NS

    def is_fixed(self, file: File) -> bool:
        """Tell whether only root can change what a file of this state holds."""
        return not file.writable and self.volumes.hold(file.device)

    def _may_outlive(self, file: File) -> bool:
        return self.is_fixed(file) and self._is_settled(file)

    def _remember(self, file: File, digest: Digest) -> None:
        self._known[file] = digest
        if len(self._known) > MOST_STORED:
            self._known.popitem(last=False)


def _hash(folder: int, inside: bytes, expected: File) -> Digest:
    try:
        file = os.open(inside, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError):
        return Digest(None, "the program ended before its file was read")
    except OSError:
        return Digest(None, "the file cannot be opened")
    try:
        return _hash_opened(file, expected)
    except OSError:
        return Digest(None, "the file cannot be read")
    finally:
        os.close(file)


def _hash_opened(file: int, expected: File) -> Digest:
    if state_of(os.fstat(file)) != expected:
        return Digest(None, CHANGED)
    whole, left = sha256(), expected.size
    while left > 0:
        piece = os.read(file, min(left, PIECE))
        if not piece:
            return Digest(None, CHANGED)
        whole.update(piece)
        left -= len(piece)
    if state_of(os.fstat(file)) != expected:
        return Digest(None, CHANGED)
    return Digest(whole.hexdigest())


# Our choices.
LARGEST_FILE = 1 << 30
PIECE = 1 << 18
SETTLED_NS = 2_000_000_000
CHANGED = "the file changed while it was read"
