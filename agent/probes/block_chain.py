"""The way down from a folder to the disks that hold it, and the first thing on it that seals what is stored.

Read from the kernel's own tables: no device is opened and no program asked. Where several disks hold
it, the one that is sealed worst counts; what cannot be followed to its end is untold.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.posture.facts.device import Seal
from agent.probes.mounts import Mount, find_mount
from agent.probes.small_files import UnreadableError, list_names, read_word


@dataclass(frozen=True, slots=True)
class Ground:
    """What seals a place, what lies below it from the file system down to the disk, and why that was not told."""

    seal: Seal
    chain: tuple[str, ...] = ()
    why: str = ""


def untold(why: str) -> Ground:
    """Say that what seals a place could not be told."""
    return Ground(Seal.UNTOLD, (), why)


def worst(grounds: Iterable[Ground]) -> Ground:
    """Choose what is sealed worst of all that holds a part."""
    return min(grounds, key=lambda ground: WORST_FIRST.get(ground.seal, len(WORST_FIRST)), default=untold(NOTHING))


def read_cipher(folder: Path) -> Seal | None:
    """Tell by its folder below /sys what a device encrypts with; None where it does not."""
    uuid = read_word(folder / "dm/uuid")
    if uuid.startswith(LUKS):
        return Seal.LUKS
    return Seal.DM_CRYPT if uuid.startswith(OTHER_CIPHERS) else None


class BlockChain:
    """Walks down below `root`, the machine's own tree, along the mounts that were read."""

    def __init__(self, root: Path, mounts: Sequence[Mount]) -> None:
        """Remember every step, so that none is made twice and a circle ends."""
        self._root = root
        self._mounts = mounts
        self._known: dict[str, Ground] = {}
        self._depth = 0

    def below_place(self, place: str) -> Ground:
        """Find what seals a folder or a file."""
        return self._once(f"place {place}", lambda: self._place(self._follow(place)))

    def below_source(self, path: str) -> Ground:
        """Find what seals a block device that is named by a path below /dev."""
        return self._named(self._name_device(path))

    def _name_device(self, path: str) -> str:
        """Give the kernel's name of a block device that is named by a path; empty where it is not known."""
        name = Path(self._follow(path)).name
        blocks = self._root / "sys/class/block"
        if (blocks / name).exists():
            return name
        return next((block for block in list_names(blocks) if read_word(blocks / block / "dm/name") == name), "")

    def _named(self, name: str) -> Ground:
        return self._device(self._root / "sys/class/block" / name) if name else untold(NOTHING)

    def _once(self, step: str, walk: Callable[[], Ground]) -> Ground:
        known = self._known.get(step)
        if known is not None:
            return known
        if len(self._known) >= MOST_STEPS or self._depth >= DEEPEST:
            return untold("too many devices lie below each other")
        self._known[step] = untold("the devices lie below each other in a circle")
        self._depth += 1
        try:
            found = walk()
        except UnreadableError as error:
            found = untold(f"a device could not be read: {error}")
        finally:
            self._depth -= 1
        self._known[step] = found
        return found

    def _follow(self, place: str) -> str:
        """Follow links as far as they stay below the root."""
        real, root = os.path.realpath(self._root / place.lstrip("/")), os.path.realpath(self._root).rstrip("/")
        return real.removeprefix(root) or "/" if real.startswith(f"{root}/") or real == root else place

    def _place(self, place: str) -> Ground:
        mount = find_mount(self._mounts, place)
        if mount is None:
            return untold("it lies in no mounted file system")
        kind = mount.kind.partition(".")[0]  # what follows may be any name that a user gave
        if kind in FSCRYPT_KINDS and _has_policy(self._root / place.lstrip("/")):
            return Ground(Seal.FSCRYPT, (kind,))
        return _under(kind, self._below_mount(mount, kind))

    def _below_mount(self, mount: Mount, kind: str) -> Ground:
        if kind in MEMORY_KINDS:
            return Ground(Seal.MEMORY)
        if kind in UNTOLD_KINDS:
            return untold(UNTOLD_KINDS[kind])
        if kind == "overlay":
            return self._below_overlay(mount)
        if kind == "btrfs":
            return self._below_btrfs(mount)
        if mount.device.startswith("0:"):
            return untold("its kind of file system is not known")
        return self._device(self._root / "sys/dev/block" / mount.device)

    def _below_overlay(self, mount: Mount) -> Ground:
        """Follow the layer that is written to; without one, the layers that are read."""
        named = dict(option.partition("=")[::2] for option in mount.inner)
        layers = named["upperdir"] if "upperdir" in named else named.get("lowerdir", "")
        return worst(self.below_place(layer) for layer in layers.split(":")[:MOST_LAYERS] if layer)

    def _below_btrfs(self, mount: Mount) -> Ground:
        """Find all devices of the file system by the one that is named as its source."""
        source = self._name_device(mount.source)
        systems = self._root / "sys/fs/btrfs"
        for system in list_names(systems):
            devices = list_names(systems / system / "devices")
            if source in devices:
                return worst(self._named(device) for device in devices)
        return untold("the devices of a btrfs could not be told")

    def _device(self, link: Path) -> Ground:
        folder = Path(os.path.realpath(link))
        if not folder.is_dir():
            return untold(NOTHING)
        return self._once(f"device {folder}", lambda: _under(folder.name, self._below(folder)))

    def _below(self, folder: Path) -> Ground:
        cipher = read_cipher(folder)
        if cipher is not None:
            return Ground(cipher)
        slaves = list_names(folder / "slaves")
        if slaves:
            return worst(self._device(folder / "slaves" / slave) for slave in slaves)
        backing = read_word(folder / "loop/backing_file") or read_word(folder / "backing_dev")
        if backing.startswith("/dev/"):
            return self.below_source(backing)
        if backing.startswith("/"):
            return self.below_place(backing)
        if (folder / "partition").exists():
            return self._device(folder.parent)
        return _end(folder.name)


