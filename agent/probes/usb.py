"""Whether drivers for USB disks are barred, and which disks that can be taken away are plugged in.

It reads no disk. What USBGuard lets through is its own rules' affair: that it runs is all that is told.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.posture.facts import Grade, Observed, Told, Unseen, UsbStorage
from agent.posture.facts.device import RemovableDisk
from agent.probes.block_chain import read_cipher
from agent.probes.mounts import Mount, read_mounts
from agent.probes.small_files import UnreadableError, list_names, read_lines, read_word
from agent.probes.units import list_running


@dataclass(frozen=True, slots=True)
class _Part:
    """A disk, a part of it or a device on top: its number, its names below /dev, and whether a cipher lies below."""

    number: str
    sources: frozenset[str]
    sealed: bool


def look_at_usb(root: Path, proc: Path, boot: Callable[[], float]) -> Observed[UsbStorage] | Unseen:
    """Look at the drivers' rules and at the plugged-in disks; the one that `/` lies on is none of them."""
    try:
        disks = tuple(_list_disks(root / "sys/block", read_mounts(proc)))
        return Observed(UsbStorage(_are_barred(root), disks), Grade.ROOT, METHOD, boot())
    except UnreadableError as error:
        return Unseen(f"the plugged-in disks could not be looked at: {error}", boot())


def _are_barred(root: Path) -> Told:
    if (root / USBGUARD_CONF).exists():
        return _is_guarded(root)
    if any((root / "sys/module" / driver).exists() for driver in DRIVERS):
        return Told.NO
    stopped, ignored = _read_rules(root)
    return Told.YES if FIRST_DRIVER in stopped or stopped | ignored >= DRIVERS else Told.NO


def _is_guarded(root: Path) -> Told:
    with suppress(UnreadableError):
        if USBGUARD_UNIT in list_running(root):
            return Told.YES
    return Told.UNTOLD


def _read_rules(root: Path) -> tuple[set[str], set[str]]:
    """Read which drivers modprobe never loads, and which only when they are named (modprobe.d(5))."""
    stopped, ignored = set(), set()
    for line in _list_lines(root):
        match line.partition("#")[0].replace("-", "_").split():
            case ["install", driver, command] if command in DOES_NOTHING:
                stopped.add(driver)
            case ["blacklist", driver]:
                ignored.add(driver)
    return stopped, ignored


def _list_lines(root: Path) -> Iterator[str]:
    """List the lines of the rules' files, of which an earlier folder's hides a later one's of the same name."""
    files = {name: folder for folder in reversed(RULES) for name in list_names(root / folder) if name.endswith(".conf")}
    for name, folder in files.items():
        with suppress(UnreadableError):  # what cannot be read bars nothing
            yield from read_lines(root / folder / name)


def _list_disks(blocks: Path, mounts: Sequence[Mount]) -> Iterator[RemovableDisk]:
    for name in list_names(blocks):
        folder = Path(os.path.realpath(blocks / name))
        if not _is_removable(folder) or read_word(folder / "size") in NO_MEDIUM:
            continue
        parts = list(_list_parts(folder, blocks, DEEPEST, sealed=False))
        used = [(part, mount) for part in parts for mount in mounts if _holds(part, mount)]
        if any(mount.place == "/" for _, mount in used):
            continue
        yield RemovableDisk(
            name=name,
            mounted=bool(used),
            writable=read_word(folder / "ro") != "1" and any("rw" in mount.options for _, mount in used),
            sealed=_are_sealed([part for part, _ in used]),
        )


def _is_removable(folder: Path) -> bool:
    """Tell a disk that can be taken away: by its own word, by its bus, or as a memory card."""
    if read_word(folder / "removable") == "1" or read_word(folder / "device/type") == "SD":
        return True
    return any(part.startswith("usb") and part[3:].isdigit() for part in folder.parts)


def _list_parts(folder: Path, blocks: Path, depth: int, *, sealed: bool) -> Iterator[_Part]:
    """List a device, its parts and all that lies on them, down to a depth."""
    sealed = sealed or read_cipher(folder) is not None
    sources = {f"/dev/{folder.name}", f"/dev/mapper/{read_word(folder / 'dm/name')}"}
    yield _Part(read_word(folder / "dev"), frozenset(sources), sealed)
    if depth == 0:
        return
    for name in list_names(folder):
        if name.startswith(folder.name) and (folder / name / "partition").exists():
            yield from _list_parts(folder / name, blocks, depth - 1, sealed=sealed)
    for name in list_names(folder / "holders"):
        yield from _list_parts(Path(os.path.realpath(blocks / name)), blocks, depth - 1, sealed=sealed)


def _holds(part: _Part, mount: Mount) -> bool:
    return mount.device == part.number or mount.source in part.sources


def _are_sealed(parts: Sequence[_Part]) -> Told:
    if not parts:
        return Told.UNTOLD
    return Told.YES if all(part.sealed for part in parts) else Told.NO


# Fixed by the kernel, modprobe.d(5) and USBGuard; modprobe takes `-` and `_` for the same.
FIRST_DRIVER = "usb_storage"
DRIVERS = frozenset({FIRST_DRIVER, "uas"})  # the second needs the first
RULES = ("etc/modprobe.d", "run/modprobe.d", "usr/local/lib/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d")
DOES_NOTHING = frozenset({"/bin/true", "/bin/false", "/usr/bin/true", "/usr/bin/false"})
USBGUARD_CONF = "etc/usbguard/usbguard-daemon.conf"
USBGUARD_UNIT = "usbguard.service"
NO_MEDIUM = ("", "0")

# Our choices.
DEEPEST = 8
METHOD = "the rules of modprobe, and the kernel's tables of disks and mounts"
