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

from agent.posture.checks.apps import Standing, Unapproved
from agent.posture.checks.paths import PathPattern
from agent.posture.facts import Observed, Program, Programs, Script, Unseen
from agent.probes import digests, scripts
from agent.probes.codec import Scope
from agent.probes.digests import Digest, Digests
from agent.probes.packages import Packages
from agent.probes.processes import File, Image, Missing, examine, opened, read_uids, read_vitals
from agent.probes.programs import ProgramProbe
from agent.probes.users import Judged, find_judged, list_homes
from agent.probes.volumes import Volumes
from agent.words import Words
from tests.processes import PYTHON, SLEEP, UNSHARE, Stage, as_user, cmdline, executable, staged, wait_for

BASH = "/usr/bin/bash"
DASH = "/usr/bin/dash"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture(scope="module")
def probe() -> Iterator[ProgramProbe]:
    probe = ProgramProbe(Packages(Path("/"), time.time), Digests(time.time_ns), time.monotonic, Path("/proc"))
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


def script_of(program: Program) -> Script:
    (script,) = program.scripts
    return script


def hash_of(path: str | Path) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.lab
def test_a_program_of_a_package_is_told_by_its_package_and_not_hashed(probe: ProgramProbe, stage: Stage) -> None:
    pid = stage.start(SLEEP, "60")
    program = only(probe, stage)
    assert (program.pid, program.uid, program.name, program.path) == (pid, stage.uid, "sleep", SLEEP)
    assert program.package is not None
    assert (program.package.manager, program.package.name) == ("dpkg", "coreutils")
    assert (program.sha256, program.unhashed, program.scripts, program.replaced) == (None, "", (), False)
    assert (program.foreign, program.writable) == (False, False)


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
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "viewer.list").write_text(f"{path}\n")
    (tmp_path / "var/lib/dpkg/status").write_text("Package: viewer\nStatus: install ok installed\nVersion: 2\n\n")
    (tmp_path / "var/lib/dpkg/diversions").touch()
    stage.start(path, "60")
    stage.copy("viewer.dpkg-new", of=PYTHON).replace(path)
    probe = ProgramProbe(Packages(tmp_path, time.time), Digests(time.time_ns), time.monotonic, Path("/proc"))
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
    assert program.path == real
    assert program.package is not None
    assert script_of(program) == Script(str(script), None, hash_of(script))


