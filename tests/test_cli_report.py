"""`sekisho report` against a stand-in for the daemon: what is printed and written, and the exit codes."""

import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import findings
from agent.cli.private_file import Unwritten, write
from agent.control.client import ControlError
from agent.control.messages import AskReport, Checked, Reason, Refused, Report, encode
from agent.events import EVENTS, schema
from agent.words import Words
from tests.standin import StandIn, run, says, says_bytes

PROGRAMS = Checked(
    "apps.unapproved",
    "pass",
    "off",
    Words("12 running programs were looked at.", "12件を確認しました。"),
    Words("Nothing needs to be done.", "対応は不要です。"),
    "you",
    "B",
    "procfs and dpkg",
    2.0,
)
WIFI = Checked(
    "wifi.trust",
    "fail",
    "refuse",
    Words("The Wi-Fi 'CafeFree' has no password.", "Wi-Fi「CafeFree」にはパスワードがありません。"),
    Words("Use a cable.", "有線LANを使ってください。"),
    "you",
    "B",
    "NetworkManager over D-Bus",
    0.0,
)
UNSEEN = replace(WIFI, outcome="unknown", grade=None, method="", who="help_desk")
LOST = Reason(
    "look.lost", "problem", Words("It could not look.", "検査不能。"), Words("Restart.", "再起動。"), "laptop"
)
CLEAN = Report("2026-11-23T08:12:31+00:00", 7, True, (PROGRAMS,), None)
BAD = replace(CLEAN, allowed=False, findings=(PROGRAMS, WIFI))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a socket."""
    return tmp_path / "control"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock on the wall be Greenwich's, here and in the command."""
    monkeypatch.setenv("TZ", "UTC")


def told(report: Report, language: str = "en") -> list[str]:
    return list(findings.lines(report, "ja" if language == "ja" else "en"))


def test_a_clean_computer_is_told_check_by_check_with_time_method_and_grade(path: Path) -> None:
    with StandIn(path, says(CLEAN)) as daemon:
        done = run(path, "report")
    assert (done.returncode, done.stderr, daemon.asked) == (0, "", [AskReport()])
    assert done.stdout.splitlines() == [
        "What was seen of this computer at 2026-11-23 08:12+00:00 (policy serial 7)",
        "[+] apps.unapproved: meets the policy",
        "    12 running programs were looked at.",
        "    Seen at 08:12:29 by procfs and dpkg, grade B",
        "Grades: A attested by hardware, B observed by the service, C observed in the session or inferred.",
        "Meets the policy: a connection would be let through now.",
    ]


def test_what_would_be_refused_is_told_with_its_remedy_and_exits_with_3(path: Path) -> None:
    with StandIn(path, says(BAD)):
        done = run(path, "report")
    assert done.returncode == 3
    assert done.stdout.splitlines()[4:] == [
        "[x] wifi.trust: does not meet the policy - refused",
        "    The Wi-Fi 'CafeFree' has no password.",
        "    What to do: Use a cable.",
        "    Who acts: you",
        "    Seen at 08:12:31 by NetworkManager over D-Bus, grade B",
        "Grades: A attested by hardware, B observed by the service, C observed in the session or inferred.",
        "A connection would be refused now.",
    ]


def test_a_report_speaks_japanese_to_a_japanese_terminal(path: Path) -> None:
    with StandIn(path, says(BAD)):
        done = run(path, "report", language="ja_JP.UTF-8")
    assert "[x] wifi.trust: ポリシーを満たさない - 接続拒否" in done.stdout
    assert "    対処: 有線LANを使ってください。" in done.stdout
    assert done.stdout.endswith("いま接続すると拒否されます。\n")


def test_what_could_not_be_seen_is_told_as_such_never_as_seen() -> None:
    lines = told(replace(BAD, findings=(UNSEEN,), problem=LOST))
    assert "- It could not look." in lines
    assert "[?] wifi.trust: could not be seen - refused" in lines
    assert "    Looked for in vain at 08:12:31" in lines


def test_a_warning_and_what_the_policy_does_not_mind_have_words_of_their_own() -> None:
    warned, ignored = replace(WIFI, response="warn"), replace(WIFI, response="off")
    assert "[!] wifi.trust: does not meet the policy - warning only" in told(replace(CLEAN, findings=(warned,)))
    lines = told(replace(CLEAN, findings=(ignored,)))
    assert "[!] wifi.trust: does not meet the policy - without effect" in lines
    assert not any("Use a cable" in line for line in lines)


@pytest.mark.parametrize("word", ["secure", "compliant", "trusted", "safe", "安全"])
def test_a_report_never_claims_more_than_was_seen(word: str) -> None:
    for report in (CLEAN, BAD):
        assert word not in " ".join(told(report) + told(report, "ja"))


