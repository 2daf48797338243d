"""Writes a file that only its owner may read, whole or not at all.

It never writes through a link, and replaces nothing but a regular file of the same user.
"""

import os
import stat
from contextlib import suppress

from agent.words import Words, quote


class Unwritten(Exception):
    """The file was not written; `why` is the sentence to tell."""

    def __init__(self, path: str, why: Words) -> None:
        named = NOT_WRITTEN.filled(path=quote(path))
        self.why = Words(f"{named.en}: {why.en}.", f"{named.ja}: {why.ja}。")
        super().__init__(path)


def write(path: str, text: str) -> None:
    """Write a text as UTF-8 beside the place and move it there; raise `Unwritten` where that may not or cannot be."""
    fresh = f"{path}.{os.getpid()}.new"
    try:
        if not _may_replace(path):
            raise Unwritten(path, NOT_YOURS)
        _write_new(fresh, text.encode())
        try:
            os.replace(fresh, path)  # noqa: PTH105  # in the place of a link, never behind it; pathlib starts slowly
        except OSError:
            os.unlink(fresh)  # noqa: PTH108
            raise
    except OSError as error:
        said = quote(error.strerror or str(error))
        raise Unwritten(path, Words(said, said)) from error


def _may_replace(path: str) -> bool:
    """Tell whether nothing is there yet, or a regular file that is the user's own."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def _write_new(path: str, data: bytes) -> None:
    """Make the file, and fail if there is anything of that name; what was begun in vain is removed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108
        raise


NOT_WRITTEN = Words("'{path}' was not written", "「{path}」は書き出されませんでした")
NOT_YOURS = Words(
    "something is there that is no regular file of yours; choose another name",
    "同名のものがあり、本人の通常ファイルではありません。別の名前を指定してください",
)
