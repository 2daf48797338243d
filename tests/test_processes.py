"""Programs are told by the file that runs, whatever they call themselves and however they hide it."""

import os
import re
import signal
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Observed, Program, Programs, Unseen
from agent.probes import digests, scripts
from agent.probes.codec import Scope
from agent.probes.digests import Digest, Digests
from agent.probes.packages import DPKG, Packages
from agent.probes.processes import File, Image, Missing, examine, opened, read_uids, read_vitals
from agent.probes.programs import ProgramProbe, list_homes
from tests.processes import PYTHON, SLEEP, UNSHARE, Stage, as_user, cmdline, staged, wait_for

BASH = "/usr/bin/bash"
DASH = "/usr/bin/dash"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture(scope="module")
def probe() -> Iterator[ProgramProbe]:
    probe = ProgramProbe(Packages(DPKG), Digests(time.time_ns), time.monotonic, Path("/proc"))
    yield probe
    probe.close()


def programs(probe: ProgramProbe, scope: Scope) -> Programs:
    probe.forget_scripts()
    observed = probe.look(scope)
    assert isinstance(observed, Observed)
    return observed.value


def only(probe: ProgramProbe, stage: Stage, **scope: object) -> Program:
    (program,) = programs(probe, Scope(frozenset({stage.uid}), **scope)).running  # type: ignore[arg-type]  # a test's own words
    return program


def hash_of(path: str | Path) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.lab
def test_a_program_of_a_package_is_told_by_its_package_and_not_hashed(probe: ProgramProbe, stage: Stage) -> None:
    pid = stage.start(SLEEP, "60")
    program = only(probe, stage)
    assert (program.pid, program.uid, program.name, program.path) == (pid, stage.uid, "sleep", SLEEP)
    assert program.package is not None
    assert (program.package.manager, program.package.name) == ("dpkg", "coreutils")
    assert (program.sha256, program.unhashed, program.script, program.replaced) == (None, "", None, False)


@pytest.mark.lab
@pytest.mark.parametrize("scope", [{"hash": "all"}, {"listed": (SLEEP,)}, {"listed": ("/nothing", "/usr/*/sl??p")}])
def test_a_program_of_a_package_is_hashed_when_asked(
    probe: ProgramProbe, stage: Stage, scope: dict[str, object]
) -> None:
    stage.start(SLEEP, "60")
    assert only(probe, stage, **scope).sha256 == hash_of(SLEEP)


@pytest.mark.lab
def test_a_copied_and_renamed_program_has_no_package_and_shows_its_content(probe: ProgramProbe, stage: Stage) -> None:
    stage.start(stage.copy("firefox"), "60")
    program = only(probe, stage)
    assert (program.name, program.path, program.package) == ("firefox", str(stage.folder / "firefox"), None)
    assert program.sha256 == hash_of(SLEEP)


@pytest.mark.lab
def test_other_users_programs_are_not_told(probe: ProgramProbe, stage: Stage) -> None:
    stage.start(SLEEP, "60")
    assert programs(probe, Scope(frozenset({stage.uid + 1}))) == Programs((), 0, 0)


@pytest.mark.lab
def test_a_program_that_gave_up_only_one_of_its_users_is_told(probe: ProgramProbe, stage: Stage) -> None:
    stage.launch("/usr/bin/setpriv", f"--ruid={stage.uid}", "--", SLEEP, "60", until="sleep")
    assert only(probe, stage).uid == stage.uid


