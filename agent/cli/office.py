"""The way over to IT's desk: a program of its own, for it reads policies and so starts slowly."""

import os
import sys
from typing import NoReturn

from agent.cli.arguments import Wish


def go_over(wish: Wish) -> NoReturn:
    """Become the desk's program, in this very interpreter; raise OSError where that fails."""
    sys.stdout.flush()
    told = ("--language", wish.language, *(("--json",) if wish.json else ())) if wish.command == "policy" else ()
    words = ("-I", "-m", "agent.office", wish.command, wish.action, *told, *wish.rest)
    os.execv(sys.executable, (sys.executable, *words))  # noqa: S606  # no shell is wanted
