"""Owners that are not Debian packages: rpm's own database, snaps and flatpaks."""

import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Observed, Origin, Package, Program
from agent.probes.codec import Scope
from agent.probes.digests import Digests
from agent.probes.packages import Packages
from agent.probes.packages.flatpak import Flatpaks
from agent.probes.packages.rpm import Header, HeaderError, Rpm, Tag
from agent.probes.packages.snap import Snaps
from agent.probes.processes import Image, examine
from agent.probes.programs import ProgramProbe
from tests.processes import Stage, staged

SPEC = """Name: viewer
Version: 2.0
Release: 1
Epoch: 3
Summary: a viewer
License: none
BuildArch: noarch
%description
A viewer.
%install
mkdir -p %{buildroot}/opt/viewer %{buildroot}/usr/bin %{buildroot}/usr/share/doc/viewer
touch %{buildroot}/opt/viewer/viewer %{buildroot}/usr/bin/viewer-tool %{buildroot}/usr/share/doc/viewer/read
%files
/opt/viewer/viewer
/usr/bin/viewer-tool
/usr/share/doc/viewer/read
"""
SQLITE = ("--define", "_db_backend sqlite")


def run(*argv: str | Path) -> None:
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def install_rpm(folder: Path, place: str) -> Path:
    """Build a package and put it into a database of its own below a root, by rpm itself."""
    root, top = folder / "root", folder / "top"
    root.mkdir()
    (folder / "viewer.spec").write_text(SPEC)
    run("/usr/bin/rpmbuild", "-bb", "--define", f"_topdir {top}", folder / "viewer.spec")
    (built,) = (top / "RPMS/noarch").glob("*.rpm")
    run(
        "/usr/bin/rpm",
        "--root",
        root,
        "--dbpath",
        place,
        *SQLITE,
        "--force-debian",
        "--justdb",
        "-i",
        "--nodeps",
        built,
    )
    return root


@pytest.mark.lab
@pytest.mark.parametrize("place", ["/var/lib/rpm", "/usr/lib/sysimage/rpm"])
def test_the_owners_of_rpms_own_database_are_read(tmp_path: Path, place: str) -> None:
    root = install_rpm(tmp_path, place)
    viewer = Package("rpm", "viewer", "3:2.0-1", Origin.UNCHECKED)
    before = sorted(path.name for path in (root / place[1:]).iterdir())
    packages = Packages(root, time.time)
    owners = [packages.owner(path) for path in (b"/opt/viewer/viewer", b"/bin/viewer-tool", b"/opt/viewer/other")]
    assert owners == [viewer, viewer, None]
    assert packages.owner(b"/usr/share/doc/viewer/read") is None
    assert sorted(path.name for path in (root / place[1:]).iterdir()) == before


@pytest.mark.lab
def test_a_removal_by_rpm_is_noticed(tmp_path: Path) -> None:
    root = install_rpm(tmp_path, "/var/lib/rpm")
    packages = Packages(root, time.time)
    assert packages.owner(b"/opt/viewer/viewer") is not None
    run(
        "/usr/bin/rpm",
        "--root",
        root,
        "--dbpath",
        "/var/lib/rpm",
        *SQLITE,
        "--force-debian",
        "--justdb",
        "-e",
        "viewer",
    )
    packages.refresh()
    assert packages.owner(b"/opt/viewer/viewer") is None


def header(entries: dict[int, tuple[int, int, bytes]]) -> bytes:
    """Write a header as rpm does: for each tag its type, its count and its bytes."""
    index, store = b"", b""
    for tag, (kind, count, body) in entries.items():
        store += b"\0" * (-len(store) % 4)
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += body
    return struct.pack(">II", len(entries), len(store)) + index + store


GOOD = {
    Tag.NAME: (6, 1, b"viewer\0"),
    Tag.VERSION: (6, 1, b"2\0"),
    Tag.RELEASE: (6, 1, b"1\0"),
    Tag.DIRNAMES: (8, 2, b"/opt/\0/usr/\0"),
    Tag.BASENAMES: (8, 2, b"a\0b\0"),
    Tag.DIRINDEXES: (4, 2, struct.pack(">II", 0, 1)),
}