@pytest.mark.lab
def test_a_script_that_starts_by_itself_counts_too(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "task"
    script.write_text(f"#!{DASH} -e\nread x\n")
    script.chmod(0o755)
    stage.launch(*as_user(stage.uid, str(script)), until="dash")
    program = only(probe, stage)
    assert program.path == DASH
    assert script_of(program) == Script(str(script), None, hash_of(script))


@pytest.mark.lab
def test_an_interpreter_of_no_package_is_told_with_its_own_hash_beside_its_scripts(
    probe: ProgramProbe, stage: Stage
) -> None:
    own, script = stage.copy("dash", DASH), stage.folder / "task"
    script.write_text("read x")
    stage.start(own, script)
    program = only(probe, stage)
    assert (program.path, program.package, program.sha256) == (str(own), None, hash_of(DASH))
    assert script_of(program).sha256 == hash_of(script)


@pytest.mark.lab
def test_a_script_of_a_package_has_its_package(probe: ProgramProbe, stage: Stage) -> None:
    module = next(Path("/usr/lib").glob("python3.*/code.py"))
    stage.launch(*as_user(stage.uid, PYTHON, str(module)), until=lambda pid: cmdline(pid).startswith(PYTHON.encode()))
    (program,) = programs(probe, Scope(frozenset({stage.uid}))).running
    script = script_of(program)
    assert (script.path, script.sha256) == (str(module), None)
    assert script.package is not None
    assert script.package.name.startswith("libpython3")


@pytest.mark.lab
def test_a_relative_script_is_found_where_the_program_stands(probe: ProgramProbe, stage: Stage) -> None:
    (stage.folder / "task").write_text("read x")
    stage.start(DASH, "./task", cwd=stage.folder)
    assert script_of(only(probe, stage)).path == str(stage.folder / "task")


@pytest.mark.lab
def test_a_link_before_dots_does_not_lend_a_script_a_packages_path(probe: ProgramProbe, stage: Stage) -> None:
    (stage.folder / "a" / "b" / "usr" / "bin").mkdir(parents=True)
    (stage.folder / "a" / "b" / "usr" / "bin" / "ldd").write_text("read x")
    (stage.folder / "a" / "b" / "c").mkdir()
    depth = "../" * (len(stage.folder.parts) + 3)
    (stage.folder / "link").symlink_to(stage.folder / "a" / "b" / "c")
    stage.start(DASH, f"{stage.folder}/link/../usr/bin/ldd")
    assert script_of(only(probe, stage)).package is None
    named = os.path.normpath(f"{stage.folder}/link/{depth}/usr/bin/ldd")
    assert named == "/usr/bin/ldd"


@pytest.mark.lab
def test_a_script_from_a_pipe_has_no_package(probe: ProgramProbe, stage: Stage) -> None:
    stage.launch(*as_user(stage.uid, BASH, "-c", f"exec {DASH} <(printf 'read x <&2'; {SLEEP} 20)"), until="dash")
    shell = next(program for program in programs(probe, Scope(frozenset({stage.uid}))).running if program.path == DASH)
    script = script_of(shell)
    assert re.fullmatch(r"pipe:\[\d+\]", script.path)
    assert (script.package, script.unhashed) == (None, "the file cannot be examined")
    assert (script.foreign, script.writable) == (True, True)


@pytest.mark.lab
def test_a_program_run_by_the_dynamic_loader_counts_instead_of_the_loader(probe: ProgramProbe, stage: Stage) -> None:
    loader = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
    copy = stage.copy()
    stage.launch(*as_user(stage.uid, loader, "--argv0", "innocent", str(copy), "60"), until=Path(loader).name)
    program = only(probe, stage)
    assert (program.path, script_of(program)) == (loader, Script(str(copy), None, hash_of(SLEEP)))


@pytest.mark.lab
def test_an_interpreter_run_by_the_dynamic_loader_does_not_hide_its_script(probe: ProgramProbe, stage: Stage) -> None:
    loader, script = os.path.realpath("/lib64/ld-linux-x86-64.so.2"), stage.folder / "task"
    script.write_text("read x")
    stage.launch(*as_user(stage.uid, loader, DASH, str(script)), until=Path(loader).name)
    assert [one.path for one in only(probe, stage).scripts] == [DASH, str(script)]


@pytest.mark.lab
def test_arguments_too_long_to_be_read_whole_make_an_interpreter_unreadable(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "task"
    script.write_text("read x")
    stage.start(DASH, *["-e"] * (scripts.LONGEST_CMDLINE // 3), script)
    assert programs(probe, Scope(frozenset({stage.uid}))) == Programs((), vanished=0, unreadable=1)


@pytest.mark.lab
def test_an_interpreter_whose_first_thread_ended_does_not_hide_its_script(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "headless.py"
    script.write_text(HEADLESS)
    pid = stage.launch(*as_user(stage.uid, PYTHON, str(script)), until=Path(PYTHON).resolve().name)
    wait_for(lambda: b") Z " in Path(f"/proc/{pid}/stat").read_bytes(), "the end of the first thread")
    assert script_of(only(probe, stage)) == Script(str(script), None, hash_of(script))


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
    assert script_of(started).path == str(script)
    wait_for(lambda: b"innocent" in cmdline(pid), "the changed arguments")
    later = probe.look(scope)
    assert isinstance(later, Observed)
    assert [script_of(program).path for program in later.value.running] == [str(script)]


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
    assert (program.package, program.foreign) == (None, True)
    assert program.sha256 == hash_of("/proc/self/root" + SLEEP)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("path", "mount"),
    [(SLEEP, "mount --bind {copy} {path}"), ("/opt/viewer/sleep", "mount -t tmpfs x /opt; cp -r {folder}/opt/* /opt")],
)
def test_a_user_cannot_lend_a_program_a_place_by_a_mount_of_his_own(
    probe: ProgramProbe, stage: Stage, path: str, mount: str
) -> None:
    (stage.folder / "opt" / "viewer").mkdir(parents=True)
    copy = stage.copy("opt/viewer/sleep")
    script = f"{mount.format(copy=copy, path=path, folder=stage.folder)}; exec {path} 60"
    stage.launch(*as_user(stage.uid, UNSHARE, "-Urm", "/bin/sh", "-c", script), until="sleep")
    program = only(probe, stage)
    assert (program.path, program.package, program.foreign) == (path, None, True)
    rule = Unapproved(Words("", ""), paths=(PathPattern.of("/usr/bin/**"), PathPattern.of("/opt/viewer/**")))
    assert rule.worst(program) == (program, Standing.STRANGE)


@pytest.mark.lab
def test_a_user_cannot_lend_a_script_a_packages_path_by_a_mount_of_his_own(probe: ProgramProbe, stage: Stage) -> None:
    own = stage.folder / "own"
    own.write_text("read x")
    script = f"mount --bind {own} /usr/bin/ldd; exec {DASH} /usr/bin/ldd"
    argv = as_user(stage.uid, UNSHARE, "-Urm", BASH, "-c", script)
    stage.launch(*argv, until=lambda pid: cmdline(pid) == f"{DASH}\0/usr/bin/ldd\0".encode())
    told = script_of(only(probe, stage))
    assert (told.path, told.package, told.foreign, told.sha256) == ("/usr/bin/ldd", None, True, hash_of(own))


@pytest.mark.lab
def test_a_deleted_program_of_a_user_that_is_run_from_a_detached_mount_gets_no_package(
    probe: ProgramProbe, stage: Stage
) -> None:
    """The path then starts at the mount, which the user chooses, and the process is in our namespace again."""
    fake = stage.folder / "fake" / "usr" / "bin"
    fake.mkdir(parents=True)
    copy = stage.copy("fake/usr/bin/sleep")
    os.chown(copy, stage.uid, stage.uid)
    (stage.folder / "mnt").mkdir()
    code = DETACHED.format(root=stage.folder)
    stage.launch(PYTHON, "-c", code, str(stage.uid), until=lambda pid: executable(pid) == "sleep")
    copy.unlink()
    program = only(probe, stage)
    assert (program.path, program.replaced) == (SLEEP, True)
    assert (program.package, program.writable) == (None, True)


@pytest.mark.lab
@pytest.mark.parametrize(("mode", "writable"), [(0o755, False), (0o775, True), (0o757, True)])
def test_a_file_that_somebody_but_root_may_write_is_told(
    probe: ProgramProbe, stage: Stage, mode: int, writable: bool
) -> None:
    copy = stage.copy()
    copy.chmod(mode)
    stage.start(copy, "60")
    assert only(probe, stage).writable is writable


@pytest.mark.lab
def test_a_file_that_somebody_but_root_owns_is_told(probe: ProgramProbe, stage: Stage) -> None:
    copy = stage.copy()
    os.chown(copy, stage.uid, stage.uid)
    stage.start(copy, "60")
    assert only(probe, stage).writable


@pytest.mark.lab
def test_a_program_of_a_subordinate_user_is_told(
    probe: ProgramProbe, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    subuid = stage.folder / "subuid"
    subuid.write_text(f"{stage.uid + 1_000_000}:{stage.uid}:1\n")
    monkeypatch.setattr("agent.probes.programs.find_judged", lambda uids: find_judged(uids, subuid=subuid))
    pid = stage.start(SLEEP, "60")
    scope = Scope(frozenset({stage.uid + 1_000_000}))
    assert [(one.pid, one.uid) for one in programs(probe, scope).running] == [(pid, stage.uid)]
    assert isinstance(probe.look_at(pid, scope), Program)
    assert probe.look_at(pid, Scope(frozenset({stage.uid + 1}))) is None


@pytest.mark.lab
def test_a_program_whose_first_thread_ended_is_still_told(probe: ProgramProbe, stage: Stage) -> None:
    script = stage.folder / "headless.py"
    script.write_text(HEADLESS)
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
    probe = ProgramProbe(Packages(tmp_path, time.time), Digests(time.time_ns), time.monotonic, tmp_path)
    assert programs(probe, Scope(frozenset({7}))) == Programs((), vanished=2, unreadable=1)
    assert probe.look_at(104, Scope(frozenset({7}))) is None
    assert probe.look_at(999, Scope(frozenset({7}))) is Missing.VANISHED
    probe.close()


def test_a_proc_that_cannot_be_listed_is_unseen(tmp_path: Path) -> None:
    probe = ProgramProbe(Packages(tmp_path, time.time), Digests(time.time_ns), time.monotonic, tmp_path)
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


def test_subordinate_users_are_found_by_name_and_number_and_odd_lines_passed_over(tmp_path: Path) -> None:
    passwd, subuid = tmp_path / "passwd", tmp_path / "subuid"
    passwd.write_bytes(b"doctor:x:1000:1000::/home/doctor:/bin/sh\n\xff\nnurse:x:1001:1::/home/nurse:/bin/sh\n")
    subuid.write_bytes(
        b"doctor:100000:65536\nnurse:165536:65536\n1000:300000:10\n\ndoctor:x:1\ndoctor:-5:1\ndoctor:7:0\n"
        b"doctor:4294967290:4294967295\ndoctor:99999999999999999999:1\n\xff:1:1\ndoctor:5\ndoctor:1:2:3\n"
    )
    judged = find_judged(frozenset({1000}), passwd, subuid)
    assert judged.subordinate == (range(100_000, 165_536), range(300_000, 300_010), range(4_294_967_290, 1 << 32))
    assert find_judged(frozenset({1000}), passwd, tmp_path / "none") == Judged(frozenset({1000}))


@given(st.binary(max_size=200))
def test_any_bytes_in_the_account_files_are_read_without_a_fault(tmp_path_factory, said: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "accounts"
    file.write_bytes(said)
    assert find_judged(frozenset({0, 7}), file, file).uids == {0, 7}


@pytest.mark.parametrize(
    ("uids", "picked"),
    [({5}, None), ({1000, 100_000}, 1000), ({0, 100_001}, 100_001), ({165_536}, None), (set(), None)],
)
def test_the_named_user_is_told_before_a_subordinate_one(uids: set[int], picked: int | None) -> None:
    assert Judged(frozenset({1000}), (range(100_000, 165_536),)).pick(frozenset(uids)) == picked


def test_a_hash_is_remembered_only_once_the_file_has_settled(tmp_path: Path) -> None:
    file = tmp_path / "program"
    file.write_bytes(b"one")
    clock = time.time_ns()
    hasher = Digests(lambda: clock, Volumes(places=(str(tmp_path),)))
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
    hasher = Digests(lambda: time.time_ns() + 10 * digests.SETTLED_NS, Volumes(places=(str(tmp_path),)))
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
        (b"php8.2", [b"-d", b"a=b", b"a.php", b"-r"], b"a.php"),
        (b"php", [b"-nf", b"a.php", b"--", b"b"], b"a.php"),
        (b"php", [b"-fa.php"], b"a.php"),
        (b"php", [b"--file", b"a.php"], b"a.php"),
        (b"php", [b"-r", b"code"], None),
        (b"php", [b"-S", b"localhost:80", b"a.php"], None),
        (b"lua5.4", [b"-e", b"x=1", b"-lm", b"a.lua"], b"a.lua"),
        (b"luajit-2.1", [b"-O3", b"-j", b"off", b"a.lua"], b"a.lua"),
        (b"tclsh8.6", [b"-encoding", b"utf-8", b"a.tcl"], b"a.tcl"),
        (b"tclsh8.6", [], None),
        (b"gjs-console", [b"-I", b"/x", b"-m", b"a.js"], b"a.js"),
        (b"gjs", [b"-c", b"code"], None),
        (b"mawk", [b"-F", b":", b"-f", b"a.awk", b"data"], b"a.awk"),
        (b"gawk", [b"--file", b"a.awk", b"data"], b"a.awk"),
        (b"awk", [b"{ print }", b"data"], None),
        (b"java", [b"-Xmx1g", b"-cp", b"x.jar", b"-jar", b"a.jar", b"b"], b"a.jar"),
        (b"java", [b"-cp", b"x.jar", b"com.example.Main", b"-jar", b"b.jar"], None),
        (b"java", [b"--source", b"17", b"A.java"], b"A.java"),
        (b"java", [b"-m", b"module/Main", b"A.java"], None),
    ],
)
def test_the_script_is_what_an_interpreters_arguments_name(
    interpreter: bytes, arguments: list[bytes], script: bytes | None
) -> None:
    assert scripts.find(interpreter, line(interpreter, *arguments)) == ((script,) if script else ())


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([b"busybox", b"sh", b"-x", b"a.sh"], (b"a.sh",)),
        ([b"/bin/sh", b"a.sh"], (b"a.sh",)),
        ([b"-ash"], ()),
        ([b"busybox", b"sh", b"-c", b"code"], ()),
        ([b"busybox", b"cat", b"a.sh"], ()),
        ([b"cat", b"a.sh"], ()),
        ([b"busybox"], ()),
    ],
)
def test_busybox_is_what_it_is_called(arguments: list[bytes], found: tuple[bytes, ...]) -> None:
    assert scripts.find(b"busybox", line(*arguments)) == found


def test_the_loader_hands_on_to_the_next_interpreter() -> None:
    arguments = (b"ld.so", b"--preload", b"x", b"/lib/ld.so", b"/usr/bin/python3", b"-u", b"a.py", b"b.py")
    assert scripts.find(b"ld.so", line(*arguments)) == (b"/lib/ld.so", b"/usr/bin/python3", b"a.py")
    assert scripts.find(b"ld.so", line(b"ld.so", b"/x/busybox", b"sh", b"a.sh")) == (b"/x/busybox", b"a.sh")


@pytest.mark.parametrize("name", [b"sleep", b"pythonista", b"bashful", b"libso", b"", b"ssh", b"javac", b"luac"])
def test_other_programs_are_no_interpreters(name: bytes) -> None:
    assert scripts.form_of(name) is None


@given(st.binary(max_size=300), st.sampled_from([b"sh", b"perl", b"ld.so", b"busybox", b"php", b"java", b"awk"]))
def test_any_command_line_names_parts_of_its_arguments_or_nothing(cmdline: bytes, name: bytes) -> None:
    arguments = cmdline.split(b"\0")
    for found in scripts.find(name, cmdline):
        assert any(argument.endswith(found) for argument in arguments)


def test_an_argument_that_was_cut_off_is_no_answer() -> None:
    assert scripts.find(b"sh", b"sh\0/usr/bin/safe-but-in-truth-") == ()


def line(*arguments: bytes) -> bytes:
    return b"\0".join(arguments) + b"\0"


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

HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).syscall(60, 0)
"""

DETACHED = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
ours = os.open("/proc/self/ns/mnt", os.O_RDONLY)
libc.unshare(0x20000)
libc.mount(None, b"/", None, 0x4000 | 0x40000, None)
libc.mount(b"{root}/fake", b"{root}/mnt", None, 0x1000, None)
program = os.open("{root}/mnt/usr/bin/sleep", os.O_RDONLY)
libc.umount2(b"{root}/mnt", 2)
libc.setns(ours, 0)
os.setgroups([])
os.setresuid(*[int(sys.argv[1])] * 3)
os.execve(program, ["sleep", "60"], {{}})
"""