def _end(name: str) -> Ground:
    """Say what a device without anything below it is."""
    if name.startswith(MEMORY_DEVICES):
        return Ground(Seal.MEMORY)
    if name.startswith(NETWORK_DEVICES):
        return untold(ELSEWHERE)
    if name.startswith(("dm-", "md", "loop")):
        return untold(NOTHING)
    return Ground(Seal.NONE)


def _under(name: str, ground: Ground) -> Ground:
    return replace(ground, chain=(name, *ground.chain)[:LONGEST_CHAIN])


def _has_policy(folder: Path) -> bool:
    """Ask the kernel whether what lies in a place is sealed by fscrypt; a file system without it says no."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent  # what is made there later inherits it
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        size = POLICY_SIZE.to_bytes(8, sys.byteorder)
        fcntl.ioctl(descriptor, FS_IOC_GET_ENCRYPTION_POLICY_EX, bytearray(size + bytes(POLICY_SIZE)))
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


ELSEWHERE = "it lies on another computer"
NOTHING = "the kernel does not show what it lies on"
WORST_FIRST = {Seal.NONE: 0, Seal.UNTOLD: 1}

# Fixed by the kernel (linux/fscrypt.h) and by cryptsetup, which marks its devices.
FS_IOC_GET_ENCRYPTION_POLICY_EX = 0xC0096616
POLICY_SIZE = 24
LUKS = ("CRYPT-LUKS1-", "CRYPT-LUKS2-")
OTHER_CIPHERS = ("CRYPT-PLAIN-", "CRYPT-TCRYPT-", "CRYPT-BITLK-", "CRYPT-LOOPAES-", "CRYPT-FVAULT2-")
FSCRYPT_KINDS = frozenset({"ext4", "f2fs", "ubifs"})
MEMORY_KINDS = frozenset({"tmpfs", "ramfs", "devtmpfs"})
MEMORY_DEVICES = ("zram", "ram")
NETWORK_DEVICES = ("nbd", "rbd", "drbd")
UNTOLD_KINDS = {
    "zfs": "the encryption of ZFS shows only to its own programs",
    "fuse": "a program of its own stores it",
    "ecryptfs": "the encryption of eCryptfs does not show",
    **dict.fromkeys(("nfs", "nfs4", "cifs", "smb3", "ceph", "afs", "9p", "virtiofs"), ELSEWHERE),
}

# Our choices.
MOST_STEPS = 512
DEEPEST = 24
MOST_LAYERS = 64
LONGEST_CHAIN = 32
