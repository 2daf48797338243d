"""How the laptop keeps others out: the users' screen locks, logins without a password, and empty passwords.

Only accounts of judged users are named; of others it is told that there is one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from agent.posture.facts import Grade, Locking, Observed, Unseen
from agent.probes.accounts import Account, choose, read_accounts
from agent.probes.auto_login import list_auto_logins
from agent.probes.mounts import read_mounts
from agent.probes.screen_lock import NOT_TOLD, read_screen_lock, weakest
from agent.probes.small_files import UnreadableError


def look_at_locking(
    root: Path, proc: Path, boot: Callable[[], float], uids: frozenset[int]
) -> Observed[Locking] | Unseen:
    """Look at the settings of the users, the weakest of whose screen locks counts, and at all accounts."""
    try:
        mounts, accounts = read_mounts(proc), read_accounts(root)
        judged, complete = choose(accounts, uids)
        screens = [read_screen_lock(root, mounts, account) for account in judged]
        screen = weakest(screens if complete else [*screens, NOT_TOLD])
        found = Locking(
            screen.locks,
            screen.after,
            auto_login=_named(list_auto_logins(root), judged),
            empty_passwords=_named([account.name for account in accounts if account.open], judged),
        )
    except UnreadableError as error:
        return Unseen(f"the accounts and their settings could not be read: {error}", boot())
    return Observed(found, Grade.HEURISTIC, METHOD, boot())


def _named(names: Sequence[str], judged: Sequence[Account]) -> tuple[str, ...]:
    """Keep the names of judged users, and an empty text for all others together."""
    known = {account.name for account in judged}
    return tuple(sorted({name if name in known else "" for name in names}))


# Our choice.
METHOD = "stored settings of the desktop, login screens and accounts"
