"""Knows the doctor's laptop: its own network, /etc, /home and /run, a user `doctor`, but the machine's processes.

Never writes to the machine's own /etc, /home or /run: all three are covered inside a private mount namespace, so a
daemon that replaces /etc/resolv.conf replaces the laptop's. PID namespaces are not used: the kernel's process events
speak of root PIDs, and the look helper listens in the root network namespace.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.lab.namespaces import ROUTER_LAN, Namespace
from tests.lab.run import BARE_ENVIRONMENT, ROOT, Program, Run, run_command, try_command


@dataclass(frozen=True)
class Laptop:
    """A laptop that is switched on; `enter` goes in front of any command that shall run on it as root."""

    run: Run = field(repr=False)
    space: Namespace
    anchor: Program = field(repr=False)
    uid: int

    @classmethod
    def boot(cls, run: Run, space: Namespace) -> Self:
        """Cover /etc, /home and /run, make the user, and hold the mount namespace open until the run closes."""
        uid = FIRST_UID + os.getpid() * 8 + next(_numbers) % 8
        script = run.path("boot.sh")
        script.write_text(_boot_script(run.path("disk", "x").parent, uid))
        argv = (*NEW_MOUNTS, "/bin/sh", str(script))
        anchor = run.start("laptop", argv, enter=space.enter_network, stdin=subprocess.PIPE)
        anchor.wait_ready(lambda: b"ready" in anchor.log.read_bytes(), BOOT_SECONDS)
        return cls(run, space, anchor, uid)

    @property
    def enter(self) -> tuple[str, ...]:
        return ("/usr/bin/nsenter", f"--target={self.anchor.pid}", "--mount", "--net", "--")

    @property
    def enter_as_doctor(self) -> tuple[str, ...]:
        return (*self.enter, "/usr/bin/setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", "--")

    def file(self, path: str) -> Path:
        """Name a file of the laptop so that it can be opened from outside."""
        return Path(f"/proc/{self.anchor.pid}/root") / path.lstrip("/")

    def command(self, *argv: str, seconds: float = 30.0) -> str:
        """Run a command as root to its end and return its output; a failure raises LabError."""
        return run_command(argv, enter=self.enter, seconds=seconds)

    def doctor(
        self, *argv: str, env: Mapping[str, str] | None = None, seconds: float = 30.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command as the doctor to its end, whatever it answers."""
        variables = [f"{name}={value}" for name, value in {**DOCTOR_ENVIRONMENT, **(env or {})}.items()]
        return try_command(("/usr/bin/env", "-i", *variables, *argv), enter=self.enter_as_doctor, seconds=seconds)

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Program:
        """Start a program as root; the run ends it."""
        return self.run.start(name, argv, enter=self.enter, env=env)

    def start_as_doctor(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Program:
        """Start a program as the doctor; the run ends it."""
        return self.run.start(name, argv, enter=self.enter_as_doctor, env={**DOCTOR_ENVIRONMENT, **(env or {})})


def _boot_script(disk: Path, uid: int) -> str:
    """Write the shell script that makes the laptop out of a fresh mount namespace, then waits on its input."""
    lines = [
        "set -e",
        f"mount -t tmpfs -o mode=0755 laptop {disk}",
        f"cd {disk}",
        "mkdir upper work home home/doctor run run/dbus run/sekisho run/lock run/sekisho-lab",
        f"chown {uid}:{uid} home/doctor",
        f"mount --rbind {ROOT} run/sekisho-lab",
        f"ln -s {disk.parent}/{BUS_SOCKET} run/dbus/system_bus_socket",
        *_uncover(_closed_folders(NEEDED)),
        "mount -t overlay -o lowerdir=/etc,upperdir=upper,workdir=work laptop-etc /etc",
        "mount --rbind home /home",
        "mount --rbind run /run",
        "rm -f /etc/resolv.conf",
        f"printf '{HOTEL_RESOLV_CONF}' > /etc/resolv.conf",
        f"echo 'doctor:x:{uid}:{uid}:The doctor:/home/doctor:/bin/sh' >> /etc/passwd",
        f"echo 'doctor:x:{uid}:' >> /etc/group",
        "echo ready",
        "exec cat",
    ]
    return "\n".join(lines) + "\n"


def _uncover(closed: Mapping[Path, Sequence[Path]]) -> Iterator[str]:
    """Show the interpreter and the checkout to the doctor also when they lie in a folder closed to him (/root)."""
    for folder, paths in closed.items():
        for number, path in enumerate(paths):
            yield f"mkdir -p shown{folder}/{number} && mount --rbind {path} shown{folder}/{number}"
        yield f"mount -t tmpfs -o mode=0755 shown {folder}"
        for number, path in enumerate(paths):
            yield f"mkdir -p {path} && mount --rbind shown{folder}/{number} {path}"


def _closed_folders(paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Group the paths by the first folder on the way that others may not enter."""
    closed: dict[Path, list[Path]] = {}
    for path in sorted(set(paths)):
        shut = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001]
        if shut:
            closed.setdefault(shut[0], []).append(path)
    return closed


# Our choices
CHECKOUT = Path(__file__).parents[2]
INTERPRETER = Path(sys.executable).resolve()
NEEDED = (CHECKOUT, Path(sys.prefix).resolve(), INTERPRETER.parents[1])
NEW_MOUNTS = ("/usr/bin/unshare", "--mount", "--propagation", "private", "--")
BUS_SOCKET = "bus/system_bus_socket"
HOTEL_RESOLV_CONF = f"# written by the hotel\\nsearch hotel.test\\nnameserver {ROUTER_LAN}\\n"
DOCTOR_ENVIRONMENT = {**BARE_ENVIRONMENT, "HOME": "/home/doctor", "USER": "doctor", "LOGNAME": "doctor"}
FIRST_UID = 200_000
BOOT_SECONDS = 10.0
_numbers = itertools.count()
