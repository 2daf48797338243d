"""`sekisho policy`: what IT does with policies before a laptop sees them - check, explain, sign, rehearse.

It asks no service, and changes nothing but the files that it is told to write.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.office import keys, phrases, telling
from agent.office.reports import NoReport, stored
from agent.posture.policy import PolicyErrors, Source, load_layers, schema
from agent.posture.policy.explaining import explain
from agent.posture.policy.rehearsing import Stored, rehearse
from agent.posture.policy.rules import DEFAULT_RULES
from agent.posture.policy.text import LARGEST_TEXT
from agent.words import Language, Words, language_of


@dataclass(frozen=True, slots=True)
class Desk:
    """How the one who asks wants to be told."""

    language: Language
    json: bool

    def tell(self, words: Words | Sequence[Words], told: Mapping[str, object]) -> None:
        """Print the result, as lines or as an object."""
        if self.json:
            print(json.dumps(told, ensure_ascii=False))
            return
        for line in (words,) if isinstance(words, Words) else words:
            print(line.in_(self.language))

    def complain(self, why: str) -> int:
        """Print why it cannot be done, and give the exit status for it."""
        if self.json:
            print(json.dumps({"error": why}, ensure_ascii=False))
        else:
            print(why, file=sys.stderr)
        return WRONG


def main(argv: Sequence[str] | None = None) -> int:
    """Do one thing; the exit status is 0 when all is well, 1 when something is wrong, 2 for wrong usage."""
    wish = parser(language_of(os.environ)).parse_args(argv)
    desk = Desk("ja" if wish.language == "ja" else "en", bool(wish.json))
    try:
        code = COMMANDS[str(wish.command)](wish, desk)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has enough; Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except PolicyErrors as wrong:
        return _errors(wrong, desk)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return desk.complain(f"{where}{error.strerror or error}")
    except ValueError as error:
        return desk.complain(str(error))


def parser(language: Language) -> argparse.ArgumentParser:
    """Make the parser, its help in one language."""
    shared = _options(language, argparse.SUPPRESS, argparse.SUPPRESS)
    made = argparse.ArgumentParser(
        prog="sekisho policy",
        description=phrases.HELP["program"].in_(language),
        parents=[_options(language, language, False)],
        add_help=False,
        allow_abbrev=False,
    )
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        told = phrases.HELP[name].in_(language)
        command = commands.add_parser(
            name, help=told, description=told, parents=[shared], add_help=False, allow_abbrev=False
        )
        for flag, word, more in ARGUMENTS[name]:
            command.add_argument(flag, help=phrases.HELP[word].in_(language), **more)  # type: ignore[arg-type]
    return made


def _options(language: Language, spoken: str, as_json: bool | str) -> argparse.ArgumentParser:
    """The options that stand before or after the command."""
    made = argparse.ArgumentParser(add_help=False)
    made.add_argument("-h", "--help", action="help", help=phrases.HELP["help"].in_(language))
    made.add_argument("--json", action="store_true", default=as_json, help=phrases.HELP["json"].in_(language))
    made.add_argument("--language", choices=("en", "ja"), default=spoken, help=phrases.HELP["language"].in_(language))
    return made


def _check(wish: argparse.Namespace, desk: Desk) -> int:
    sources = _sources(wish.files, desk)
    policy = load_layers(sources).policy
    files = [source.file for source in sources]
    words = phrases.NOTHING_WRONG.filled(
        files=", ".join(files), serial=str(policy.serial), sites=", ".join(policy.sites)
    )
    desk.tell(words, {"files": files, "serial": policy.serial, "sites": list(policy.sites), "errors": []})
    return GOOD


def _explain(wish: argparse.Namespace, desk: Desk) -> int:
    sources = _sources(wish.files, desk)
    layered = load_layers(sources)
    chosen = [one for one in explain(layered) if wish.check in (None, one.check)]
    files = tuple(source.file for source in sources)
    desk.tell(telling.explained(layered.policy, files, chosen), telling.explained_json(layered.policy, files, chosen))
    return GOOD


def _sign(wish: argparse.Namespace, desk: Desk) -> int:
    signature, key = keys.sign(wish.key, wish.file)
    told = {"signature": str(signature), "key": key.digest}
    desk.tell(phrases.SIGNED.filled(**told), told)
    return GOOD


def _verify(wish: argparse.Namespace, desk: Desk) -> int:
    keys.verify(wish.key, wish.file)
    told = {"file": str(wish.file)}
    desk.tell(phrases.VERIFIED.filled(**told), {**told, "signed": True})
    return GOOD


def _new_key(wish: argparse.Namespace, desk: Desk) -> int:
    private, public, key = keys.make(wish.name)
    told = {"private": str(private), "public": str(public), "key": key.digest}
    desk.tell(phrases.MADE.filled(**told), told)
    return GOOD


def _schema(_: argparse.Namespace, __: Desk) -> int:
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
    return GOOD


def _rehearse(wish: argparse.Namespace, desk: Desk) -> int:
    policy = load_layers(_sources([wish.policy], desk)).policy
    reports: list[Stored] = []
    left_out: list[str] = []
    for path in wish.reports:
        try:
            reports += stored(path)
        except NoReport as error:
            left_out.append(str(error))
        except OSError as error:
            left_out.append(f"{path}: {error.strerror or error}")
    rehearsal = rehearse(policy, reports)
    desk.tell(telling.rehearsed(rehearsal, left_out), telling.rehearsed_json(rehearsal, left_out))
    return WRONG if left_out else GOOD


def _sources(files: Sequence[Path], desk: Desk) -> tuple[Source, ...]:
    """Read policy files, by default those of this computer; the text's size is for the policy's reader to judge."""
    found = files or [path for place in MACHINE for path in _there(Path(place))]
    if not found:
        raise ValueError(phrases.NO_FILE.in_(desk.language))
    return tuple(_source(path) for path in found)


def _source(path: Path) -> Source:
    with path.open("rb") as file:
        return Source(str(path), file.read(LARGEST_TEXT + 1))


def _there(place: Path) -> Sequence[Path]:
    if place.is_dir():
        return sorted(path for path in place.glob("*.yaml") if not path.name.startswith("."))
    return [place] if place.exists() else []


def _errors(wrong: PolicyErrors, desk: Desk) -> int:
    if not desk.json:
        return desk.complain(str(wrong))
    told = [{"file": one.file, "line": one.line, "column": one.column, "message": one.message} for one in wrong.errors]
    print(json.dumps({"errors": told}, ensure_ascii=False))
    return WRONG


Command = Callable[[argparse.Namespace, Desk], int]
COMMANDS: Mapping[str, Command] = {
    "check": _check,
    "explain": _explain,
    "sign": _sign,
    "verify": _verify,
    "new-key": _new_key,
    "schema": _schema,
    "rehearse": _rehearse,
}
FILES = ("files", "files", {"nargs": "*", "type": Path, "metavar": "FILE"})
FILE = ("file", "file", {"type": Path, "metavar": "FILE"})
ARGUMENTS: Mapping[str, tuple[tuple[str, str, Mapping[str, object]], ...]] = {
    "check": (FILES,),
    "explain": (FILES, ("--check", "one-check", {"choices": tuple(DEFAULT_RULES), "metavar": "CHECK"})),
    "sign": (("--key", "private", {"type": Path, "metavar": "KEY", "required": True}), FILE),
    "verify": (
        ("--key", "public", {"type": Path, "metavar": "KEY", "required": True, "action": "append"}),
        FILE,
    ),
    "new-key": (("name", "name", {"type": Path, "metavar": "NAME"}),),
    "schema": (),
    "rehearse": (
        ("policy", "policy", {"type": Path, "metavar": "POLICY"}),
        ("reports", "reports", {"nargs": "+", "type": Path, "metavar": "REPORT"}),
    ),
}
GOOD, WRONG = 0, 1

# Our choices: where the daemon looks for policies of this machine, the lowest layer first.
MACHINE = ("/usr/lib/sekisho/policy.d", "/etc/sekisho/policy.yaml", "/etc/sekisho/policy.d")