def test_json_prints_the_report_as_it_came(path: Path) -> None:
    with StandIn(path, says(BAD)):
        done = run(path, "report", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == json.loads(encode(BAD))


def test_a_service_without_a_policy_cannot_report(path: Path) -> None:
    with StandIn(path, says(Refused("problem", (LOST,)))):
        done = run(path, "report")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("That could not be done.\n- It could not look.")


@pytest.mark.parametrize("at", ["", "yesterday", "2026-11-23T08:12:31", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_is_none_is_told_in_one_sentence(path: Path, at: str) -> None:
    with StandIn(path, says(replace(CLEAN, at=at))):
        done = run(path, "report")
    assert done.returncode == 1
    assert "[daemon.foreign: problem]" in done.stderr
    assert "Traceback" not in done.stderr


WORDS = st.builds(Words, st.text(), st.text())
CHECKED = st.builds(
    Checked,
    st.text(),
    st.sampled_from(["pass", "fail", "unknown"]),
    st.sampled_from(["refuse", "warn", "off"]),
    WORDS,
    WORDS,
    st.text(),
    st.none() | st.sampled_from(["A", "B", "C"]),
    st.text(),
    st.floats(-1e15, 1e15),
)


@given(st.lists(CHECKED, max_size=3), st.sampled_from(["en", "ja"]))
def test_no_control_character_of_a_report_reaches_the_screen(checked: list[Checked], language: str) -> None:
    try:
        lines = told(replace(CLEAN, findings=tuple(checked)), language)
    except ControlError:  # an age that no calendar holds
        return
    for line in lines:
        assert all(character.isprintable() for character in line if not character.isspace())
        assert len(line.splitlines()) == 1


def test_a_page_goes_to_the_output_or_to_a_file_that_only_the_user_can_read(path: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    with StandIn(path, says(CLEAN), says(CLEAN), says(BAD)):
        printed, dashed, written = (run(path, "report", "--html", *more) for more in ((), ("-",), (str(page),)))
    assert (printed.returncode, dashed.returncode, written.returncode) == (0, 0, 3)
    assert printed.stdout == dashed.stdout
    assert printed.stdout.startswith("<!doctype html>")
    assert written.stdout == f"Written to {page}, readable by you only.\n"
    assert "CafeFree" in page.read_text("utf-8")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert sorted(tmp_path.iterdir()) == [path, page]


def test_a_page_is_utf_8_whatever_the_terminal_speaks(path: Path) -> None:
    with StandIn(path, says(BAD)):
        done = run(path, "report", "--html", language="C")
    assert "有線LANを使ってください。" in done.stdout


def test_one_form_at_a_time(path: Path) -> None:
    for words in (["--html", "--json"], ["--html", "--what-is-collected"]):
        done = run(path, "report", *words)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_an_older_page_of_the_user_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("old")
    page.chmod(0o644)
    write(str(page), "new")
    assert (page.read_text(), stat.S_IMODE(page.stat().st_mode)) == ("new", 0o600)


def test_a_link_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    treasure, link, dangling = tmp_path / "treasure", tmp_path / "link", tmp_path / "dangling"
    treasure.write_text("mine")
    link.symlink_to(treasure)
    dangling.symlink_to(tmp_path / "nowhere")
    for place in (link, dangling):
        with pytest.raises(Unwritten):
            write(str(place), "page")
        assert place.is_symlink()
    assert treasure.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_what_is_no_file_of_the_users_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, pipe, theirs = tmp_path / "folder", tmp_path / "pipe", tmp_path / "theirs"
    folder.mkdir()
    os.mkfifo(pipe)
    theirs.write_text("theirs")
    for place in (folder, pipe):
        with pytest.raises(Unwritten, match=str(place)):
            write(str(place), "page")
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    with pytest.raises(Unwritten):
        write(str(theirs), "page")
    assert theirs.read_text() == "theirs"


def test_another_file_in_the_way_is_left_alone_and_nothing_half_written_stays(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    in_the_way = tmp_path / f"report.html.{os.getpid()}.new"
    in_the_way.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unwritten):
        write(str(page), "page")
    assert list(tmp_path.iterdir()) == [in_the_way]


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(path: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "missing" / "x.html", tmp_path, Path("/dev/null"), tmp_path / ("x" * 300)):
        with StandIn(path, says(CLEAN)):
            done = run(path, "report", "--html", str(place))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
        assert "was not written: " in done.stderr
        path.unlink()


def test_a_report_that_is_cut_short_is_told(path: Path) -> None:
    with StandIn(path, says_bytes(encode(BAD)[:-40])):
        assert run(path, "report").returncode == 1


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_is_collected_is_told_without_the_service(path: Path, language: str) -> None:
    done = run(path, "report", "--what-is-collected", language=f"{language}_JP.UTF-8")
    assert (done.returncode, done.stderr) == (0, "")
    for event in EVENTS:
        assert f"({event.name}): " in done.stdout


def test_every_event_and_every_field_of_it_is_named_in_what_is_collected() -> None:
    from agent.cli.collected import FIELDS, KEPT

    assert set(KEPT) == {event.name for event in EVENTS}
    assert set(FIELDS) == leaves(schema()) - {"event"}


def test_what_is_collected_is_whole_in_both_languages() -> None:
    from agent.cli.collected import FIELDS, as_json, sections

    for title, said in sections():
        assert title.en
        assert title.ja
        assert all(each.en.endswith(".") and each.ja.endswith("。") for each in said)
    assert all(field.en and field.ja for field in FIELDS.values())
    body = json.loads(as_json())
    assert [section["title"]["en"] for section in body["sections"]] == [title.en for title, _ in sections()]


def test_what_is_collected_is_one_line_of_json_for_programs(path: Path) -> None:
    done = run(path, "report", "--what-is-collected", "--json")
    assert json.loads(done.stdout)["message"] == "collected"


def leaves(part: object) -> set[str]:
    """Collect the names of all properties that hold no properties themselves, wherever they stand in a schema."""
    if isinstance(part, list):
        return set().union(*map(leaves, part))
    if not isinstance(part, dict):
        return set()
    own = {name for name, inner in part.get("properties", {}).items() if not re.search("'properties'", str(inner))}
    return own.union(*map(leaves, part.values()))
