"""`sekisho policy` and `sekisho apps` lead to IT's desk: the words are known here, and the rest is handed over."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.arguments import OFFICE, read
from agent.office import inventory, policy
from tests.standin import environment, run

ABSENT = Path("/nonexistent/control")
EXAMPLE = str(Path(__file__).parent.parent / "packaging/policy/example-clinic.yaml")
EVERYWHERE = {"-h", "--help", "--json", "--language"}


def options(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings} - EVERYWHERE


def test_the_words_of_the_desk_are_those_that_it_knows() -> None:
    (commands,) = (one for one in policy.parser("en")._actions if isinstance(one, argparse._SubParsersAction))
    assert {name: options(command) for name, command in commands.choices.items()} == {
        name: set(words) for name, words in OFFICE["policy"].items()
    }
    assert options(inventory._parser()) == set(OFFICE["apps"]["inventory"])
    assert set(OFFICE["apps"]) == {"inventory"}


def test_the_desk_checks_a_policy_with_the_options_from_either_side() -> None:
    for words in (("--json", "policy", "check", EXAMPLE), ("policy", "--json", "check", EXAMPLE)):
        done = run(ABSENT, *words)
        assert (done.returncode, json.loads(done.stdout)["sites"]) == (0, ["clinic"])
    assert json.loads(run(ABSENT, "policy", "check", EXAMPLE, "--json").stdout)["errors"] == []
    assert "誤りはありません" in run(ABSENT, "--language", "ja", "policy", "check", EXAMPLE).stdout
    assert "誤りはありません" in run(ABSENT, "policy", "check", EXAMPLE, language="ja_JP.UTF-8").stdout


def test_the_desks_own_exit_codes_and_mistakes_come_through(tmp_path: Path) -> None:
    wrong = tmp_path / "policy.yaml"
    wrong.write_text("serial: none\n")
    assert run(ABSENT, "policy", "check", str(wrong)).returncode == 1
    assert run(ABSENT, "policy", "check", str(tmp_path / "missing.yaml")).returncode == 1
    assert run(ABSENT, "policy", "sign").returncode == 2
    assert "usage: sekisho apps inventory" in run(ABSENT, "apps", "inventory", "--help").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("polcy",), "did you mean 'policy'?"),
        (("policy", "chek"), "did you mean 'check'?"),
        (("policy",), "required"),
        (("apps", "inventary"), "did you mean 'inventory'?"),
        (("network", "remvoe"), "did you mean 'remove'?"),
    ],
)
def test_a_mistyped_word_is_told_before_anything_is_started(words: tuple[str, ...], told: str) -> None:
    done = run(ABSENT, *words)
    assert done.returncode == 2
    assert told in done.stderr.splitlines()[-1]


def test_what_follows_the_two_words_is_handed_over_as_it_is() -> None:
    wish = read(["--language", "ja", "policy", "--json", "sign", "--key", "k", "--", "-f"], "en")
    assert (wish.command, wish.action, wish.rest) == ("policy", "sign", ("--key", "k", "--", "-f"))
    assert (wish.language, wish.json) == ("ja", True)


def test_help_of_each_is_told_without_the_desk() -> None:
    for words in (("policy", "--help"), ("apps", "--help")):
        done = run(ABSENT, *words)
        assert done.returncode == 0
        assert all(word in done.stdout for word in OFFICE[words[0]])


def test_completion_knows_the_desks_words() -> None:
    script = run(ABSENT, "completion", "bash").stdout
    assert all(word in script for words in OFFICE.values() for word in words)
    assert "--list-packages" in script


def test_the_desk_alone_knows_two_doors() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agent.office", "elsewhere"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr.startswith("usage: sekisho policy")) == (2, True)
