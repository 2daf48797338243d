"""The words of the command line: commands, options, help, and what a mistyped word may have meant."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from agent.cli.phrases import CODES, DID_YOU_MEAN, HELP, ONE_FORM
from agent.words import Language


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    command: str
    site: str | None
    shell: str
    json: bool
    language: Language
    socket: str
    html: str | None = None
    collected: bool = False


def read(arguments: Sequence[str] | None, language: Language) -> Wish:
    """Read the command line; a mistake prints one line and leaves with 2."""
    made = parser(language)
    said = made.parse_args(arguments)
    spoken: Language = "ja" if said.language == "ja" else "en"
    site: str | None = getattr(said, "site", None)
    shell: str = getattr(said, "shell", "")
    html: str | None = getattr(said, "html", None)
    if html is not None and said.json:
        made.error(ONE_FORM.in_(spoken))
    collected = bool(getattr(said, "collected", False))
    return Wish(str(said.command), site, shell, bool(said.json), spoken, str(said.socket), html, collected)


def parser(language: Language) -> argparse.ArgumentParser:
    """Make the parser, its help in one language."""
    shared = _options(language, argparse.SUPPRESS)
    made = _Parser(
        language,
        prog="sekisho",
        description=HELP["sekisho"].in_(language),
        epilog=CODES.in_(language),
        parents=[_options(language, None)],
        add_help=False,
    )
    made.add_argument("--version", action=_Version, nargs=0, help=HELP["version"].in_(language))
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name in COMMANDS:
        told = HELP[name].in_(language)
        command = commands.add_parser(
            name, language=language, help=told, description=told, parents=[shared], add_help=False
        )
        if name == "connect":
            command.add_argument("site", nargs="?", metavar="SITE", help=HELP["site"].in_(language))
        if name == "report":
            kind = command.add_mutually_exclusive_group()
            kind.add_argument("--html", nargs="?", const=STDOUT, metavar="FILE", help=HELP["html"].in_(language))
            kind.add_argument(
                "--what-is-collected", dest="collected", action="store_true", help=HELP["collected"].in_(language)
            )
        if name == "completion":
            command.add_argument("shell", choices=SHELLS, help=HELP["shell"].in_(language))
    return made


class _Parser(argparse.ArgumentParser):
    """A parser that suggests the word that was probably meant."""

    def __init__(self, language: Language, **options: object) -> None:
        self._language: Language = language
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]  # handed on as they came

    def error(self, message: str) -> NoReturn:
        """Print one line and leave."""
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        meant = "" if wrong is None else self._meant(wrong.group(1), re.findall(r"'(.*?)'", wrong.group(2)))
        super().error(meant or message)

    def _meant(self, word: str, words: Sequence[str]) -> str:
        import difflib  # only for a mistake: it costs a tenth of the start

        near = difflib.get_close_matches(word, words, n=1)
        hint = DID_YOU_MEAN.filled(word=near[0]).in_(self._language) if near else ", ".join(words)
        return f"'{word}': {hint}"


class _Version(argparse.Action):
    """Print the version and leave; looked up only then, for it costs time."""

    def __call__(self, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"sekisho {version('sekisho')}")
        except PackageNotFoundError:
            print("sekisho, not installed as a package")
        raise SystemExit(0)


def _options(language: Language, absent: str | None) -> "_Parser":
    """The options that stand before or after the command; `absent` keeps the latter from undoing the former."""
    made = _Parser(language, add_help=False, argument_default=absent)
    default_language, default_socket, default_json = (absent or value for value in (language, SOCKET, False))
    made.add_argument("-h", "--help", action="help", help=HELP["help"].in_(language))
    made.add_argument("--json", action="store_true", default=default_json, help=HELP["json"].in_(language))
    made.add_argument("--language", choices=("en", "ja"), default=default_language, help=HELP["language"].in_(language))
    made.add_argument("--socket", metavar="PATH", default=default_socket, help=HELP["socket"].in_(language))
    return made


# Our choices.
COMMANDS = ("connect", "disconnect", "status", "why", "report", "watch", "completion")
STDOUT = "-"
SHELLS = ("bash", "zsh", "tcsh")
SOCKET = "/run/sekisho/control"
