"""`device.lock`: does this computer keep out whoever finds it open or switches it on?

It judges stored settings and accounts, not what happens on the screen now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.checks.spans import tell_span
from agent.posture.facts import Facts, Locking, Observed, Told, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Every account must need a password, and the screen must lock after `after` idle seconds at most."""

    check: ClassVar[str] = "device.lock"
    help_desk: Words
    after: float

    def needs(self, facts: Facts) -> Observed[Locking] | Unseen:
        """Give the screen lock and the accounts."""
        return facts.locking

    def judge(self, facts: Facts) -> Finding:
        """Judge all; what anybody could use at once is told first, and the evidence tells everything."""
        locking = facts.locking
        if isinstance(locking, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(locking.why)))
        seen = locking.value
        marks = self._marks(seen)
        if seen.empty_passwords:
            return self._judge_accounts(seen.empty_passwords, EMPTY_PASSWORD, SET_PASSWORD, marks)
        if seen.auto_login:
            return self._judge_accounts(seen.auto_login, AUTO_LOGIN, SWITCH_OFF, marks)
        return self._judge_screen(seen, marks)

    def unknown(self, why: Words) -> Finding:
        """Answer that it could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _judge_accounts(self, names: Sequence[str], seen: Words, remedy: Words, marks: Sequence[str]) -> Finding:
        ours = [name for name in names if name]
        told = tell(THESE, names=name_some(ours)) if ours else ANOTHER
        cure, who = (remedy, Who.YOU) if ours else (CALL, Who.IT)
        return self._say(Outcome.FAIL, tell(seen, accounts=told), cure, who, marks)

    def _judge_screen(self, seen: Locking, marks: Sequence[str]) -> Finding:
        if seen.screen_locks is Told.NO:
            return self._say(Outcome.FAIL, NEVER_LOCKS, SET_LOCK, Who.YOU, marks)
        if seen.screen_locks is Told.UNTOLD or seen.after is None:
            return self._say(Outcome.UNKNOWN, LOCK_UNTOLD, SET_LOCK, Who.YOU, marks)
        if seen.after > self.after:
            return self._say(Outcome.FAIL, tell(LOCKS_LATE, span=tell_span(seen.after)), SET_LOCK, Who.YOU, marks)
        return self._say(Outcome.PASS, tell(LOCKS, span=tell_span(seen.after)), NOTHING_TO_DO, Who.YOU)

    def _marks(self, seen: Locking) -> tuple[str, ...]:
        found = {
            "empty-password": bool(seen.empty_passwords),
            "auto-login": bool(seen.auto_login),
            "never-locks": seen.screen_locks is Told.NO,
            "locks-late": seen.after is not None and seen.after > self.after,
        }
        return tuple(mark for mark, is_so in found.items() if is_so)

    def _say(self, outcome: Outcome, seen: Words, remedy: Words, who: Who, marks: Sequence[str] = ()) -> Finding:
        cure = tell(remedy, help_desk=self.help_desk, limit=tell_span(self.after))
        return Finding(self.check, outcome, seen, cure, who, Evidence(marks=tuple(marks)))


THESE = Words("the account {names}", "アカウント{names}")
ANOTHER = Words("another account", "別のアカウント")

LOCKS = Words(
    "The screen locks after {span} without use, and no account without a password was seen.",
    "画面は{span}操作がないとロックされます。パスワードなしで使えるアカウントは見つかりませんでした。",
)
NEVER_LOCKS = Words("The screen does not lock by itself.", "画面が自動的にロックされない設定になっています。")
LOCKS_LATE = Words(
    "The screen locks only after {span} without use.", "画面がロックされるまでの時間が{span}と長すぎます。"
)
LOCK_UNTOLD = Words(
    "Whether the screen locks by itself could not be told.", "画面が自動的にロックされるか確認できませんでした。"
)
EMPTY_PASSWORD = Words(
    "On this computer {accounts} can be used without a password.",
    "このパソコンでは、{accounts}をパスワードなしで使用できます。",
)
AUTO_LOGIN = Words(
    "When this computer starts, it opens {accounts} without asking for a password.",
    "このパソコンは、起動するとパスワードなしで{accounts}に自動ログインします。",
)
SET_LOCK = Words(
    "In the settings, have the screen lock after {limit} at most, then press Connect again. For questions call "
    "{help_desk}.",
    "設定で、画面が{limit}以内にロックされるようにしてから、もう一度接続してください。不明な点は{help_desk}に"
    "お問い合わせください。",
)
SET_PASSWORD = Words(
    "Set a password in the settings, then press Connect again. For questions call {help_desk}.",
    "設定でパスワードを設定してから、もう一度接続してください。不明な点は{help_desk}にお問い合わせください。",
)
SWITCH_OFF = Words(
    "Switch off automatic login in the settings, then press Connect again. For questions call {help_desk}.",
    "設定で自動ログインをオフにしてから、もう一度接続してください。不明な点は{help_desk}にお問い合わせください。",
)
CALL = Words(
    "Call {help_desk}: the accounts of this computer must be looked at.",
    "このパソコンのアカウントを確認する必要があります。{help_desk}に連絡してください。",
)