@pytest.mark.lab
@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", "\u202egpj.exe".encode(), b"x) S 1 1 (", b"c (deleted)"])
def test_names_of_any_bytes_are_told_and_nothing_is_taken_from_them(
    probe: ProgramProbe, stage: Stage, name: bytes
) -> None:
    stage.start(stage.copy(name), "60")
    program = only(probe, stage)
    assert program.path == f"{stage.folder}/" + name.decode("utf-8", "backslashreplace")
    assert program.name == name[:15].decode("utf-8", "backslashreplace")
    assert (program.package, program.sha256, program.replaced) == (None, hash_of(SLEEP), False)


@pytest.mark.lab
def test_a_program_may_call_itself_what_it_likes(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "rename.py"
    script.write_text("import ctypes,time; ctypes.CDLL(None).prctl(15, b'\\xff\\x1b[2J', 0, 0, 0); time.sleep(60)")
    pid = stage.start(stage.copy("python3", PYTHON), script)
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_bytes() == b"\xff\x1b[2J\n", "the new name")
    program = only(probe, stage)
    assert (program.name, program.path) == ("\\xff\x1b[2J", str(stage.folder / "python3"))


@pytest.mark.lab
def test_a_program_whose_file_was_deleted_is_told_with_its_content(probe: ProgramProbe, stage: Stage) -> None:
    path = stage.copy()
    stage.start(path, "60")
    path.unlink()
    program = only(probe, stage)
    assert (program.path, program.replaced, program.package) == (str(path), True, None)
    assert program.sha256 == hash_of(SLEEP)


@pytest.mark.lab
def test_a_package_that_was_upgraded_keeps_its_running_program(stage: Stage, tmp_path: Path) -> None:
    path = stage.copy("viewer")
    info = tmp_path / "dpkg" / "info"
    info.mkdir(parents=True)
    (info / "viewer.list").write_text(f"{path}\n")
    (tmp_path / "dpkg" / "status").write_text("Package: viewer\nStatus: install ok installed\nVersion: 2\n\n")
    (tmp_path / "dpkg" / "diversions").touch()
    stage.start(path, "60")
    stage.copy("viewer.dpkg-new", of=PYTHON).replace(path)
    probe = ProgramProbe(Packages(tmp_path / "dpkg"), Digests(time.time_ns), time.monotonic, Path("/proc"))
    program = only(probe, stage)
    probe.close()
    assert program.replaced
    assert program.package is not None
    assert (program.path, program.package.name) == (str(path), "viewer")


@pytest.mark.lab
def test_a_program_in_memory_only_has_no_package_and_shows_its_content(probe: ProgramProbe, stage: Stage) -> None:
    loader = (
        "import os; f=os.memfd_create('sleep'); os.write(f, open('SLEEP','rb').read()); os.execve(f, ['x','60'], {})"
    )
    stage.launch(*as_user(stage.uid, PYTHON, "-c", loader.replace("SLEEP", SLEEP)), until="memfd:sleep")
    program = only(probe, stage)
    assert (program.path, program.package, program.sha256) == ("/memfd:sleep", None, hash_of(SLEEP))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("interpreter", "code"), [(DASH, "read x"), (BASH, "read x"), (PYTHON, "input()"), ("/usr/bin/perl", "<STDIN>")]
)
def test_of_an_interpreter_the_script_counts(probe: ProgramProbe, stage: Stage, interpreter: str, code: str) -> None:
    script = stage.folder / "task"
    script.write_text(code)
    real = os.path.realpath(interpreter)
    stage.launch(*as_user(stage.uid, interpreter, str(script)), until=Path(real).name)
    program = only(probe, stage)
    assert (program.path, program.script, program.package) == (real, str(script), None)
    assert program.sha256 == hash_of(script)


