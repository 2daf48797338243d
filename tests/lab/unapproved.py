"""Knows how to run a program that nobody approved, as the doctor: a copy of /bin/sleep under a name of its own.

Never runs it as anybody else, for the policy of the lab judges the doctor's programs only.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.lab.laptop import Laptop
from tests.lab.run import Program, wait_until


@dataclass(frozen=True)
class Unapproved:
    """A program that belongs to no package, running in the doctor's home until `end`."""

    program: Program
    path: str

    @classmethod
    def start(cls, laptop: Laptop, name: str = "desk-remote") -> Self:
        """Copy the program, start it and wait until it is the copy that runs."""
        path = cls.install(laptop, name)
        program = laptop.start_as_doctor(name, (path, "3600"))
        wait_until(lambda: _is_running(laptop, program, path), f"the start of {path}", 20.0, pause=0.001)
        return cls(program, path)

    @staticmethod
    def install(laptop: Laptop, name: str = "desk-remote") -> str:
        """Copy the program into the doctor's home without starting it; return its path on the laptop."""
        path = f"/home/doctor/{name}"
        laptop.command("/usr/bin/install", "--mode=0755", f"--owner={laptop.uid}", "/bin/sleep", path)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the program."""
        self.program.stop()


def _is_running(laptop: Laptop, program: Program, path: str) -> bool:
    shown = laptop.command("/usr/bin/readlink", f"/proc/{program.pid}/exe").strip()
    return shown == path
