"""A made machine: the part of /, /sys and /proc that the probes of the laptop itself read, as files in a folder.

Paths and links are those of a real machine: a device lies below /sys/devices, and the short ways to it are links.
"""

import os
from pathlib import Path


class Machine:
    """Writes a tree below a folder; `root` and `proc` are what a probe is given."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.proc = folder / "proc"
        self._mounts: list[str] = []
        self.write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nsato:x:1000:1000:,,,:/home/sato:/bin/bash\n")
        self.write("etc/shadow", "root:*:19000:0:99999:7:::\nsato:$y$j9T$x:19000:0:99999:7:::\n")
        self.swaps()
        self.mounted("/", "254:0", "ext4", "/dev/vda")

    def write(self, path: str, content: str | bytes = "") -> Path:
        """Write a file of the machine."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def link(self, path: str, to: str) -> None:
        """Make a link of the machine to another place of it."""
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(self.root / to, link.parent))

    def mounted(
        self, place: str, device: str, kind: str, source: str, options: str = "rw,relatime", inner: str = "rw"
    ) -> None:
        """Mount a file system, as a line of mountinfo; the last of equal places covers the others."""
        number = 30 + len(self._mounts)
        self._mounts.append(f"{number} 1 {device} / {place} {options} shared:1 - {kind} {source} {inner}\n")
        self._write_proc("1/mountinfo", "".join(self._mounts))

    def swaps(self, *lines: str) -> None:
        """Set what is swapped to."""
        self._write_proc("swaps", "\n".join(["Filename\tType\tSize\tUsed\tPriority", *lines]) + "\n")

    def disk(self, number: str, name: str, bus: str = "pci0000:00/0000:00:1d.0/nvme/nvme0", size: int = 1_000) -> str:
        """Plug in a disk, and give its folder."""
        return self._device(number, name, f"sys/devices/{bus}/block/{name}", size)

    def partition(self, number: str, name: str, disk: str) -> str:
        """Divide a disk, and give the partition's folder."""
        folder = self._device(number, name, f"{disk}/{name}", 500)
        self.write(f"{folder}/partition", "1\n")
        return folder

    def virtual(self, number: str, name: str, *below: str) -> str:
        """Put a device on others, by their folders, and give its folder."""
        folder = self._device(number, name, f"sys/devices/virtual/block/{name}", 400)
        for slave in below:
            self.link(f"{folder}/slaves/{Path(slave).name}", slave)
            self.link(f"{slave}/holders/{name}", folder)
        return folder

    def cipher(self, number: str, name: str, kind: str, below: str) -> str:
        """Put a cipher's device on another, as cryptsetup names it."""
        folder = self.virtual(number, name, below)
        self.write(f"{folder}/dm/uuid", f"CRYPT-{kind}-0f1e2d3c4b5a69788796a5b4c3d2e1f0-{name}-crypt\n")
        self.write(f"{folder}/dm/name", f"{name}-crypt\n")
        return folder

    def service(self, name: str, *pids: int) -> None:
        """Start a service of systemd."""
        self.write(f"sys/fs/cgroup/system.slice/{name}/cgroup.procs", "".join(f"{pid}\n" for pid in pids))

    def _device(self, number: str, name: str, folder: str, size: int) -> str:
        self.write(f"{folder}/dev", f"{number}\n")
        self.write(f"{folder}/size", f"{size}\n")
        self.write(f"{folder}/ro", "0\n")
        self.link(f"sys/dev/block/{number}", folder)
        self.link(f"sys/class/block/{name}", folder)
        if "block" in Path(folder).parts[-2:]:
            self.link(f"sys/block/{name}", folder)
        return folder

    def _write_proc(self, path: str, content: str) -> None:
        file = self.proc / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
