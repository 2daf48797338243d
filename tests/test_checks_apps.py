"""Programs: what approves one, what forbids one, and what is said when it could not be told."""

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import Location, Outcome, ProgramSeen
from agent.posture.checks.apps import Forbidden, ListedFile, Mark, Unapproved
from agent.posture.checks.paths import PathError, PathPattern, location
from agent.posture.facts import Facts, Grade, Observed, Origin, Package, Program, Programs, Script, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import HIDDEN_CATEGORIES, Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
FIREFOX = Package("dpkg", "firefox-esr", "128.5.0", Origin.EXACT)
SHA = "ab" * 32
OTHER_SHA = "cd" * 32


def program(path: str, package: Package | None = None, **more) -> Program:
    return Program(7, 1, 1000, path.rpartition("/")[2][:15], path, package, **more)


def seeing(*running: Program, vanished: int = 0, unreadable: int = 0) -> Facts:
    programs = Observed(Programs(running, vanished, unreadable), Grade.ROOT, "test", 1.0)
    return Facts(programs, Unseen("not asked", 1.0))


BROWSER = program("/usr/lib/firefox-esr/firefox-esr", FIREFOX)
STRANGER = program("/home/sato/Downloads/setup", home=True, sha256=SHA)
VIEWER = program("/opt/viewer/bin/viewer", sha256=SHA)


def judged(*running: Program, vanished: int = 0, unreadable: int = 0, **rule) -> Finding:
    return Unapproved(HELP, **rule).judge(seeing(*running, vanished=vanished, unreadable=unreadable))


def test_programs_of_packages_pass():
    finding = judged(BROWSER, BROWSER)
    assert finding.outcome is Outcome.PASS
    assert finding.seen.en == "2 running programs were looked at, all approved by the policy."


def test_a_program_of_no_package_fails_and_is_named_with_its_cure():
    finding = judged(BROWSER, STRANGER)
    assert (finding.outcome, finding.who) == (Outcome.FAIL, Who.YOU)
    assert finding.sentence == Words(
        "The program '/home/sato/Downloads/setup' is running, and the hospital has not approved it. Close it, then "
        "press Connect again. If your work needs it, ask the help desk (1234) to approve it. (apps.unapproved)",
        "病院が許可していないプログラム「/home/sato/Downloads/setup」が動いています。終了してから、もう一度接続してください。"
        "業務に必要な場合は、ヘルプデスク(1234)に許可を依頼してください。(apps.unapproved)",
    )


def test_the_evidence_holds_no_name_and_no_path():
    finding = judged(STRANGER)
    assert finding.evidence.programs == (ProgramSeen(Location.HOME, SHA),)
    line = events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
    assert "sato" not in line
    assert "setup" not in line


def test_the_same_program_in_many_processes_is_named_once():
    finding = judged(STRANGER, replace(STRANGER, pid=8), replace(STRANGER, pid=9))
    assert finding.seen.en.startswith("The program '/home/sato/Downloads/setup' is running")
    assert len(finding.evidence.programs) == 1


def test_of_many_strangers_three_are_named_and_the_rest_are_counted():
    finding = judged(*(program(f"/tmp/{letter}", sha256=f"{place:064x}") for place, letter in enumerate("edcba")))
    assert "5 programs" in finding.seen.en
    assert finding.seen.en.endswith(": '/tmp/a', '/tmp/b', '/tmp/c' and 2 more.")
    assert finding.seen.ja.endswith(":「/tmp/a」「/tmp/b」「/tmp/c」ほか2件。")


def test_a_crowd_of_strangers_is_told_in_bounded_evidence():
    finding = judged(*(program(f"/tmp/{number}", sha256=f"{number:064x}") for number in range(500)))
    assert len(finding.evidence.programs) == events.MOST_SEEN
    assert finding.evidence.more == 500 - events.MOST_SEEN


@pytest.mark.parametrize(
    ("rule", "approved"),
    [
        ({}, False),
        ({"sha256": frozenset({SHA})}, True),
        ({"sha256": frozenset({OTHER_SHA})}, False),
        ({"files": (ListedFile(PathPattern.of("/opt/viewer/bin/viewer"), frozenset({SHA})),)}, True),
        ({"files": (ListedFile(PathPattern.of("/opt/viewer/bin/viewer"), frozenset({OTHER_SHA})),)}, False),
        ({"files": (ListedFile(PathPattern.of("/opt/other"), frozenset({SHA})),)}, False),
        ({"paths": (PathPattern.of("/opt/viewer/**"),)}, True),
        ({"paths": (PathPattern.of("/opt/*"),)}, False),
    ],
)
def test_a_program_of_no_package_is_approved_by_content_or_by_place(rule, approved: bool):
    assert (judged(VIEWER, **rule).outcome is Outcome.PASS) == approved


