"""Which of an interpreter's arguments names the file it runs, for the interpreters whose forms are known.

Pure reading of an argument list. Code given as an argument (`-c`, `-e`), a module (`-m`), a class and code
on standard input name no file, and None says so; an option that is not known is taken to stand alone.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """How an interpreter reads its arguments, by the letters of its short options.

    `code`: what follows is code or a module, not a file. `value`: takes a value, joined or as the next
    argument. `joined`: takes a value only when joined. `file`: its value is the file. `words`: long
    options with a separate value. `bare`: how the first argument that is no option must end to be the
    file; None where it is never one. `chains`: what it runs may be an interpreter with arguments too.
    """

    code: bytes = b""
    value: bytes = b""
    joined: bytes = b""
    file: bytes = b""
    words: frozenset[bytes] = frozenset()
    code_words: frozenset[bytes] = frozenset()
    file_words: frozenset[bytes] = frozenset()
    bare: bytes | None = b""
    chains: bool = False


def form_of(name: bytes) -> Form | None:
    """Look up an interpreter by its executable's name; None when it is not one that is known."""
    return next((form for pattern, form in FORMS if pattern.fullmatch(name)), None)


def find(name: bytes, cmdline: bytes) -> tuple[bytes, ...]:
    """Find the files that the interpreter of this name runs, in a command line as /proc shows it.

    An argument that was cut off is no answer. There are several where one is an interpreter itself.
    """
    found: list[bytes] = []
    arguments = cmdline.split(b"\0")[:-1]
    while (form := form_of(name)) is not None:
        file = _take_file(*_choose_applet(form, arguments))
        if file is None:
            break
        found.append(file)
        if not form.chains:
            break
        name = file.rpartition(b"/")[2]
        arguments.insert(0, name)
    return tuple(found)


def _choose_applet(form: Form, arguments: list[bytes]) -> tuple[Form, list[bytes]]:
    """Take the interpreter's own name away; busybox is what that name, or the next argument, says."""
    called = arguments.pop(0) if arguments else b""
    if form is not BUSYBOX:
        return form, arguments
    if called.rpartition(b"/")[2].startswith(b"busybox"):
        called = arguments.pop(0) if arguments else b""
    return (SHELL if called.rpartition(b"/")[2].lstrip(b"-") in BUSYBOX_SHELLS else BUSYBOX), arguments


def _take_file(form: Form, arguments: list[bytes]) -> bytes | None:
    """Take arguments away until the file is found; what is left are the file's own."""
    while arguments:
        argument = arguments.pop(0)
        if argument == b"--":
            return _as_file(form, arguments.pop(0)) if arguments else None
        if argument[:1] not in (b"-", b"+"):
            return _as_file(form, argument)
        match _read_option(form, argument):
            case "code":
                return None
            case "value":
                arguments[:1] = []
            case "file":
                return arguments.pop(0) if arguments else None
            case bytes(joined):
                return joined
    return None


def _read_option(form: Form, option: bytes) -> str | bytes:
    if option == b"-" or option in form.code_words:
        return "code"
    if option in form.file_words:
        return "file"
    if option in form.words:
        return "value"
    return "flag" if option.startswith(b"--") else _read_cluster(form, option[1:])


def _as_file(form: Form, argument: bytes) -> bytes | None:
    return argument if argument and form.bare is not None and argument.endswith(form.bare) else None


def _read_cluster(form: Form, letters: bytes) -> str | bytes:
    """Tell what a cluster of short options asks for: a file that is joined to its letter is told itself."""
    for place, letter in enumerate(letters):
        rest = letters[place + 1 :]
        if letter in form.code:
            return "code"
        if letter in form.file:
            return rest or "file"
        if letter in form.value:
            return "flag" if rest else "value"
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
PHP = Form(
    code=b"rBRES",
    value=b"cdzt",
    file=b"fF",
    words=frozenset({b"--define", b"--docroot", b"--php-ini", b"--zend-extension"}),
    code_words=frozenset({b"--run", b"--process-begin", b"--process-code", b"--process-end", b"--server"}),
    file_words=frozenset({b"--file", b"--process-file"}),
)
LUA = Form(value=b"ejl", joined=b"O", code=b"b")
TCL = Form(words=frozenset({b"-encoding"}))
GJS = Form(
    code=b"c",
    value=b"CI",
    words=frozenset({b"--coverage-output", b"--coverage-prefix", b"--include-path"}),
    code_words=frozenset({b"--command"}),
)
AWK = Form(
    value=b"Fiv",
    file=b"fE",
    words=frozenset({b"--assign", b"--field-separator", b"--include"}),
    file_words=frozenset({b"--exec", b"--file"}),
    bare=None,
)
JAVA = Form(
    words=frozenset(
        {b"-cp", b"-classpath", b"-p", b"--class-path", b"--module-path", b"--upgrade-module-path", b"--add-modules"}
        | {b"--add-exports", b"--add-opens", b"--add-reads", b"--limit-modules", b"--patch-module", b"--source"}
        | {b"--enable-native-access"}
    ),
    code_words=frozenset({b"-m", b"--module"}),
    file_words=frozenset({b"-jar"}),
    bare=b".java",
)
BUSYBOX = Form(bare=None)
BUSYBOX_SHELLS = frozenset({b"sh", b"ash", b"hush"})
LOADER = Form(
    words=frozenset({b"--library-path", b"--inhibit-rpath", b"--audit", b"--preload", b"--argv0"}), chains=True
)

FORMS = (
    (re.compile(rb"python[0-9.]*"), PYTHON),
    (re.compile(rb"perl[0-9.]*"), PERL),
    (re.compile(rb"ruby[0-9.]*"), RUBY),
    (re.compile(rb"node(js)?"), NODE),
    (re.compile(rb"(a|ba|da|k|z|mk)?sh"), SHELL),
    (re.compile(rb"php[0-9.]*"), PHP),
    (re.compile(rb"lua(jit)?[-0-9.]*"), LUA),
    (re.compile(rb"tclsh[0-9.]*"), TCL),
    (re.compile(rb"gjs(-console)?"), GJS),
    (re.compile(rb"[gm]?awk|original-awk"), AWK),
    (re.compile(rb"java"), JAVA),
    (re.compile(rb"busybox"), BUSYBOX),
    (re.compile(rb"ld(-linux)?[-0-9a-z_.]*\.so[.0-9]*"), LOADER),
)

# Our choices. A longer command line is not read in part, for its script may stand in the rest.
LONGEST_CMDLINE = 256 << 10
