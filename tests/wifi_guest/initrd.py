"""Writes the first file system of the guest: one shell, the kernel modules that are needed, and how to begin."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path


def write_initrd(root: Path, begin: str, file: Path) -> None:
    """Write a compressed archive (cpio, newc) with busybox, the modules of `root` and the script `begin`."""
    modules = list(_ordered({path.stem.replace("-", "_"): path for path in root.glob("lib/modules/*/kernel/**/*.ko")}))
    loads = "\n".join(f"insmod /modules/{module.name} {OPTIONS.get(module.stem, '')}" for module in modules)
    packed = b"".join(_member(folder, b"", 0o040755) for folder in ("bin", "modules", "host", "proc"))
    packed += _member("bin/busybox", (root / "bin/busybox").read_bytes(), 0o100755)
    packed += _member("init", f"{HEAD}\n{loads}\n{begin}\n".encode(), 0o100755)
    for module in modules:
        packed += _member(f"modules/{module.name}", module.read_bytes(), 0o100644)
    file.write_bytes(gzip.compress(packed + _member("TRAILER!!!", b"", 0), compresslevel=1))


def kernel(root: Path) -> Path:
    """Give the kernel's file."""
    return next(root.glob("boot/vmlinuz-*"))


def _ordered(available: dict[str, Path]) -> Iterator[Path]:
    """Give the wanted modules, each after those that it needs."""
    done: dict[str, None] = {}

    def add(name: str) -> Iterator[Path]:
        if name in done or name not in available:
            return
        done[name] = None
        found = re.search(rb"\0depends=([^\0]*)\0", available[name].read_bytes())
        for needed in (found[1].decode() if found else "").split(","):
            yield from add(needed.replace("-", "_"))
        yield available[name]

    for name in WANTED:
        yield from add(name)


def _member(name: str, content: bytes, mode: int) -> bytes:
    path = name.encode() + b"\0"
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + path
    head += bytes(-len(head) % 4)
    return head + content + bytes(-len(content) % 4)


# Our choices.
WANTED = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "ctr", "ccm", "cmac", "gcm", "mac80211_hwsim")
OPTIONS = {"mac80211_hwsim": "radios=8"}
HEAD = """\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc"""
