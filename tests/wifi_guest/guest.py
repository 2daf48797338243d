"""Boots the guest and gives what it wrote; the host's files are shown to it, and it can change none of them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.wifi_guest.initrd import kernel, write_initrd
from tests.wifi_guest.packages import unpacked

Told = Mapping[str, object]


def ask_guest(folder: Path) -> Mapping[str, Told]:
    """Boot, have `inside` try every network, and give its answers by the network's name."""
    root = unpacked()
    answers, console = folder / "answers", folder / "console"
    write_initrd(root, BEGIN.format(root=root, here=Path.cwd(), python=sys.executable), folder / "initrd")
    with console.open("wb") as log:
        subprocess.run(
            (
                *("/usr/bin/qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-nodefaults"),
                *("-display", "none", "-no-reboot", "-nic", "none"),
                *("-kernel", str(kernel(root)), "-initrd", str(folder / "initrd")),
                *("-append", "console=ttyS0 panic=-1 quiet loglevel=4"),
                *("-serial", "stdio", "-serial", f"file:{answers}"),
                *("-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"),
            ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=LONGEST,
            check=False,
        )
    told = [json.loads(line) for line in answers.read_text().splitlines()]
    assert told, console.read_text(errors="replace")[-3000:]
    assert told[-1] == {"done": True}, (told, console.read_text(errors="replace")[-3000:])
    return {each["network"]: each for each in told[:-1]}


# Our choices.
LONGEST = 280.0
BEGIN = """\
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host /host
mount -t overlay -o ro,lowerdir=/host{root}/usr:/host/usr overlay /host/usr
mount -t proc proc /host/proc
mount -t sysfs -o ro sysfs /host/sys
mount -t devtmpfs dev /host/dev
mount -t tmpfs tmpfs /host/run
mount -t tmpfs tmpfs /host/var
mkdir -p /host/run/net /host/run/NetworkManager /host/var/lib/NetworkManager
ip link set lo up
cd /host
chroot /host /bin/sh -c 'cd {here} && exec env PATH=/usr/sbin:/usr/bin PYTHONDONTWRITEBYTECODE=1 \\
  LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu \\
  {python} -m tests.wifi_guest.inside {root}'
poweroff -f"""
