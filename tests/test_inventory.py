"""The proposal of what to approve: a policy that loads and approves exactly what was seen."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.office.inventory import main, propose
from agent.posture.facts import Facts, Grade, Observed, Origin, Package, Program, Programs, Script
from agent.posture.moment import Moment
from agent.posture.policy import Context, Policy, judge, load
from agent.posture.verdict import Outcome
from tests.processes import as_user, staged
from tests.test_daemon_small import POLICY

SHA, OTHER = "ab" * 32, "cd" * 32
FIREFOX = Package("dpkg", "firefox-esr", "128", Origin.EXACT, ("Debian",))
BROWSER = Program(1, 1, 1000, "firefox", "/usr/lib/firefox-esr/firefox-esr", FIREFOX)
VIEWER = Program(2, 1, 1000, "viewer", "/opt/viewer/bin/viewer", None, SHA)
OWN = Program(3, 1, 1000, "own", "/home/sato/bin/own", None, OTHER, home=True)
PYTHON = Program(4, 1, 1000, "python3", "/usr/bin/python3", replace(FIREFOX, name="python3-minimal"))
SCRIPTED = replace(PYTHON, scripts=(Script("/usr/local/bin/tool", None, OTHER),))


def proposed(*running: Program, list_packages: bool = False) -> str:
    return propose(Programs(running, 0, 0), list_packages=list_packages)


def taken(proposal: str) -> Policy:
    return load(POLICY + proposal, "policy.yaml")


def outcome(policy: Policy, *running: Program) -> Outcome:
    facts = Facts(Observed(Programs(running, 0, 0), Grade.ROOT, "test", 1.0))
    findings = judge(policy, facts, Context(Moment(1.0, 1.0), b"k" * 32)).findings
    return next(finding.outcome for finding in findings if finding.check == "apps.unapproved")


SEEN = (BROWSER, VIEWER, OWN, SCRIPTED)


@pytest.mark.parametrize("list_packages", [False, True])
def test_what_was_seen_is_approved_and_what_was_not_is_refused(list_packages: bool) -> None:
    policy = taken(proposed(*SEEN, list_packages=list_packages))
    assert outcome(policy, *SEEN) is Outcome.PASS
    assert outcome(policy, replace(VIEWER, sha256=OTHER, path="/opt/other")) is Outcome.PASS  # a listed content
    assert outcome(policy, replace(VIEWER, sha256="ef" * 32)) is Outcome.FAIL
    assert outcome(policy, replace(OWN, sha256="ef" * 32)) is Outcome.FAIL


def test_listed_packages_are_those_whose_programs_run_and_not_those_that_only_interpret() -> None:
    policy = taken(proposed(*SEEN, list_packages=True))
    assert policy.apps.approved.packages == {"firefox-esr"}
    assert outcome(policy, PYTHON) is Outcome.FAIL


def test_the_proposal_reads_so() -> None:
    assert proposed(*SEEN, list_packages=True) == (
        "# Proposed from 4 running programs. Read it, then take it into the policy.\n"
        "apps:\n"
        "  approved:\n"
        "    packages:\n"
        '      - "firefox-esr"\n'
        "    origin: known\n"
        "    # to approve these sources only:\n"
        '    # sources: ["Debian"]\n'
        "    files:\n"
        '      - path: "/opt/viewer/bin/viewer"\n'
        f"        sha256: {SHA}\n"
        '      - path: "/usr/local/bin/tool"\n'
        f"        sha256: {OTHER}\n"
        "    sha256:\n"
        f"      - {OTHER}  # own\n"
    )


def test_no_path_below_a_home_is_written() -> None:
    unread = replace(OWN, path="/home/sato/secret/other", sha256=None, unhashed="the file cannot be read")
    text = proposed(OWN, unread)
    assert "sato" not in text
    assert "# left out: other (the file cannot be read)" in text


def test_a_package_of_no_known_source_is_named_and_keeps_the_origin_open() -> None:
    local = replace(BROWSER, package=Package("dpkg", "local", "1", Origin.NONE))
    text = proposed(BROWSER, local)
    assert "    origin: any\n    # no configured source is known to offer local 1\n" in text
    assert outcome(taken(text), BROWSER, local) is Outcome.PASS


@pytest.mark.parametrize("path", ["/opt/a*b", "/opt/[x]", "/opt/who?", "/opt/a\nb", "/memfd:x", "/" + "x" * 600])
def test_what_no_pattern_can_name_is_listed_by_its_content_alone(path: str) -> None:
    odd = replace(VIEWER, path=path, foreign=path.startswith("/memfd"))
    policy = taken(proposed(odd))
    assert not policy.apps.approved.files
    assert outcome(policy, odd) is Outcome.PASS


def test_nothing_seen_still_makes_a_policy() -> None:
    assert taken(proposed(list_packages=True)).apps.approved.packages == frozenset()


@given(st.text(min_size=1, max_size=40), st.text(max_size=20), st.booleans(), st.booleans())
def test_any_name_makes_a_policy_that_loads_and_approves(name: str, package: str, home: bool, listed: bool) -> None:
    odd = replace(VIEWER, path=f"/opt/{name}", home=home)
    owned = replace(BROWSER, package=replace(FIREFOX, name=package, sources=(package,), origin=Origin.NONE))
    policy = taken(proposed(odd, owned, list_packages=listed))
    assert outcome(policy, odd) is Outcome.PASS
    assert listed or outcome(policy, owned) is Outcome.PASS


def test_who_is_not_root_gets_one_sentence(tmp_path: Path) -> None:
    told = subprocess.run(
        as_user(65_534, sys.executable, "-m", "agent.office.inventory"), capture_output=True, text=True
    )
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == (
        "sekisho apps inventory: only the system administrator (root) sees what everybody runs; start it with sudo.\n"
    )


@pytest.mark.lab
def test_a_real_look_is_proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with staged(tmp_path) as stage:
        strange = stage.copy()
        stage.start(strange, "60")
        stage.start("/usr/bin/sleep", "60")
        assert main(["--uid", str(stage.uid), "--list-packages"]) == 0
    approved = taken(capsys.readouterr().out).apps.approved
    assert approved.packages == {"coreutils"}
    assert [file.path.text for file in approved.files] == [str(strange)]
