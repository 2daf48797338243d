"""The entry of the `sekisho` command: read the words, ask the service, leave with a code."""

import os
import sys
from collections.abc import Sequence

from agent.cli.arguments import Wish, parser, read
from agent.cli.asking import Exit, complain
from agent.cli.commands import COMMANDS
from agent.cli.screen import Screen
from agent.control.client import ControlError
from agent.words import language_of


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code."""
    wish = read(argv, language_of(os.environ))
    try:
        return int(_carry_out(wish))
    except KeyboardInterrupt:
        return int(Exit.FAILED)
    except BrokenPipeError:
        # The reader has enough; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.DONE)


def _carry_out(wish: Wish) -> Exit:
    if wish.command == "completion":
        import shtab  # only here: it costs a tenth of the start

        print(shtab.complete(parser(wish.language), wish.shell))
        return Exit.DONE
    screen = Screen(wish.json)
    try:
        return COMMANDS[wish.command](wish, screen)
    except ControlError as error:
        return complain(error, wish, screen)


if __name__ == "__main__":
    sys.exit(main())
