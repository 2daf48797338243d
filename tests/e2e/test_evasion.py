"""Ways around the approved list: each closes the open tunnel, or stands in docs/limits.md as one that is not seen."""

import subprocess
from collections.abc import Callable

import pytest

from tests.e2e.visit import Visit
from tests.lab.laptop import CHECKOUT, INTERPRETER, Laptop
from tests.lab.run import Program
from tests.lab.unapproved import Unapproved

pytestmark = pytest.mark.lab
Trick = Callable[[Laptop], Program]


def start(laptop: Laptop, *argv: str) -> Program:
    """Start something as the doctor."""
    return laptop.start_as_doctor("trick", argv)


def under_a_system_programs_name(laptop: Laptop) -> Program:
    return start(laptop, Unapproved.install(laptop, "systemd-logind"), "3600")


def in_a_folder_that_anybody_may_write(laptop: Laptop) -> Program:
    laptop.command("/usr/bin/install", "-d", "-m", "1777", "/run/lock/shared")
    laptop.command("/usr/bin/install", "-m", "0755", "/bin/sleep", "/run/lock/shared/sleep")
    return start(laptop, "/run/lock/shared/sleep", "3600")


def in_memory_only(laptop: Laptop) -> Program:
    return start(laptop, str(INTERPRETER), "-ISc", FROM_MEMORY)


def as_a_script_of_the_shell(laptop: Laptop) -> Program:
    return start(laptop, "/bin/sh", written(laptop, "visit.sh", "kill -STOP $$\n"))


def as_a_script_of_an_approved_interpreter(laptop: Laptop) -> Program:
    return start(laptop, str(INTERPRETER), "-I", written(laptop, "visit.py", "import time\ntime.sleep(3600)\n"))


def with_its_file_deleted_before_it_runs(laptop: Laptop) -> Program:
    path = Unapproved.install(laptop)
    return start(laptop, "/bin/sh", "-c", f"exec 9<{path}; rm {path}; exec /proc/self/fd/9 3600")


def in_a_container(laptop: Laptop) -> Program:
    return start(laptop, *CONTAINER, "--pid", "--fork", "--kill-child", Unapproved.install(laptop), "3600")


def mounted_over_an_approved_program(laptop: Laptop) -> Program:
    path = Unapproved.install(laptop)
    return start(laptop, *CONTAINER, "/bin/sh", "-c", f"mount --bind {path} {APPROVED}; exec {APPROVED} 3600")


def by_the_dynamic_loader(laptop: Laptop) -> Program:
    return start(laptop, LOADER, Unapproved.install(laptop), "3600")


def without_an_environment(laptop: Laptop) -> Program:
    return start(laptop, "/usr/bin/env", "-i", Unapproved.install(laptop), "3600")


def with_the_rights_of_root(laptop: Laptop) -> Program:
    path = "/home/doctor/helper"
    laptop.command("/usr/bin/install", "-m", "4755", "/bin/sleep", path)
    return start(laptop, path, "3600")


def under_a_name_that_steers_the_screen(laptop: Laptop) -> Program:
    path = f"/home/doctor/{STEERING}"
    laptop.command("/usr/bin/install", "-m", "0755", "/usr/bin/perl", path)
    return start(laptop, path, "-e", '$0 = "\\e[2J\\xff\\xe2\\x80\\xae"; sleep 3600')


CAUGHT: dict[Trick, str] = {
    under_a_system_programs_name: "'/home/doctor/systemd-logind'",
    in_a_folder_that_anybody_may_write: "'/run/lock/shared/sleep'",
    in_memory_only: "memfd:sleep",
    as_a_script_of_the_shell: "'/home/doctor/visit.sh'",
    as_a_script_of_an_approved_interpreter: "'/home/doctor/visit.py'",
    with_its_file_deleted_before_it_runs: "'/home/doctor/desk-remote'",
    in_a_container: "'/home/doctor/desk-remote'",
    mounted_over_an_approved_program: "'/usr/bin/sleep'",
    by_the_dynamic_loader: "'/home/doctor/desk-remote'",
    without_an_environment: "'/home/doctor/desk-remote'",
    with_the_rights_of_root: "'/home/doctor/helper'",
    under_a_name_that_steers_the_screen: "\\u001b[31m\\u202efdp.report",
}


@pytest.mark.parametrize("trick", CAUGHT, ids=lambda trick: trick.__name__)
def test_a_program_that_nobody_approved_cuts_the_tunnel_also(running: Visit, trick: Trick) -> None:
    running.connect()
    program = trick(running.scene.laptop)
    told = running.is_cut("apps.unapproved")
    program.kill()
    assert CAUGHT[trick] in told.seen
    assert (told.outcome, told.who) == ("fail", "you")
    assert told.seen.isprintable()


def as_code_among_the_arguments(laptop: Laptop) -> Program:
    return start(laptop, str(INTERPRETER), "-ISc", RUNS)