def test_a_renamed_or_copied_program_is_approved_by_content_alone_and_not_by_its_name():
    copy = replace(STRANGER, path="/tmp/firefox-esr", name="firefox-esr")
    assert judged(copy).outcome is Outcome.FAIL
    assert judged(copy, sha256=frozenset({SHA})).outcome is Outcome.PASS


def test_a_listed_package_approves_and_another_does_not():
    assert judged(BROWSER, packages=frozenset({"firefox-esr"})).outcome is Outcome.PASS
    assert judged(BROWSER, packages=frozenset({"orthanc"})).outcome is Outcome.FAIL


def test_the_architecture_that_dpkg_adds_to_a_name_does_not_matter():
    foreign = replace(BROWSER, package=replace(FIREFOX, name="firefox-esr:i386"))
    assert judged(foreign, packages=frozenset({"firefox-esr"})).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("origin", "outcome"),
    [
        (Origin.EXACT, Outcome.PASS),
        (Origin.NAME_ONLY, Outcome.PASS),
        (Origin.NONE, Outcome.FAIL),
        (Origin.LISTS_STALE, Outcome.UNKNOWN),
        (Origin.UNCHECKED, Outcome.UNKNOWN),
    ],
)
def test_a_known_origin_is_asked_for_only_by_policy(origin: Origin, outcome: Outcome):
    browser = replace(BROWSER, package=replace(FIREFOX, origin=origin))
    assert judged(browser).outcome is Outcome.PASS
    assert judged(browser, known_origin=True).outcome is outcome


@pytest.mark.parametrize(
    ("origin", "sources", "outcome"),
    [
        (Origin.EXACT, ("Debian",), Outcome.PASS),
        (Origin.NAME_ONLY, ("Vendor", "Debian"), Outcome.PASS),
        (Origin.EXACT, ("Vendor",), Outcome.FAIL),
        (Origin.EXACT, ("debian",), Outcome.FAIL),
        (Origin.EXACT, (), Outcome.FAIL),
        (Origin.NONE, (), Outcome.FAIL),
        (Origin.UNCHECKED, (), Outcome.UNKNOWN),
    ],
)
def test_only_packages_of_the_listed_sources_are_approved(origin: Origin, sources: tuple[str, ...], outcome: Outcome):
    browser = replace(BROWSER, package=replace(FIREFOX, origin=origin, sources=sources))
    rule = {"known_origin": True, "sources": frozenset({"Debian", "Central Hospital"})}
    assert judged(browser, **rule).outcome is outcome


def test_who_can_refresh_old_lists_is_told_so_and_otherwise_it_looks():
    stale = replace(BROWSER, package=replace(FIREFOX, origin=Origin.LISTS_STALE))
    unchecked = replace(PYTHON, package=replace(FIREFOX, name="python3", origin=Origin.UNCHECKED))
    finding = judged(stale, known_origin=True)
    assert (finding.outcome, finding.who) == (Outcome.UNKNOWN, Who.YOU)
    assert finding.remedy.en.startswith("Open the software updater and let it check for updates")
    finding = judged(stale, unchecked, known_origin=True)
    assert (finding.outcome, finding.who) == (Outcome.UNKNOWN, Who.IT)


def test_a_packed_program_cannot_be_examined_and_is_no_silent_pass():
    packed = program("/tmp/.mount_viewerXy/usr/bin/viewer", unhashed="the file cannot be examined", foreign=True)
    finding = judged(packed, sha256=frozenset({SHA}), paths=(PathPattern.of("/opt/**"),))
    assert finding.outcome is Outcome.FAIL
    assert "AppImage" in finding.remedy.en
    assert "AppImage" in finding.remedy.ja
    assert "AppImage" not in judged(packed, STRANGER).remedy.en


def test_an_upgrade_that_replaced_a_running_program_is_no_refusal():
    assert judged(replace(BROWSER, replaced=True)).outcome is Outcome.PASS


def test_a_replaced_program_whose_package_no_longer_has_it_need_only_be_started_again():
    finding = judged(replace(BROWSER, package=None, replaced=True))
    assert finding.outcome is Outcome.FAIL
    assert finding.remedy.en.startswith("An update replaced it while it was running: close it, start it again")


