"""Which of an interpreter's arguments names the file it runs, for the interpreters whose forms are known.

Pure reading of an argument list. Code given as an argument (`-c`, `-e`), a module (`-m`) and code on
standard input name no file, and None says so; an option that is not known is taken to stand alone.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """How an interpreter reads its arguments, by the letters of its short options.

    `code`: what follows is code or a module, not a file. `value`: takes a value, joined or as the next
    argument. `joined`: takes a value only when joined. `words`: long options with a separate value.
    """

    code: bytes = b""
    value: bytes = b""
    joined: bytes = b""
    words: frozenset[bytes] = frozenset()
    code_words: frozenset[bytes] = frozenset()


def form_of(name: bytes) -> Form | None:
    """Look up an interpreter by its executable's name; None when it is not one that is known."""
    return next((form for pattern, form in FORMS if pattern.fullmatch(name)), None)


def find(form: Form, cmdline: bytes) -> bytes | None:
    """Find the file in a command line as /proc shows it; an argument that was cut off is no answer."""
    arguments = cmdline.split(b"\0")[1:-1]
    while arguments:
        argument = arguments.pop(0)
        if argument == b"--":
            return arguments[0] if arguments else None
        if argument == b"-" or argument in form.code_words:
            return None
        if argument in form.words:
            arguments[:1] = []
        elif argument[:1] not in (b"-", b"+"):
            return argument or None
        elif not argument.startswith(b"--"):
            match _read_cluster(form, argument[1:]):
                case "code":
                    return None
                case "value":
                    arguments[:1] = []
    return None


def _read_cluster(form: Form, letters: bytes) -> str:
    for place, letter in enumerate(letters):
        if letter in form.code:
            return "code"
        if letter in form.value:
            return "value" if place == len(letters) - 1 else "flag"
        if letter in form.joined:
            return "flag"
    return "flag"


PYTHON = Form(code=b"cm", value=b"WX", words=frozenset({b"--check-hash-based-pycs"}))
PERL = Form(code=b"eE", value=b"I", joined=b"CDFimMVx")
RUBY = Form(code=b"e", value=b"CEIr", joined=b"FKTWix")
NODE = Form(
    code=b"ep",
    value=b"Cr",
    words=frozenset({b"--conditions", b"--experimental-loader", b"--import", b"--loader", b"--require", b"--env-file"}),
    code_words=frozenset({b"--eval", b"--print"}),
)
SHELL = Form(code=b"cs", value=b"oO", words=frozenset({b"--init-file", b"--rcfile"}))
LOADER = Form(words=frozenset({b"--library-path", b"--inhibit-rpath", b"--audit", b"--preload", b"--argv0"}))

FORMS = (
    (re.compile(rb"python[0-9.]*"), PYTHON),
    (re.compile(rb"perl[0-9.]*"), PERL),
    (re.compile(rb"ruby[0-9.]*"), RUBY),
    (re.compile(rb"node(js)?"), NODE),
    (re.compile(rb"(ba|da|k|z|mk)?sh"), SHELL),
    (re.compile(rb"ld(-linux)?[-0-9a-z_.]*\.so[.0-9]*"), LOADER),
)

# Our choices.
LONGEST_CMDLINE = 4_096
