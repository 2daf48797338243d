"""The local accounts of the machine (passwd(5), shadow(5)): who they are, and who needs no password.

A directory service is never asked, and of a password nothing is kept but whether there is none.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.probes.small_files import UnreadableError, read_lines


@dataclass(frozen=True, slots=True)
class Account:
    """One local account; `open` tells that it may log in and has no password at all."""

    name: str
    uid: int
    home: str
    open: bool


def read_accounts(root: Path) -> tuple[Account, ...]:
    """Read all accounts; raise `UnreadableError` where the files cannot be read."""
    shadow = {fields[0]: fields[1] for fields in _read_fields(root / "etc/shadow", SHADOW_FIELDS)}
    accounts = tuple(_read(fields, shadow) for fields in _read_fields(root / "etc/passwd", PASSWD_FIELDS))
    if not accounts:
        raise UnreadableError("there is no list of accounts")
    return accounts


def choose(accounts: Sequence[Account], uids: frozenset[int]) -> tuple[tuple[Account, ...], bool]:
    """Choose the accounts of some users, and tell whether every one of them has an account here."""
    chosen = tuple(account for account in accounts if account.uid in uids)
    return chosen, uids == {account.uid for account in chosen}


def _read(fields: list[str], shadow: dict[str, str]) -> Account:
    name, password, uid, _, _, home, shell = fields
    logs_in = shell.rpartition("/")[2] not in NO_SHELLS
    needs_none = not password or (password == SHADOWED and shadow.get(name) == "")
    return Account(name, int(uid), home, logs_in and needs_none)


def _read_fields(file: Path, count: int) -> Iterator[list[str]]:
    for line in read_lines(file):
        fields = line.replace("\0", "").split(":")
        if len(fields) == count and (count != PASSWD_FIELDS or UID.fullmatch(fields[2])):
            yield fields


# Fixed by passwd(5) and shadow(5); an empty shell stands for /bin/sh.
PASSWD_FIELDS = 7
SHADOW_FIELDS = 9
SHADOWED = "x"
UID = re.compile(r"[0-9]{1,10}")
NO_SHELLS = frozenset({"nologin", "false", "sync", "halt", "shutdown"})