@pytest.mark.lab
def test_a_script_that_starts_by_itself_counts_too(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "task"
    script.write_text(f"#!{DASH} -e\nread x\n")
    script.chmod(0o755)
    stage.launch(*as_user(stage.uid, str(script)), until="dash")
    program = only(probe, stage)
    assert (program.path, program.script, program.package, program.sha256) == (DASH, str(script), None, hash_of(script))


@pytest.mark.lab
def test_a_script_of_a_package_has_its_package(probe: ProgramProbe, stage: Stage) -> None:
    module = next(Path("/usr/lib").glob("python3.*/code.py"))
    stage.launch(*as_user(stage.uid, PYTHON, str(module)), until=lambda pid: b"code.py" in cmdline(pid))
    (program,) = programs(probe, Scope(frozenset({stage.uid}))).running
    assert program.script == str(module)
    assert program.package is not None
    assert program.package.name.startswith("libpython3")


@pytest.mark.lab
def test_a_relative_script_is_found_where_the_program_stands(probe: ProgramProbe, stage: Stage) -> None:
    (stage.folder / "task").write_text("read x")
    stage.start(DASH, "./task", cwd=stage.folder)
    assert only(probe, stage).script == str(stage.folder / "task")


@pytest.mark.lab
def test_a_link_before_dots_does_not_lend_a_script_a_packages_path(probe: ProgramProbe, stage: Stage) -> None:
    (stage.folder / "a" / "b" / "usr" / "bin").mkdir(parents=True)
    (stage.folder / "a" / "b" / "usr" / "bin" / "ldd").write_text("read x")
    (stage.folder / "a" / "b" / "c").mkdir()
    depth = "../" * (len(stage.folder.parts) + 3)
    (stage.folder / "link").symlink_to(stage.folder / "a" / "b" / "c")
    stage.start(DASH, f"{stage.folder}/link/../usr/bin/ldd")
    assert only(probe, stage).package is None
    named = os.path.normpath(f"{stage.folder}/link/{depth}/usr/bin/ldd")
    assert named == "/usr/bin/ldd"


@pytest.mark.lab
def test_a_script_from_a_pipe_has_no_package(probe: ProgramProbe, stage: Stage) -> None:
    stage.launch(*as_user(stage.uid, BASH, "-c", f"exec {DASH} <(printf 'read x <&2'; {SLEEP} 60)"), until="dash")
    shell = next(program for program in programs(probe, Scope(frozenset({stage.uid}))).running if program.path == DASH)
    assert shell.package is None
    assert shell.script is not None
    assert re.fullmatch(r"pipe:\[\d+\]", shell.script)
    assert shell.unhashed == "the file cannot be examined"


@pytest.mark.lab
def test_a_program_run_by_the_dynamic_loader_counts_instead_of_the_loader(probe: ProgramProbe, stage: Stage) -> None:
    loader = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
    copy = stage.copy()
    stage.launch(*as_user(stage.uid, loader, "--argv0", "innocent", str(copy), "60"), until=Path(loader).name)
    program = only(probe, stage)
    assert (program.path, program.script, program.package) == (loader, str(copy), None)
    assert program.sha256 == hash_of(SLEEP)


@pytest.mark.lab
def test_a_script_is_remembered_from_the_start_whatever_the_arguments_show_later(
    probe: ProgramProbe, stage: Stage
) -> None:
    script = stage.folder / "liar.py"
    script.write_text(LIAR)
    pid = stage.launch(*as_user(stage.uid, PYTHON, str(script)), until=Path(PYTHON).resolve().name)
    scope = Scope(frozenset({stage.uid}))
    started = probe.look_at(pid, scope)
    assert isinstance(started, Program)
    assert started.script == str(script)
    wait_for(lambda: b"innocent" in cmdline(pid), "the changed arguments")
    later = probe.look(scope)
    assert isinstance(later, Observed)
    assert [program.script for program in later.value.running] == [str(script)]


@pytest.mark.lab
def test_the_same_file_seen_from_another_mount_namespace_keeps_its_package(probe: ProgramProbe, stage: Stage) -> None:
    stage.launch(UNSHARE, "--mount", *as_user(stage.uid, SLEEP, "60"), until="sleep")
    program = only(probe, stage)
    assert program.package is not None
    assert program.package.name == "coreutils"


@pytest.mark.lab
@pytest.mark.parametrize("then", ["", "rm {copy};"])
def test_another_file_at_a_packages_path_in_another_mount_namespace_has_none(
    probe: ProgramProbe, stage: Stage, then: str
) -> None:
    copy = stage.copy("evil")
    pinned = " ".join(as_user(stage.uid, SLEEP, "60"))
    script = f"mount --bind {copy} {SLEEP}; {then.format(copy=copy)} exec {pinned}"
    stage.launch(UNSHARE, "--mount", "--propagation=private", "/bin/sh", "-c", script, until="sleep")
    program = only(probe, stage)
    assert program.package is None
    assert program.sha256 == hash_of("/proc/self/root" + SLEEP)


@pytest.mark.lab
def test_a_program_whose_first_thread_ended_is_still_told(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "headless.py"
    script.write_text(
        "import ctypes,threading,time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "ctypes.CDLL(None).syscall(60, 0)\n"
    )
    copy = stage.copy("python3", PYTHON)
    pid = stage.start(copy, script)
    wait_for(lambda: b") Z " in Path(f"/proc/{pid}/stat").read_bytes(), "the end of the first thread")
    program = only(probe, stage)
    assert (program.path, program.sha256) == (str(copy), hash_of(copy))


@pytest.mark.lab
def test_a_process_that_ended_is_gone_for_whoever_still_holds_it(stage: Stage) -> None:
    pid = stage.start(SLEEP, "60")
    proc = os.open("/proc", os.O_RDONLY)
    try:
        with opened(proc, pid) as folder:
            assert folder is not None
            assert read_uids(folder) == frozenset({stage.uid})
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            assert read_uids(folder) is Missing.VANISHED
            assert read_vitals(folder) is Missing.VANISHED
        with opened(proc, pid) as folder:
            assert folder is None
    finally:
        os.close(proc)


def test_what_vanished_and_what_would_not_show_itself_are_counted_apart(tmp_path: Path) -> None:
    fake_process(tmp_path / "101", exe=None)
    fake_process(tmp_path / "102", exe="a file, not a link")
    fake_process(tmp_path / "103", exe=None, state="Z")
    fake_process(tmp_path / "104", exe=None, flags=0x00200000)
    (tmp_path / "105").mkdir()
    (tmp_path / "self").mkdir()
    probe = ProgramProbe(Packages(tmp_path / "no dpkg"), Digests(time.time_ns), time.monotonic, tmp_path)
    assert programs(probe, Scope(frozenset({7}))) == Programs((), vanished=2, unreadable=1)
    assert probe.look_at(104, Scope(frozenset({7}))) is None
    assert probe.look_at(999, Scope(frozenset({7}))) is Missing.VANISHED
    probe.close()


def test_a_proc_that_cannot_be_listed_is_unseen(tmp_path: Path) -> None:
    probe = ProgramProbe(Packages(tmp_path / "no dpkg"), Digests(time.time_ns), time.monotonic, tmp_path)
    probe.close()
    unseen = probe.look(Scope(frozenset({7})))
    assert isinstance(unseen, Unseen)
    assert unseen.why.startswith("the list of processes cannot be read")


def test_homes_are_those_of_people(tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_bytes(
        b"root:x:0:0::/root:/bin/sh\ndoctor:x:1000:1000::/srv/people/doctor/:/bin/sh\nodd\n"
        b"daemon:x:1:1::/usr/sbin:/bin/sh\nnobody:x:65534:1::/nonexistent:/bin/sh\nlost:x:1001:1::/:/bin/sh\n\xff:::\n"
    )
    assert list_homes(passwd) == (b"/home/", b"/root/", b"/srv/people/doctor/")
    assert list_homes(tmp_path / "none") == (b"/home/", b"/root/")


def test_a_hash_is_remembered_only_once_the_file_has_settled(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"one")
    clock = time.time_ns()
    hasher = Digests(lambda: clock)
    assert digest(hasher, file) == Digest(sha256(b"one").hexdigest())
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest(hasher, file) == Digest(sha256(b"two").hexdigest())
    clock += 10 * digests.SETTLED_NS
    assert digest(hasher, file) == Digest(sha256(b"two").hexdigest())
    file.write_bytes(b"six")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest(hasher, file) == Digest(sha256(b"six").hexdigest())


def test_a_remembered_hash_needs_no_second_reading(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"one")
    state = examine(os.fsencode(file))
    hasher = Digests(lambda: time.time_ns() + 10 * digests.SETTLED_NS)
    first = digest(hasher, file)
    file.unlink()
    assert hasher.of(os.open("/", os.O_RDONLY), Image(b"", os.fsencode(file), state, ours=True)) == first


def test_a_file_that_changes_while_it_is_read_is_not_hashed(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"one")
    stale = examine(os.fsencode(file))
    with file.open("ab") as more:
        more.write(b"more")
    hashed = Digests(time.time_ns).of(os.open("/", os.O_RDONLY), Image(b"", os.fsencode(file), stale, ours=True))
    assert hashed == Digest(None, "the file changed while it was read")


@pytest.mark.parametrize(
    ("path", "file", "why"),
    [
        (b"/none", File(0, 0, 0, 0, 0), "the program ended before its file was read"),
        (b"/none", None, "the file cannot be examined"),
        (b"/none", File(0, 0, (1 << 30) + 1, 0, 0), "the file is larger than 1 GiB"),
    ],
)
def test_a_file_that_is_not_hashed_says_why(path: bytes, file: File | None, why: str) -> None:
    assert Digests(time.time_ns).of(os.open("/", os.O_RDONLY), Image(b"", path, file, ours=False)) == Digest(None, why)


@pytest.mark.parametrize(
    ("interpreter", "arguments", "script"),
    [
        (b"python3.11", [b"a.py", b"-c"], b"a.py"),
        (b"python3", [b"-Wignore", b"-X", b"dev", b"-u", b"a.py"], b"a.py"),
        (b"python3", [b"-W", b"ignore", b"a.py"], b"a.py"),
        (b"python3", [b"--check-hash-based-pycs", b"always", b"a.py"], b"a.py"),
        (b"python3", [b"-Ic", b"code", b"a.py"], None),
        (b"python3", [b"-m", b"http.server"], None),
        (b"python3", [b"-"], None),
        (b"python3", [], None),
        (b"python3", [b""], None),
        (b"python3", [b"--", b"-odd.py"], b"-odd.py"),
        (b"perl", [b"-w", b"-I", b"/lib", b"-Mstrict", b"a.pl"], b"a.pl"),
        (b"perl", [b"-lane", b"print", b"file"], None),
        (b"ruby3.1", [b"-r", b"json", b"-W0", b"a.rb"], b"a.rb"),
        (b"node", [b"--require", b"x.js", b"--max-old-space-size=1", b"a.js"], b"a.js"),
        (b"node", [b"--eval", b"code"], None),
        (b"bash", [b"--rcfile", b"rc", b"+x", b"-o", b"pipefail", b"a.sh"], b"a.sh"),
        (b"sh", [b"-ec", b"code", b"a.sh"], None),
        (b"dash", [b"-s", b"argument"], None),
        (b"ld-linux-x86-64.so.2", [b"--library-path", b"/x", b"/tmp/p"], b"/tmp/p"),
        (b"ld-2.31.so", [b"/tmp/p"], b"/tmp/p"),
    ],
)
def test_the_script_is_the_first_argument_that_is_no_option(
    interpreter: bytes, arguments: list[bytes], script: bytes | None
) -> None:
    form = scripts.form_of(interpreter)
    assert form is not None
    assert scripts.find(form, b"\0".join([interpreter, *arguments]) + b"\0") == script


@pytest.mark.parametrize("name", [b"sleep", b"pythonista", b"bashful", b"libso", b"", b"ssh"])
def test_other_programs_are_no_interpreters(name: bytes) -> None:
    assert scripts.form_of(name) is None


@given(st.binary(max_size=300), st.sampled_from([form for _, form in scripts.FORMS]))
def test_any_command_line_names_one_of_its_arguments_or_none(cmdline: bytes, form: scripts.Form) -> None:
    found = scripts.find(form, cmdline)
    assert found is None or found in cmdline.split(b"\0")


def test_an_argument_that_was_cut_off_is_no_answer() -> None:
    form = scripts.form_of(b"sh")
    assert form is not None
    assert scripts.find(form, b"sh\0/usr/bin/safe-but-in-truth-") is None


def digest(hasher: Digests, file: Path) -> Digest:
    root = os.open("/", os.O_RDONLY)
    try:
        path = os.fsencode(file)
        return hasher.of(root, Image(path, path, examine(path), ours=True))
    finally:
        os.close(root)


def fake_process(folder: Path, *, exe: str | None, state: str = "S", flags: int = 0) -> None:
    folder.mkdir()
    (folder / "status").write_text("Name:\tx\\nUid:\t0\nUid:\t7\t7\t7\t7\nGid:\t0\n")
    (folder / "stat").write_text(f"1 (x) {state} 1 1 1 0 -1 {flags} " + "0 " * 10 + "1 0 5 0 0\n")
    if exe is not None:
        (folder / "exe").write_text(exe)


LIAR = """
import ctypes, time
with open("/proc/self/stat") as f:
    words = f.read().rpartition(")")[2].split()
begin, end = int(words[45]), int(words[46])
ctypes.memset(begin, 0, end - begin)
ctypes.memmove(begin, b"python3\\0/usr/bin/innocent", 26)
time.sleep(60)
"""