def test_a_program_in_memory_only_is_a_stranger():
    assert judged(program("/memfd:x", replaced=True)).outcome is Outcome.FAIL


PYTHON = program("/usr/bin/python3.11", Package("dpkg", "python3.11-minimal", "3.11", Origin.EXACT))
OWN_PYTHON = program("/opt/python/bin/python3", sha256=OTHER_SHA)
OWN_SCRIPT = Script("/home/sato/run.py", None, SHA, home=True)


def running(interpreter: Program, *scripts: Script) -> Program:
    return replace(interpreter, scripts=scripts)


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        (Script("/usr/bin/networkd-dispatcher", FIREFOX), Outcome.PASS),
        (OWN_SCRIPT, Outcome.FAIL),
        (Script("/usr/local/bin/run.py", None, SHA), Outcome.FAIL),
    ],
)
def test_a_packages_interpreter_is_judged_by_its_script(script: Script, outcome: Outcome):
    finding = judged(running(PYTHON, script))
    assert finding.outcome is outcome
    if outcome is Outcome.FAIL:
        assert script.path in finding.seen.en
        assert finding.evidence.programs == (ProgramSeen(location(script.path, home=script.home), SHA),)


def test_a_listed_script_needs_no_listing_of_the_package_that_interprets_it():
    rule = {"packages": frozenset({"firefox-esr"}), "sha256": frozenset({SHA})}
    assert judged(running(PYTHON, OWN_SCRIPT), **rule).outcome is Outcome.PASS
    assert judged(PYTHON, **rule).outcome is Outcome.FAIL


def test_an_interpreter_from_no_known_origin_does_not_pass_with_its_script():
    built_here = replace(PYTHON, package=replace(FIREFOX, origin=Origin.NONE))
    rule = {"known_origin": True, "sha256": frozenset({SHA})}
    assert judged(running(PYTHON, OWN_SCRIPT), **rule).outcome is Outcome.PASS
    assert judged(running(built_here, OWN_SCRIPT), **rule).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ({SHA, OTHER_SHA}, None),
        ({OTHER_SHA}, "/home/sato/run.py"),
        ({SHA}, "/opt/python/bin/python3"),
        (set(), "/home/sato/run.py"),
    ],
)
def test_of_an_interpreter_of_no_package_and_its_script_both_must_be_approved(listed: set[str], named: str | None):
    finding = judged(running(OWN_PYTHON, OWN_SCRIPT), sha256=frozenset(listed))
    assert finding.outcome is (Outcome.PASS if named is None else Outcome.FAIL)
    if named is not None:
        assert f"'{named}'" in finding.seen.en


def test_a_script_is_approved_by_its_own_place_and_content_not_by_its_interpreters():
    script = running(PYTHON, OWN_SCRIPT)
    for_script = ListedFile(PathPattern.of("/home/sato/run.py"), frozenset({SHA}))
    for_python = ListedFile(PathPattern.of("/usr/bin/python3.11"), frozenset({SHA}))
    assert judged(script, files=(for_script,)).outcome is Outcome.PASS
    assert judged(script, files=(for_python,)).outcome is Outcome.FAIL
    assert judged(script, paths=(PathPattern.of("/usr/bin/*"),)).outcome is Outcome.FAIL


def test_a_script_in_a_listed_place_still_needs_an_approved_interpreter():
    paths = (PathPattern.of("/opt/viewer/**"),)
    script = Script("/opt/viewer/run.py", None)
    assert judged(running(PYTHON, script), paths=paths).outcome is Outcome.PASS
    assert judged(running(program("/opt/viewer/python"), script), paths=paths).outcome is Outcome.PASS
    assert judged(running(program("/tmp/python"), script), paths=paths).outcome is Outcome.FAIL


def test_an_interpreter_between_two_others_must_be_approved_too():
    loader, owned = program("/usr/lib/ld.so", FIREFOX), Script("/usr/bin/ldd", FIREFOX)
    assert judged(running(loader, Script("/usr/bin/python3", FIREFOX), owned)).outcome is Outcome.PASS
    finding = judged(running(loader, Script("/tmp/python3", None), owned))
    assert finding.outcome is Outcome.FAIL
    assert "'/tmp/python3'" in finding.seen.en


def test_a_place_does_not_approve_what_a_private_mount_shows_there():
    paths = (PathPattern.of("/opt/viewer/**"),)
    assert judged(VIEWER, paths=paths).outcome is Outcome.PASS
    assert judged(replace(VIEWER, foreign=True), paths=paths).outcome is Outcome.FAIL
    shown = Script("/opt/viewer/run.py", None, foreign=True)
    assert judged(running(PYTHON, shown), paths=paths).outcome is Outcome.FAIL


