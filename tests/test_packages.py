"""Which package owns a path, by dpkg's own files."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.posture.facts import Origin, Package
from agent.probes.packages import Packages


def of(root: Path) -> Packages:
    return Packages(root, time.time)


def write(root: Path, lists: Mapping[str, str], status: str, diversions: str = "") -> None:
    database = root / "var/lib/dpkg"
    info = database / "info"
    info.mkdir(parents=True, exist_ok=True)
    for name, paths in lists.items():
        fresh = info / f"{name}.list-new"
        fresh.write_text(paths)
        fresh.replace(info / f"{name}.list")
    (database / "status").write_text(status)
    (database / "diversions").write_text(diversions)


def stanza(name: str, version: str, state: str = "install ok installed", architecture: str = "amd64") -> str:
    return (
        f"Package: {name}\nStatus: {state}\nArchitecture: {architecture}\nVersion: {version}\n"
        "Description: x\n Version: 9 forged\n\n"
    )


def test_a_path_belongs_to_the_installed_package_that_lists_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"viewer": "/.\n/usr/bin/viewer\n", "libx:amd64": "/usr/lib/libx.so.1\n"},
        stanza("viewer", "1:2-3") + stanza("libx", "4"),
    )
    packages = of(tmp_path)
    assert packages.owner(b"/usr/bin/viewer") == Package("dpkg", "viewer", "1:2-3", Origin.UNCHECKED)
    assert packages.owner(b"/usr/lib/libx.so.1") == Package("dpkg", "libx", "4", Origin.UNCHECKED)
    assert packages.owner(b"/usr/bin/view") is None
    assert packages.owner(b"") is None


def test_a_path_is_found_with_and_without_usr(tmp_path: Path) -> None:
    write(tmp_path, {"old": "/bin/old\n", "new": "/usr/bin/new\n"}, stanza("old", "1") + stanza("new", "1"))
    packages = of(tmp_path)
    assert [
        packages.owner(path) is not None for path in (b"/usr/bin/old", b"/bin/old", b"/bin/new", b"/usr/bin/new")
    ] == [
        True,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize("state", ["deinstall ok config-files", "unknown ok not-installed"])
def test_a_removed_package_owns_nothing(tmp_path: Path, state: str) -> None:
    write(tmp_path, {"gone": "/usr/bin/gone\n"}, stanza("gone", "1", state))
    assert of(tmp_path).owner(b"/usr/bin/gone") is None


@pytest.mark.parametrize("state", ["install ok unpacked", "install ok half-configured", "install ok triggers-pending"])
def test_a_package_in_the_middle_of_its_upgrade_keeps_its_paths(tmp_path: Path, state: str) -> None:
    write(tmp_path, {"busy": "/usr/bin/busy\n"}, stanza("busy", "1", state))
    assert of(tmp_path).owner(b"/usr/bin/busy") is not None


def test_a_diverted_path_belongs_to_the_one_that_diverts_it(tmp_path: Path) -> None:
    lists = {"dash": "/bin/sh\n", "mine": "/bin/sh\n"}
    write(tmp_path, lists, stanza("dash", "1") + stanza("mine", "2"), "/bin/sh\n/bin/sh.distrib\nmine\n")
    packages = of(tmp_path)
    assert [owner.name for path in (b"/bin/sh", b"/bin/sh.distrib") if (owner := packages.owner(path))] == [
        "mine",
        "dash",
    ]


def test_a_machine_on_which_nothing_was_ever_diverted_has_owners_too(tmp_path: Path) -> None:
    write(tmp_path, {"viewer": "/opt/viewer/viewer\n"}, stanza("viewer", "1"))
    (tmp_path / "var/lib/dpkg/diversions").unlink()
    found = Packages(tmp_path, time.time).owner(b"/opt/viewer/viewer")
    assert found is not None
    assert found.name == "viewer"


def test_an_installation_is_noticed_when_an_unknown_path_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"one": "/usr/bin/one\n"}, stanza("one", "1"))
    packages = of(tmp_path)
    assert packages.owner(b"/usr/bin/two") is None
    write(tmp_path, {"two": "/usr/bin/two\n"}, stanza("one", "1") + stanza("two", "1"))
    assert packages.owner(b"/usr/bin/two") is not None


def test_a_removal_is_noticed_when_looking_anew(tmp_path: Path) -> None:
    write(tmp_path, {"one": "/usr/bin/one\n"}, stanza("one", "1"))
    packages = of(tmp_path)
    assert packages.owner(b"/usr/bin/one") is not None
    write(tmp_path, {}, stanza("one", "1", "deinstall ok config-files"))
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/one").touch()
    packages.refresh()
    assert packages.owner(b"/usr/bin/one") is None


def test_a_file_that_an_upgrade_took_away_keeps_its_owner_until_another_lies_there(tmp_path: Path) -> None:
    write(tmp_path, {"python3.11": "/usr/bin/python3.11\n"}, stanza("python3.11", "3.11"))
    packages = of(tmp_path)
    assert packages.owner(b"/usr/bin/python3.11") is not None
    (tmp_path / "var/lib/dpkg/info/python3.11.list").unlink()
    write(tmp_path, {}, stanza("python3.12", "3.12"))
    packages.refresh()
    assert packages.owner(b"/usr/bin/python3.11") == Package("dpkg", "python3.11", "3.11", Origin.UNCHECKED)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3.11").touch()
    assert packages.owner(b"/usr/bin/python3.11") is None


@pytest.mark.parametrize(
    ("script", "owner"),
    [
        (b"libx:amd64.postinst", "libx"),
        (b"libx.prerm", "libx"),
        (b"libx.config", "libx"),
        (b"libx.evil", None),
        (b"libx", None),
        (b"other.postinst", None),
        (b"sub/libx.postinst", None),
    ],
)
def test_a_maintainer_script_belongs_to_its_package(tmp_path: Path, script: bytes, owner: str | None) -> None:
    write(tmp_path, {"libx:amd64": "/usr/lib/libx.so.1\n"}, stanza("libx", "4"))
    found = of(tmp_path).owner(b"/var/lib/dpkg/info/" + script)
    assert (found.name if found else None) == owner


def test_of_one_package_for_two_architectures_each_keeps_its_own_version(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"libx:amd64": "/usr/lib/x86/libx.so\n", "libx:i386": "/usr/lib/i386/libx.so\n"},
        stanza("libx", "4", architecture="amd64") + stanza("libx", "3", architecture="i386"),
    )
    packages = of(tmp_path)
    found = [packages.owner(path) for path in (b"/usr/lib/x86/libx.so", b"/usr/lib/i386/libx.so")]
    assert [owner.version for owner in found if owner] == ["4", "3"]


def test_a_machine_without_dpkg_has_no_owners(tmp_path: Path) -> None:
    assert of(tmp_path).owner(b"/usr/bin/env") is None


def test_garbage_in_the_database_owns_nothing_and_stops_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"good": "/usr/bin/good\n"},
        stanza("good", "1") + "Status: install ok installed\n\nPackage\n\n",
        "odd\n",
    )
    (tmp_path / "var/lib/dpkg/info/bad.list").write_bytes(b"\xff\x00/\n\n\n")
    with (tmp_path / "var/lib/dpkg/status").open("ab") as status:
        status.write(b"Package: \xff\xfe\nStatus: install ok installed\n\n")
    assert of(tmp_path).owner(b"/usr/bin/good") is not None


def test_the_answers_are_those_of_dpkg_itself() -> None:
    paths = sorted(str(path) for path in Path("/usr/bin").iterdir() if path.is_file() and not path.is_symlink())[::40]
    packages = of(Path("/"))
    moved = set(Path("/var/lib/dpkg/diversions").read_text().splitlines())  # dpkg answers for where these should lie
    for path in (path for path in paths if path not in moved):
        asked = subprocess.run(
            ["/usr/bin/dpkg", "-S", path, path.removeprefix("/usr")],
            capture_output=True,
            text=True,
            env={"LC_ALL": "C"},
        )
        said = {line.partition(":")[0] for line in asked.stdout.splitlines() if not line.startswith("diversion")}
        owner = packages.owner(os.fsencode(path))
        assert ({owner.name} if owner else set()) == said, path
