"""The words of the command line: commands, options, help, and what a mistyped word may have meant."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from agent.cli.phrases import CODES, DID_YOU_MEAN, HELP, ONE_FORM
from agent.words import Language


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line; `rest` is for another program to read."""

    command: str
    site: str | None
    shell: str
    json: bool
    language: Language
    socket: str
    html: str | None = None
    collected: bool = False
    reason: str | None = None
    yes: bool = False
    action: str = ""
    title: str | None = None
    which: str = ""
    rest: tuple[str, ...] = ()


def read(arguments: Sequence[str] | None, language: Language) -> Wish:
    """Read the command line; a mistake prints one line and leaves with 2."""
    made = parser(language)
    ours, rest = _split(sys.argv[1:] if arguments is None else arguments)
    said = made.parse_args(ours)
    spoken: Language = "ja" if said.language == "ja" else "en"
    if getattr(said, "html", None) is not None and said.json:
        made.error(ONE_FORM.in_(spoken))
    return Wish(
        command=str(said.command),
        site=getattr(said, "site", None),
        shell=getattr(said, "shell", ""),
        json=bool(said.json),
        language=spoken,
        socket=str(said.socket),
        html=getattr(said, "html", None),
        collected=bool(getattr(said, "collected", False)),
        reason=getattr(said, "reason", None),
        yes=bool(getattr(said, "yes", False)),
        action=getattr(said, "action", ""),
        title=getattr(said, "title", None),
        which=getattr(said, "which", ""),
        rest=tuple(rest),
    )


def parser(language: Language) -> argparse.ArgumentParser:
    """Make the parser, its help in one language."""
    made = _Parser(
        language,
        prog="sekisho",
        description=HELP["sekisho"].in_(language),
        epilog=CODES.in_(language),
        parents=[_options(language, None)],
        add_help=False,
    )
    made.add_argument("--version", action=_Version, nargs=0, help=HELP["version"].in_(language))
    commands = _commands(made, "command")
    for name in COMMANDS:
        _fill(_add(commands, name, HELP[name].in_(language), language), name, language)
    return made


def _fill(command: argparse.ArgumentParser, name: str, language: Language) -> None:
    """Add what belongs to one command only."""
    told = {word: words.in_(language) for word, words in HELP.items()}
    match name:
        case "connect":
            command.add_argument("site", nargs="?", metavar="SITE", help=told["site"])
        case "emergency":
            command.add_argument("site", nargs="?", metavar="SITE", help=told["site"])
            command.add_argument("--reason", metavar="CODE", help=told["reason"])
            command.add_argument("--yes", action="store_true", help=told["yes"])
        case "report":
            kind = command.add_mutually_exclusive_group()
            kind.add_argument("--html", nargs="?", const=STDOUT, metavar="FILE", help=told["html"])
            kind.add_argument("--what-is-collected", dest="collected", action="store_true", help=told["collected"])
        case "completion":
            command.add_argument("shell", choices=SHELLS, help=told["shell"])
        case "network":
            actions = _commands(command, "action")
            _add(actions, "list", told["network list"], language)
            _add(actions, "add", told["network add"], language).add_argument("--title", help=told["title"])
            remove = _add(actions, "remove", told["network remove"], language)
            remove.add_argument("which", metavar="NAME-OR-NUMBER", help=told["which"])
        case "policy" | "apps":
            actions = _commands(command, "action")
            for action, options in OFFICE[name].items():
                _fill_office(_add(actions, action, told[f"{name} {action}"], language), options)


def _fill_office(action: argparse.ArgumentParser, options: Sequence[str]) -> None:
    """Add what completion may offer; nothing of it is read here."""
    for option in options:
        action.add_argument(option)
    file = action.add_argument("file", nargs="*")
    file.complete = COMPLETE_FILES  # type: ignore[attr-defined]  # where shtab looks for it


def _split(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part what is ours to read from what follows the two words of a command of IT's desk."""
    command = _next_word(words, 0)
    if command < len(words) and words[command] in OFFICE:
        action = _next_word(words, command + 1)
        return words[: action + 1], words[action + 1 :]
    return words, ()


def _next_word(words: Sequence[str], at: int) -> int:
    """Find the first word from a place on that is neither an option nor an option's value."""
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in WITH_VALUE else 1
    return at


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


def _commands(made: argparse.ArgumentParser, name: str) -> "argparse._SubParsersAction[_Parser]":
    return made.add_subparsers(dest=name, metavar=name.upper(), required=True, parser_class=_Parser)


def _add(
    commands: "argparse._SubParsersAction[_Parser]", name: str, told: str, language: Language
) -> argparse.ArgumentParser:
    shared = _options(language, argparse.SUPPRESS)
    return commands.add_parser(name, language=language, help=told, description=told, parents=[shared], add_help=False)


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


# Fixed by `agent.office`, whose words these are: each with its options besides those that every command has.
OFFICE: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "policy": {
        "check": (),
        "explain": ("--check",),
        "sign": ("--key",),
        "verify": ("--key",),
        "new-key": (),
        "schema": (),
        "rehearse": (),
    },
    "apps": {"inventory": ("--uid", "--list-packages")},
}

# Fixed by shtab: what completes the name of a file in each shell.
COMPLETE_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}

# Our choices.
COMMANDS = (
    *("connect", "disconnect", "status", "why", "report", "ready", "watch"),
    *("network", "emergency", "policy", "apps", "completion"),
)
WITH_VALUE = ("--language", "--socket")
STDOUT = "-"
SHELLS = ("bash", "zsh", "tcsh")
SOCKET = "/run/sekisho/control"
