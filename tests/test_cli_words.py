"""The command line's own words: help, mistakes, languages, completion, and what it must not import."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import phrases
from agent.cli.arguments import COMMANDS, parser
from agent.cli.show import change, connected, headline, reason, refusal, safe, standing
from agent.control.messages import Reason, Refused, Status
from agent.words import HIDDEN_CATEGORIES, Words, language_of
from tests.standin import OPEN, environment, run

ABSENT = Path("/nonexistent/control")
WORDS = st.builds(Words, st.text(), st.text())
REASONS = st.builds(Reason, st.text(), st.sampled_from(["fail", "unknown", "warn", "problem"]), WORDS, WORDS, st.text())
STATUSES = st.builds(
    Status,
    st.sampled_from(list(phrases.STATES)),
    st.none() | st.text(),
    st.lists(st.text(), max_size=3).map(tuple),
    st.text(),
    st.none() | st.integers(),
    st.just(()),
    st.lists(REASONS, max_size=3).map(tuple),
    st.none(),
)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_help_names_every_command_in_both_languages(language: str) -> None:
    told = run(ABSENT, "--help", language=f"{language}_JP.UTF-8")
    assert told.returncode == 0
    for name in COMMANDS:
        assert name in told.stdout
    squeezed = "".join(told.stdout.split())
    assert "".join(phrases.HELP["why"].in_("ja" if language == "ja" else "en").split()) in squeezed


@pytest.mark.parametrize(
    ("typed", "meant"), [("conect", "connect"), ("disconect", "disconnect"), ("stauts", "status"), ("wath", "watch")]
)
def test_a_mistyped_command_gets_a_suggestion(typed: str, meant: str) -> None:
    done = run(ABSENT, typed)
    assert done.returncode == 2
    assert f"did you mean '{meant}'?" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [[], ["--colour", "status"], ["status", "more"], ["--language", "fr", "status"]])
def test_a_wrong_command_line_exits_with_2_and_says_why(words: list[str]) -> None:
    done = run(ABSENT, *words)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("sekisho")
    assert "Traceback" not in done.stderr


def test_a_mistyped_word_with_control_characters_reaches_no_terminal_raw() -> None:
    assert "\x1b" not in run(ABSENT, "conect\x1b[2J").stderr


def test_options_may_stand_before_or_after_the_command() -> None:
    for words in (["--json", "--language", "ja", "status"], ["status", "--json", "--language", "ja"]):
        said = parser("en").parse_args(words)
        assert (said.json, said.language, said.command) == (True, "ja", "status")


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
    ],
)
def test_the_language_is_the_environments(variables: dict[str, str], language: str) -> None:
    assert language_of(variables) == language


def test_a_warning_is_one_line_at_a_connect_that_says_where_the_rest_is_told() -> None:
    warning = Reason(
        "device.updates", "warn", Words("Updates wait.", "更新があります。"), Words("Install.", "更新。"), "it"
    )
    told = list(connected(replace(OPEN, warnings=(warning,)), 100.0, "en"))
    assert told[-2:] == ["- Updates wait.  [device.updates]", phrases.WARNED.en]
    assert phrases.WARNED.ja not in list(connected(OPEN, 100.0, "ja"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell: str) -> None:
    done = run(ABSENT, "completion", shell)
    assert done.returncode == 0
    assert "disconnect" in done.stdout


def test_the_completion_of_bash_is_a_script_that_bash_accepts() -> None:
    script = run(ABSENT, "completion", "bash").stdout
    checked = subprocess.run(["/bin/bash", "-n"], input=script, capture_output=True, text=True, timeout=10)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_status_imports_nothing_heavy() -> None:
    heavy = {
        "pathlib",
        "pyroute2",
        "pydantic",
        "dbus_fast",
        "psutil",
        "asyncio",
        "shtab",
        "yaml",
        "cryptography",
        "difflib",
        "datetime",
        "hashlib",
        "html",
    }
    code = (
        "import sys; from agent.cli.main import main\n"
        f"assert main(['--socket', '{ABSENT}', 'status']) == 6\n"
        f"print(*sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=20)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


@given(STATUSES, st.sampled_from(["en", "ja"]))
def test_no_control_character_of_the_service_reaches_the_screen(status: Status, language: str) -> None:
    spoken = language_of({"LANG": language})
    lines = [*standing(status, spoken), change(status, "12:00:00", spoken)]
    lines += refusal(Refused("posture", status.reasons), True, spoken)
    for line in lines:
        assert line == safe(line)[: len(line)]
        assert all(character.isprintable() for character in line if not character.isspace())


def test_a_long_sentence_is_whole_but_an_endless_one_is_cut() -> None:
    assert safe("a" * 700) == "a" * 700
    assert len(safe("a" * 100_000)) == 2_000


def test_every_phrase_is_there_in_both_languages() -> None:
    tables = (phrases.HELP, phrases.STATES, phrases.WAITING, phrases.WHO, phrases.MARKS, phrases.LABELS)
    for words in (each for table in tables for each in table.values()):
        assert words.en
        assert words.ja


def test_an_unknown_party_is_named_as_it_came() -> None:
    told = Reason("x.y", "fail", Words("Seen.", "見た。"), Words("Do.", "対処。"), "the\x1bchief")
    assert "Who acts: the\\u001bchief" in list(reason(told, "en"))[-1]
    assert "Cc" in HIDDEN_CATEGORIES


def test_a_countdown_is_told_in_the_first_line():
    counting = replace(OPEN, cut_in=25.4)
    assert headline(counting, "en") == "Sekisho: connected (hospital), closes in 25 s"
    assert headline(counting, "ja") == "Sekisho: 接続済み (hospital), あと25秒で切断します"