def test_a_header_is_read() -> None:
    assert Header.decode(header(GOOD)) == Header("viewer", "2-1", (b"/opt/a", b"/usr/b"))


@pytest.mark.parametrize(
    "wrong",
    [
        {Tag.DIRINDEXES: (4, 2, struct.pack(">II", 0, 2))},
        {Tag.DIRINDEXES: (4, 1, struct.pack(">I", 0))},
        {Tag.DIRINDEXES: (4, 1 << 31, b"")},
        {Tag.DIRINDEXES: (8, 2, b"0\0001\0")},
        {Tag.BASENAMES: (8, 1 << 31, b"a\0")},
        {Tag.BASENAMES: (8, 3, b"a\0b\0")},
        {Tag.NAME: (4, 1, b"\0\0\0\0")},
    ],
)
def test_a_header_that_does_not_hold_together_is_refused(wrong: dict[int, tuple[int, int, bytes]]) -> None:
    with pytest.raises(HeaderError):
        Header.decode(header({**GOOD, **wrong}))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_refused(raw: bytes) -> None:
    for blob in (raw, header(GOOD)[: len(raw)], struct.pack(">II", 2, len(raw)) + raw):
        try:
            Header.decode(blob)
        except HeaderError:
            continue


@given(st.lists(st.tuples(st.sampled_from(list(Tag)), st.integers(0, 9), st.integers(0, 2**32 - 1), st.binary())))
def test_any_fields_are_a_header_or_refused(fields: list[tuple[int, int, int, bytes]]) -> None:
    try:
        Header.decode(header({tag: (kind, count, body) for tag, kind, count, body in fields}))
    except HeaderError:
        return


