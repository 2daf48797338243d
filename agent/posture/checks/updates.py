"""`device.updates`: is the system still cared for by its makers, and are their security updates installed?

It judges what the lists on this computer offer; old lists make it "could not be told", never "nothing waits".
"""

from dataclasses import dataclass
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.checks.spans import tell_day, tell_span
from agent.posture.facts import Facts, Observed, Unseen, Updates
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The release must be supported at `now` (since 1970), and no security update may wait.

    `lists` is how many seconds old the news of updates may be, `ahead` how many local time is ahead of UTC.
    """

    check: ClassVar[str] = "device.updates"
    help_desk: Words
    now: float
    ahead: float
    lists: float

    def needs(self, facts: Facts) -> Observed[Updates] | Unseen:
        """Give the updates."""
        return facts.updates

    def judge(self, facts: Facts) -> Finding:
        """Judge the release first, for without support no update will come."""
        if isinstance(facts.updates, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(facts.updates.why)))
        seen = facts.updates.value
        if seen.supported_until is not None and seen.supported_until <= self.now:
            day = tell_day(seen.supported_until, self.ahead)
            said = tell(SUPPORT_ENDED, release=quote(seen.release), day=day)
            return self._say(Outcome.FAIL, said, NEEDS_NEW_SYSTEM, Who.IT, "release-ended")
        if seen.pending:
            said = tell(WAITING, count=str(len(seen.pending)), names=name_some(seen.pending))
            return self._say(Outcome.FAIL, said, INSTALL, Who.YOU, "pending")
        return self._untold(seen) or self._pass(seen)

    def unknown(self, why: Words) -> Finding:
        """Answer that the updates could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _untold(self, seen: Updates) -> Finding | None:
        """Answer unknown where something is missing of what a pass would claim."""
        if seen.pending is None or seen.why:
            return self._say(Outcome.UNKNOWN, tell(NOT_SEEN, why=quote(seen.why)), CALL, Who.IT, "lists-unread")
        if seen.lists_age is None:
            return self._say(Outcome.UNKNOWN, LISTS_UNDATED, REFRESH, Who.YOU, "lists-undated")
        if seen.lists_age > self.lists:
            said = tell(LISTS_OLD, span=tell_span(seen.lists_age))
            return self._say(Outcome.UNKNOWN, said, REFRESH, Who.YOU, "lists-old")
        if seen.supported_until is None:
            said = tell(SUPPORT_UNTOLD, release=quote(seen.release))
            return self._say(Outcome.UNKNOWN, said, ASK, Who.IT, "release-unknown")
        return None

    def _pass(self, seen: Updates) -> Finding:
        said = tell(NONE_WAITING, span=tell_span(seen.lists_age or 0.0))
        if seen.reboot_wanted:
            return self._say(Outcome.PASS, said, RESTART, Who.YOU, "restart-wanted", until=seen.supported_until)
        return self._say(Outcome.PASS, said, NOTHING_TO_DO, Who.YOU, until=seen.supported_until)

    def _say(
        self, outcome: Outcome, seen: Words, remedy: Words, who: Who, *marks: str, until: float | None = None
    ) -> Finding:
        cure = tell(remedy, help_desk=self.help_desk)
        return Finding(self.check, outcome, seen, cure, who, Evidence(marks=marks), until=until)


SUPPORT_ENDED = Words(
    "This computer's system ({release}) has had no security updates since {day}.",
    "このパソコンのシステム({release})は、{day}でセキュリティ更新の提供が終了しています。",
)
SUPPORT_UNTOLD = Words(
    "Until when this computer's system ({release}) gets security updates is not known here.",
    "このパソコンのシステム({release})がいつまでセキュリティ更新を受けられるかを確認できませんでした。",
)
WAITING = Words(
    "Security updates are waiting to be installed ({count}): {names}.",
    "インストールされていないセキュリティ更新が{count}件あります:{names}。",
)
LISTS_OLD = Words(
    "The newest news of updates on this computer is {span} old, too old to tell whether any are missing.",
    "このパソコンの更新情報は{span}前のもので古いため、未適用のセキュリティ更新の有無を確認できませんでした。",
)
LISTS_UNDATED = Words(
    "How old the news of updates on this computer is could not be told.",
    "このパソコンの更新情報がいつのものかを確認できませんでした。",
)
NONE_WAITING = Words(
    "No security update was seen waiting, by news of updates that is {span} old.",
    "未適用のセキュリティ更新は確認されませんでした(更新情報は{span}前のもの)。",
)
NEEDS_NEW_SYSTEM = Words(
    "Call {help_desk}: it needs a newer system.",
    "新しいシステムへの移行が必要です。{help_desk}に連絡してください。",
)
INSTALL = Words(
    "Open the software updater, install the updates and restart. If it asks for a password that you do not have, "
    "call {help_desk}.",
    "ソフトウェアの更新画面で更新をインストールし、パソコンを再起動してください。"
    "管理者のパスワードを求められた場合は、{help_desk}に連絡してください。",
)
REFRESH = Words(
    "Open the software updater and let it check for updates. If it stays so, call {help_desk}.",
    "ソフトウェアの更新画面で更新の有無を確認してください。続く場合は{help_desk}に連絡してください。",
)
CALL = Words(
    "Call {help_desk}: the sources of updates on this computer must be looked at.",
    "更新の取得先の確認が必要です。{help_desk}に連絡してください。",
)
ASK = Words(
    "Call {help_desk}: whether this system may be used must be decided there.",
    "このシステムを使用できるかどうかの確認が必要です。{help_desk}に連絡してください。",
)
RESTART = Words(
    "Restart the computer when it suits you: an update takes effect only then.",
    "更新を有効にするため、都合のよいときにパソコンを再起動してください。",
)