def as_code_on_standard_input(laptop: Laptop) -> Program:
    return start(laptop, "/bin/sh", "-c", f"exec {INTERPRETER} -IS - <{written(laptop, 'visit', RUNS)}")


def as_a_library_preloaded_into_an_approved_program(laptop: Laptop) -> Program:
    library = laptop.command("/bin/sh", "-c", "echo /lib/*/libm.so.6").split()[0]
    laptop.command("/usr/bin/install", "-m", "0755", library, "/home/doctor/visit.so")
    code = f"assert 'visit.so' in open('/proc/self/maps').read()\n{RUNS}"
    return start(laptop, "/usr/bin/env", "LD_PRELOAD=/home/doctor/visit.so", str(INTERPRETER), "-ISc", code)


NOT_SEEN: dict[Trick, str] = {
    as_code_among_the_arguments: "Code that is no file in the arguments shows as the interpreter alone: `-c`",
    as_code_on_standard_input: "standard input",
    as_a_library_preloaded_into_an_approved_program: "Code loaded into an approved program is not seen: LD_PRELOAD",
}


@pytest.mark.parametrize("trick", NOT_SEEN, ids=lambda trick: trick.__name__)
def test_code_without_a_program_of_its_own_is_let_through_and_listed_as_not_seen(running: Visit, trick: Trick) -> None:
    program = trick(running.scene.laptop)
    program.wait_ready(lambda: program.log.read_text().endswith("runs\n"), WAIT)
    running.connect()
    assert program.alive
    program.kill()
    assert NOT_SEEN[trick] in " ".join((CHECKOUT / "docs" / "limits.md").read_text().split())


def test_a_program_that_takes_over_the_pid_of_an_approved_one_is_no_old_acquaintance(running: Visit) -> None:
    laptop, path = running.scene.laptop, Unapproved.install(running.scene.laptop)
    argv = (str(INTERPRETER), "-ISc", SAME_PID, str(laptop.uid), APPROVED, path)
    twins = laptop.run.start("twins", argv, enter=laptop.enter, stdin=subprocess.PIPE)
    twins.wait_ready(lambda: len(pids_told(twins)) == 1, WAIT)
    running.connect()
    say(twins)
    told = running.is_cut("apps.unapproved")
    assert path in told.seen
    first, second = pids_told(twins)
    assert first == second
    say(twins)
    assert twins.wait() == 0


def test_a_forbidden_program_is_known_by_its_content_under_any_name(visit: Visit) -> None:
    laptop = visit.scene.laptop
    path = Unapproved.install(laptop, "notes")
    digest = laptop.command("/usr/bin/sha256sum", path).split()[0]
    approved = f"    sha256: [{digest}]\n"
    visit.start(visit.scene.policy + approved + f"  forbidden:\n    - title: Desk Remote\n      sha256: {digest}\n")
    visit.connect()
    program = start(laptop, path, "3600")
    assert "Desk Remote" in visit.is_cut("apps.forbidden").seen
    program.kill()


def written(laptop: Laptop, name: str, text: str) -> str:
    """Write a file into the doctor's home; return its path there."""
    path = f"/home/doctor/{name}"
    laptop.file(path).write_text(text)
    return path


def pids_told(program: Program) -> list[int]:
    """Read the process numbers that a program has told."""
    return [int(line) for line in program.log.read_text().splitlines()]


def say(program: Program) -> None:
    """Let a program that waits go on."""
    assert program.process.stdin is not None
    program.process.stdin.write(b"\n")
    program.process.stdin.flush()


APPROVED = "/usr/bin/sleep"
LOADER = "/lib64/ld-linux-x86-64.so.2"
CONTAINER = ("/usr/bin/unshare", "--user", "--map-root-user", "--mount")
STEERING = "\x1b[31m\u202efdp.report"
WAIT = 10.0
RUNS = "import time\nprint('runs', flush=True)\ntime.sleep(3600)\n"
FROM_MEMORY = """
import os
memory = os.memfd_create("sleep")
os.write(memory, open("/bin/sleep", "rb").read())
os.execve(memory, ["sleep", "3600"], {})
"""

# Root may choose the next process's number (clone3 with set_tid); the child then becomes the doctor's program.
SAME_PID = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
uid, first, second = int(sys.argv[1]), *sys.argv[2:]

def become(path):
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
    os.execv(path, [path, "3600"])

def wait(pid):
    print(pid, flush=True)
    sys.stdin.readline()
    os.kill(pid, 9)
    os.waitpid(pid, 0)

old = os.fork() or become(first)
wait(old)
wanted = ctypes.c_int(old)
how = (ctypes.c_uint64 * 10)(0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(wanted), 1)
new = libc.syscall(435, how, ctypes.sizeof(how))
if new == 0:
    become(second)
if new < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
wait(new)
"""
