"""A package upgrade under a running program, with the real dpkg and a database of the test's own."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.posture.checks.apps import Unapproved
from agent.posture.facts import Facts, Observed, Program
from agent.posture.verdict import Finding, Outcome
from agent.probes.codec import Scope
from agent.probes.digests import Digests
from agent.probes.packages import Packages
from agent.probes.programs import ProgramProbe
from agent.words import Words
from tests.processes import Stage, staged

pytestmark = pytest.mark.lab


class Box:
    """A package that is built, installed and upgraded in a folder of its own below /opt."""

    def __init__(self, root: Path, place: Path) -> None:
        self.root = root
        self.place = place
        (root / "opt").symlink_to("/opt")
        database = root / "var/lib/dpkg"
        for folder in ("info", "updates"):
            (database / folder).mkdir(parents=True)
        for file in ("status", "available", "diversions"):
            (database / file).touch()

    def install(self, version: str, folder: str = "bin") -> None:
        """Build a version whose files differ from every other's, and install it as dpkg does."""
        tree = self.root / f"tree-{version}"
        inside = tree / self.place.relative_to("/") / folder
        inside.mkdir(parents=True)
        for name in ("sleep", "dash"):
            shutil.copy(f"/usr/bin/{name}", inside)
            with (inside / name).open("ab") as file:
                file.write(version.encode())
        (inside / "tool").write_text(f"# {version}\nread line\n")
        (tree / "DEBIAN").mkdir()
        (tree / "DEBIAN/control").write_text(
            f"Package: sekisho-test-viewer\nVersion: {version}\nArchitecture: all\n"
            "Maintainer: a test <test@hospital.example>\nDescription: a viewer\n"
        )
        packed = self.root / f"{version}.deb"
        self._run("/usr/bin/dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, packed)
        self._run("/usr/bin/dpkg", f"--admindir={self.root / 'var/lib/dpkg'}", "--log=/dev/null", "-i", packed)

    def _run(self, *argv: str | Path) -> None:
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, env=path)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as ready:
        yield ready


@pytest.fixture
def box(tmp_path: Path, stage: Stage) -> Iterator[Box]:
    place = Path(f"/opt/sekisho-test-{stage.uid}")
    try:
        yield Box(tmp_path, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def probe(tmp_path: Path, box: Box) -> Iterator[ProgramProbe]:
    ready = ProgramProbe(Packages(tmp_path, time.time), Digests(time.time_ns), time.monotonic, Path("/proc"))
    yield ready
    ready.close()


def judge(probe: ProgramProbe, stage: Stage) -> tuple[Finding, list[Program]]:
    seen = probe.look(Scope(frozenset({stage.uid})))
    assert isinstance(seen, Observed)
    finding = Unapproved(Words("the help desk", "ヘルプデスク")).judge(Facts(programs=seen))
    return finding, sorted(seen.value.running, key=lambda program: program.path)


def test_an_upgrade_under_a_running_program_and_a_running_script_refuses_nobody(
    stage: Stage, box: Box, probe: ProgramProbe
) -> None:
    box.install("1")
    stage.start(box.place / "bin/sleep", "60")
    stage.start(box.place / "bin/dash", box.place / "bin/tool")
    assert judge(probe, stage)[0].outcome is Outcome.PASS
    box.install("2")
    finding, (shell, sleep) = judge(probe, stage)
    assert (shell.replaced, sleep.replaced) == (True, True)
    assert {file.package.version for file in (shell, *shell.scripts, sleep) if file.package} == {"2"}
    assert (finding.outcome, len(shell.scripts)) == (Outcome.PASS, 1)


def test_an_upgrade_that_takes_a_running_program_and_its_script_away_refuses_nobody(
    stage: Stage, box: Box, probe: ProgramProbe
) -> None:
    box.install("1")
    stage.start(box.place / "bin/sleep", "60")
    stage.start(box.place / "bin/dash", box.place / "bin/tool")
    assert judge(probe, stage)[0].outcome is Outcome.PASS
    box.install("2", "bin2")
    assert not (box.place / "bin").exists()
    finding, (shell, sleep) = judge(probe, stage)
    assert {file.package.version for file in (shell, *shell.scripts, sleep) if file.package} == {"1"}
    assert finding.outcome is Outcome.PASS


def test_a_program_that_somebody_puts_where_a_package_had_one_is_nobodys(
    stage: Stage, box: Box, probe: ProgramProbe
) -> None:
    box.install("1")
    probe.prepare()
    box.install("2", "bin2")
    (box.place / "bin").mkdir()
    shutil.copy("/usr/bin/sleep", box.place / "bin/sleep")
    stage.start(box.place / "bin/sleep", "60")
    finding, (program,) = judge(probe, stage)
    assert (finding.outcome, program.package) == (Outcome.FAIL, None)