@pytest.mark.parametrize("content", [b"", b"garbage" * 1_000, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_database_owns_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "var/lib/rpm").mkdir(parents=True)
    (tmp_path / "var/lib/rpm/rpmdb.sqlite").write_bytes(content)
    rpm = Rpm(tmp_path)
    rpm.refresh()
    assert rpm.owner(b"/opt/viewer") is None


def write_database(root: Path, *blobs: object) -> Path:
    file = root / "var/lib/rpm/rpmdb.sqlite"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        database.executemany("INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in blobs])
    return file


def test_one_bad_package_does_not_hide_the_others(tmp_path: Path) -> None:
    write_database(tmp_path, b"garbage", "text", 7, None, header(GOOD))
    rpm = Rpm(tmp_path)
    rpm.refresh()
    assert rpm.owner(b"/opt/a") == Package("rpm", "viewer", "2-1", Origin.UNCHECKED)


def test_a_database_that_cannot_be_read_for_a_while_makes_nobodys_program_of_a_packages(tmp_path: Path) -> None:
    file = write_database(tmp_path, header(GOOD), b"x" * 100_000)
    rpm = Rpm(tmp_path)
    assert rpm.refresh()
    whole = file.read_bytes()
    file.write_bytes(whole[:8_192])
    assert not rpm.refresh()
    assert rpm.owner(b"/opt/a") is not None
    file.write_bytes(whole.replace(b"/opt/\0", b"/srv/\0"))
    assert rpm.refresh()
    assert [rpm.owner(path) is None for path in (b"/opt/a", b"/srv/a")] == [True, False]


def snaps(root: Path, *stored: str, mounts: str = "") -> Snaps:
    folder = root / "var/lib/snapd/snaps"
    folder.mkdir(parents=True)
    for name in stored:
        (folder / f"{name}.snap").touch()
    (root / "mountinfo").write_text(mounts)
    return Snaps(root, root / "mountinfo")


STORE = ("Snap Store",)


@pytest.mark.parametrize(
    ("path", "package"),
    [
        (b"/snap/firefox/4173/usr/lib/firefox", Package("snap", "firefox", "4173", Origin.EXACT, STORE)),
        (b"/var/lib/snapd/snap/firefox/4173/bin/x", Package("snap", "firefox", "4173", Origin.EXACT, STORE)),
        (b"/snap/own/x2/bin/own", Package("snap", "own", "x2", Origin.NONE)),
        (b"/snap/firefox/4174/usr/lib/firefox", None),
        (b"/snap/firefox/current/usr/lib/firefox", None),
        (b"/home/sato/snap/firefox/4173/x", None),
        (b"/snap/../4173/x", None),
        (b"/snap/firefox/4173", None),
    ],
)
def test_a_path_in_a_snaps_mount_is_that_snaps(tmp_path: Path, path: bytes, package: Package | None) -> None:
    assert snaps(tmp_path, "firefox_4173", "own_x2").owner(path) == package


MOUNTS = """29 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
120 29 7:3 / /snap/core22/864 ro,nodev,relatime shared:66 - squashfs /dev/loop3 ro
121 29 7:4 / /home/sato/snap/core22/864 ro - squashfs /dev/loop4 ro
122 29 7:5 / /snap/core22/865 rw - fuse.squashfuse x rw
nonsense
"""


def test_a_file_in_a_private_view_is_its_file_systems_snaps(tmp_path: Path) -> None:
    found = snaps(tmp_path, "core22_864", "core22_865", mounts=MOUNTS)
    devices = [os.makedev(7, 3), os.makedev(7, 4), os.makedev(7, 5), os.makedev(259, 2)]
    core = Package("snap", "core22", "864", Origin.EXACT, STORE)
    assert [found.owner_of_device(device) for device in devices] == [core, None, None, None]


def test_a_snap_that_was_updated_since_is_known_at_once_and_its_old_device_is_nobodys(tmp_path: Path) -> None:
    found = snaps(tmp_path, "core22_864", "core22_865", mounts=MOUNTS)
    assert found.owner_of_device(os.makedev(7, 3)) is not None
    (tmp_path / "mountinfo").write_text(MOUNTS.replace("7:3 / /snap/core22/864", "7:6 / /snap/core22/865"))
    updated = Package("snap", "core22", "865", Origin.EXACT, STORE)
    assert [found.owner_of_device(os.makedev(7, minor)) for minor in (3, 6)] == [None, updated]


def test_a_machine_without_snaps_reads_no_mounts(tmp_path: Path) -> None:
    assert Snaps(tmp_path, tmp_path / "none").owner_of_device(5) is None


COMMIT = "ab" * 32
APP = f"var/lib/flatpak/app/org.hospital.Viewer/x86_64/stable/{COMMIT}"
REMOTE = '[core]\nrepo_version=1\n[remote "flathub"]\nurl=https://dl.flathub.org/repo/\ngpg-verify=true\n'
VIEWER = Package("flatpak", "org.hospital.Viewer", COMMIT[:12], Origin.EXACT, ("flathub",))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as ready:
        yield ready


def deploy(root: Path, config: str = REMOTE) -> Path:
    """Lay an app down as flatpak does for the whole machine."""
    files = root / APP / "files"
    (files / "bin").mkdir(parents=True)
    shutil.copy("/usr/bin/sleep", files / "bin/viewer")
    (root / APP / "deploy").write_bytes(b"flathub\0" + COMMIT.encode() + b"\0and more")
    (root / APP / "metadata").write_text("[Application]\nname=org.hospital.Viewer\nruntime=org.kde.Platform\n")
    (root / "var/lib/flatpak/repo").mkdir(parents=True)
    (root / "var/lib/flatpak/repo/config").write_text(config)
    return files


def start_in_sandbox(
    stage: Stage, root: Path, files: Path, said: str, then: Callable[[], object] = lambda: None
) -> Program:
    """Run the app by bubblewrap, as flatpak does, and look at it, again after what happens `then`."""
    (root / "info").write_text(said)
    sandbox = (
        "/usr/bin/bwrap",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/lib",
    )
    sandbox += ("/lib", "--ro-bind", str(files), "/app", "--ro-bind", str(root / "info"), "/.flatpak-info")
    drop = ("/usr/bin/setpriv", f"--reuid={stage.uid}", f"--regid={stage.uid}", "--clear-groups")
    probe = ProgramProbe(Packages(root, time.time), Digests(time.time_ns), time.monotonic, Path("/proc"))
    found: list[Program] = []

    def is_there(_: int) -> bool:
        seen = probe.look(Scope(frozenset({stage.uid})))
        assert isinstance(seen, Observed)
        found[:] = [one for one in seen.value.running if one.path.endswith("/bin/viewer")]
        return bool(found)

    try:
        stage.launch(*sandbox, "--", *drop, "/app/bin/viewer", "60", until=is_there)
        then()
        is_there(0)
    finally:
        probe.close()
        for program in found:  # it would outlive its sandbox's parent
            os.kill(program.pid, signal.SIGKILL)
    return found[0]


def info(files: str = f"/{APP}/files") -> str:
    return f"[Application]\nname=org.hospital.Viewer\n\n[Instance]\napp-path={files}\n"


@pytest.mark.lab
def test_an_app_that_root_deployed_is_its_flatpaks(tmp_path: Path, stage: Stage) -> None:
    program = start_in_sandbox(stage, tmp_path, deploy(tmp_path), info())
    assert (program.path, program.foreign, program.package) == ("/app/bin/viewer", True, VIEWER)


@pytest.mark.lab
@pytest.mark.parametrize("config", ["", REMOTE.replace("=true", "=false"), REMOTE.replace("flathub", "other")])
def test_an_app_of_no_remote_that_is_asked_for_signatures_has_no_origin(
    tmp_path: Path, stage: Stage, config: str
) -> None:
    program = start_in_sandbox(stage, tmp_path, deploy(tmp_path, config), info())
    assert program.package is not None
    assert program.package.origin is Origin.NONE


@pytest.mark.lab
@pytest.mark.parametrize(
    "said", [info(), info("/home/sato/files"), info(f"/{APP}/files/../files"), "", "[Instance]\n\xff="]
)
def test_a_sandbox_that_only_says_it_is_an_app_is_nobodys(tmp_path: Path, stage: Stage, said: str) -> None:
    deploy(tmp_path)
    own = tmp_path / "own/bin"
    own.mkdir(parents=True)
    shutil.copy("/usr/bin/sleep", own / "viewer")
    program = start_in_sandbox(stage, tmp_path, own.parent, said)
    assert program.package is None
    assert program.sha256 is not None


@pytest.mark.lab
def test_a_deployed_file_that_others_may_write_is_nobodys(tmp_path: Path, stage: Stage) -> None:
    files = deploy(tmp_path)
    (files / "bin/viewer").chmod(0o777)
    assert start_in_sandbox(stage, tmp_path, files, info()).package is None


def undeploy(root: Path) -> None:
    """Move a version away as an update does while it runs."""
    removed = root / "var/lib/flatpak/.removed"
    removed.mkdir()
    (root / APP).rename(removed / f"Xy7Q2a{COMMIT}")


@pytest.mark.lab
def test_an_app_that_was_updated_while_it_runs_is_still_its_flatpaks(tmp_path: Path, stage: Stage) -> None:
    program = start_in_sandbox(stage, tmp_path, deploy(tmp_path), info(), lambda: undeploy(tmp_path))
    assert program.package == VIEWER


@pytest.mark.lab
def test_a_replaced_version_of_one_app_cannot_pass_for_another(tmp_path: Path, stage: Stage) -> None:
    said = info(f"/{APP}/files".replace("Viewer", "Editor"))
    program = start_in_sandbox(stage, tmp_path, deploy(tmp_path), said, lambda: undeploy(tmp_path))
    assert program.package is None


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda place: os.truncate(_touched(place), 1 << 40)])
def test_a_sandbox_cannot_hold_up_or_use_up_the_helper(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "root").mkdir()
    make(tmp_path / "root/.flatpak-info")
    image = Image(b"/app/bin/viewer", b"exe", examine(b"/usr/bin/sleep"), ours=False)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        before = len(os.listdir("/proc/self/fd"))
        assert [Flatpaks(tmp_path).owner(folder, image) for _ in range(3)] == [None] * 3
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        os.close(folder)


def _touched(place: Path) -> Path:
    place.touch()
    return place