def test_a_place_does_not_approve_a_file_that_somebody_but_root_may_write():
    paths = (PathPattern.of("/opt/viewer/**"),)
    assert judged(replace(VIEWER, writable=True), paths=paths).outcome is Outcome.FAIL
    assert judged(replace(VIEWER, writable=True), paths=paths, sha256=frozenset({SHA})).outcome is Outcome.PASS


def test_a_listed_place_whose_content_could_not_be_read_is_unknown_not_approved():
    listed = ListedFile(PathPattern.of("/opt/viewer/bin/viewer"), frozenset({SHA}))
    finding = judged(replace(VIEWER, sha256=None, unhashed="it grew while it was read"), files=(listed,))
    assert (finding.outcome, finding.who) == (Outcome.UNKNOWN, Who.IT)
    assert judged(replace(VIEWER, sha256=None), sha256=frozenset({SHA})).outcome is Outcome.FAIL


def test_what_ended_before_it_was_read_is_counted_and_shown_and_never_fails():
    finding = judged(BROWSER, vanished=3)
    assert finding.outcome is Outcome.PASS
    assert "3 ended before they could be looked at" in finding.seen.en
    assert "3件は確認する前に終了" in finding.seen.ja
    assert finding.evidence.vanished == 3


def test_what_runs_but_cannot_be_read_is_unknown_unless_a_stranger_was_seen():
    assert judged(BROWSER, unreadable=1).outcome is Outcome.UNKNOWN
    assert judged(BROWSER, STRANGER, unreadable=1).outcome is Outcome.FAIL


@pytest.mark.parametrize("check", [Unapproved(HELP), Forbidden(HELP, (Mark("X", name="x"),))])
def test_a_look_that_failed_is_unknown_and_says_why(check):
    finding = check.judge(Facts(Unseen("no right to read /proc", 1.0), Unseen("", 1.0)))
    assert finding.outcome is Outcome.UNKNOWN
    assert "no right to read /proc" in finding.seen.en
    assert "the help desk (1234)" in finding.remedy.en
    assert "ヘルプデスク(1234)" in finding.remedy.ja


@given(st.text(alphabet=st.characters(), min_size=1, max_size=60))
def test_a_programs_name_can_neither_hide_steer_nor_break_the_sentence(name: str):
    finding = judged(program(f"/tmp/{name}"))
    for said in (finding.sentence.en, finding.sentence.ja):
        assert not {unicodedata.category(character) for character in said} & HIDDEN_CATEGORIES
    events.line(events.Refused("main", 0, (finding.result,)), 0.0, 0)


def test_a_name_full_of_braces_is_shown_as_it_is():
    assert "{0.__class__}{help_desk}" in judged(program("/tmp/{0.__class__}{help_desk}")).seen.en


def test_a_packages_odd_name_is_left_out_of_the_evidence():
    odd = program("/usr/bin/x", replace(FIREFOX, name="no such name"))
    assert judged(odd, packages=frozenset()).evidence.programs == (ProgramSeen(Location.SYSTEM),)


ANYDESK = Mark("AnyDesk", name="anydesk", package="anydesk", path=PathPattern.of("/opt/anydesk/**"), sha256=SHA)


@pytest.mark.parametrize(
    "running",
    [
        program("/usr/bin/anydesk"),
        program("/usr/bin/AnyDesk"),
        replace(program("/tmp/innocent"), name="anydesk"),
        program("/tmp/innocent", Package("dpkg", "anydesk:amd64", "6", Origin.NONE)),
        program("/opt/anydesk/libexec/helper"),
        program("/tmp/innocent", sha256=SHA),
        program("/usr/bin/python3", scripts=(Script("/opt/anydesk/start.py", None),)),
        program("/usr/bin/bash", scripts=(Script("/home/sato/anydesk", None, home=True),)),
        program("/usr/bin/bash", FIREFOX, scripts=(Script("/tmp/x", None, SHA),)),
        program("/tmp/innocent", scripts=(Script("/opt/anydesk/x", None), Script("/usr/bin/y", FIREFOX))),
    ],
)
def test_any_one_mark_of_a_forbidden_program_is_enough(running: Program):
    finding = Forbidden(HELP, (ANYDESK,)).judge(seeing(BROWSER, running))
    assert finding.outcome is Outcome.FAIL
    assert finding.seen.en == "'AnyDesk' is running, which the hospital forbids while connected."


