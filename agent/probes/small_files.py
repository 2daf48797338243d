"""Small files and folders of the machine, read whole within bounds.

What is not there is told apart from what cannot be read; a device, a pipe or a socket is never read.
"""

import os
import stat
from pathlib import Path


class UnreadableError(Exception):
    """Something is there and cannot be read; the text says why in one clause."""


def read_small(path: Path, most: int = 1 << 20) -> bytes | None:
    """Read a regular file of at most `most` bytes; None where there is no such file."""
    try:
        descriptor = os.open(path, FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise unreadable(error) from error
    return read_opened(descriptor, most)


def read_opened(descriptor: int, most: int) -> bytes:
    """Read what was opened, if it is a regular file of at most `most` bytes, and close it."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnreadableError("it is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    except OSError as error:
        raise unreadable(error) from error
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise UnreadableError(f"it is larger than {most} bytes")
    return content


def read_word(path: Path) -> str:
    """Read one line as text; empty where there is no such file."""
    content = read_small(path, LONGEST_WORD) or b""
    return content.decode("utf-8", "backslashreplace").strip()


def read_lines(path: Path) -> list[str]:
    """Read a text file's lines; none where there is no such file."""
    return (read_small(path) or b"").decode("utf-8", "backslashreplace").split("\n")


def list_names(folder: Path) -> tuple[str, ...]:
    """List a folder in the order of its names; empty where there is no such folder."""
    names = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                names.append(entry.name)
                if len(names) > MOST_NAMES:
                    raise UnreadableError(f"a folder holds more than {MOST_NAMES} entries")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise unreadable(error) from error
    return tuple(sorted(names))


def unreadable(error: OSError | ValueError) -> UnreadableError:
    """Say in one clause why something could not be read."""
    return UnreadableError((error.strerror if isinstance(error, OSError) else None) or type(error).__name__)


FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

# Our choices.
LONGEST_WORD = 4_096
MOST_NAMES = 4_096