def test_a_name_that_the_kernel_cut_short_is_known_again():
    mark = Mark("TeamViewer", name="TeamViewer_Desktop")
    cut = replace(program("/tmp/x"), name="TeamViewer_Desk")
    assert Forbidden(HELP, (mark,)).judge(seeing(cut)).outcome is Outcome.FAIL


def test_without_a_forbidden_program_the_check_claims_only_what_was_seen():
    finding = Forbidden(HELP, (ANYDESK,)).judge(seeing(replace(BROWSER, sha256="1" * 64), vanished=2))
    assert finding.outcome is Outcome.PASS
    assert finding.seen.en.startswith("None of the forbidden programs (1 listed) was seen running. 2 ended before")


def test_a_program_that_nobody_hashed_may_be_one_that_is_forbidden_by_its_content():
    assert Forbidden(HELP, (ANYDESK,)).judge(seeing(BROWSER)).outcome is Outcome.UNKNOWN
    assert Forbidden(HELP, (Mark("X", name="other"),)).judge(seeing(BROWSER)).outcome is Outcome.PASS


def test_a_forbidden_program_may_hide_among_those_that_could_not_be_read():
    assert Forbidden(HELP, (ANYDESK,)).judge(seeing(BROWSER, unreadable=1)).outcome is Outcome.UNKNOWN
    assert Forbidden(HELP).judge(seeing(BROWSER, unreadable=1)).outcome is Outcome.PASS


def test_a_program_that_could_not_be_hashed_is_unknown_where_a_hash_is_forbidden():
    growing = program("/tmp/x", unhashed="it grew while it was read")
    assert Forbidden(HELP, (ANYDESK,)).judge(seeing(growing)).outcome is Outcome.UNKNOWN
    assert Forbidden(HELP, (Mark("X", name="other"),)).judge(seeing(growing)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/opt/a", "/opt/a", True),
        ("/opt/a", "/opt/ab", False),
        ("/opt/*", "/opt/a", True),
        ("/opt/*", "/opt/a/b", False),
        ("/opt/**", "/opt/a/b/c", True),
        ("/opt/**", "/opt", False),
        ("/opt/**/bin/x*", "/opt/bin/xy", True),
        ("/opt/**/bin/x*", "/opt/a/b/bin/xy", True),
        ("/opt/**/bin/x*", "/opt/a/bin/y", False),
        ("/opt/a?", "/opt/ab", True),
        ("/opt/a[", "/opt/a[", True),
        ("/opt/a.b", "/opt/axb", False),
        ("/opt/*", "/opt/a\n", True),
        ("/opt/a", "opt/a", False),
        ("/opt/a", "/opt/a\n", False),
    ],
)
def test_patterns_stop_at_a_slash_unless_doubled(pattern: str, path: str, fits: bool):
    assert PathPattern.of(pattern).matches(path) == fits


@pytest.mark.parametrize(
    "text", ["", "opt/x", "/opt/../x", "/opt//x", "/opt/", "/a/**/b/**", "/opt/a**", "/" + "x" * 600]
)
def test_a_text_that_is_no_pattern_is_refused(text: str):
    with pytest.raises(PathError):
        PathPattern.of(text)


@given(st.text(max_size=300), st.sampled_from(["/opt/**", "/opt/**/x", "/opt/*a*b*c", "/**"]))
def test_matching_any_path_answers(path: str, pattern: str):
    assert PathPattern.of(pattern).matches(path) in (True, False)


def test_a_pattern_made_to_be_slow_is_not():
    assert not PathPattern.of("/" + "*a" * 40 + "*b").matches("/" + "a" * 255)


@pytest.mark.parametrize(
    ("path", "home", "place"),
    [
        ("/usr/bin/x", False, Location.SYSTEM),
        ("/opt/x/y", False, Location.OPT),
        ("/home/sato/x", False, Location.HOME),
        ("/data/people/sato/x", True, Location.HOME),
        ("/tmp/x", False, Location.TEMPORARY),
        ("/memfd:x", False, Location.OTHER),
        ("/usr-local/x", False, Location.OTHER),
    ],
)
def test_a_place_is_told_coarsely(path: str, home: bool, place: Location):
    assert location(path, home=home) is place


def test_every_sentence_is_filled_in_both_languages():
    findings = [judged(STRANGER), judged(BROWSER), judged(BROWSER, unreadable=1), judged(VIEWER, VIEWER)]
    for finding in findings:
        for said in (finding.sentence.en, finding.sentence.ja):
            assert not re.search(r"[{}]", said)
