"""`device.identity`: is this computer's certificate the hospital's own, and how long does it hold?

A certificate that still holds passes; how soon it ends is told in steps, so that it is renewed in time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.checks.spans import tell_day
from agent.posture.facts import Facts, Observed, Papers, Told, Unseen
from agent.posture.facts.device import Paper
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class Identity:
    """Every site's certificate must hold at `now` (since 1970); `warn` are the seconds before its end to tell it.

    `ahead` is how many seconds local time is ahead of UTC.
    """

    check: ClassVar[str] = "device.identity"
    help_desk: Words
    now: float
    ahead: float
    warn: tuple[float, ...]

    def needs(self, facts: Facts) -> Observed[Papers] | Unseen:
        """Give the certificates."""
        return facts.papers

    def judge(self, facts: Facts) -> Finding:
        """Judge each certificate; the worst counts, and of equals the one that ends first."""
        papers = facts.papers
        if isinstance(papers, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(papers.why)))
        if not papers.value.papers:
            return self.unknown(tell(NOT_SEEN, why=NONE_NAMED))
        first = sorted(papers.value.papers, key=lambda paper: paper.not_after)
        return min(map(self._judge, first), key=lambda finding: WORST_FIRST.index(finding.outcome))

    def unknown(self, why: Words) -> Finding:
        """Answer that the certificates could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _judge(self, paper: Paper) -> Finding:
        site = quote(paper.site)
        if paper.ours is Told.UNTOLD:
            return self._say(Outcome.UNKNOWN, tell(UNTOLD, site=site, why=quote(paper.why)), CALL, Who.IT, "untold")
        if paper.ours is Told.NO:
            return self._say(Outcome.FAIL, tell(NOT_OURS, site=site), CALL, Who.IT, "not-ours")
        if self.now >= paper.not_after:
            day = tell_day(paper.not_after, self.ahead)
            return self._say(Outcome.FAIL, tell(ENDED, site=site, day=day), RENEW, Who.IT, "ended")
        if self.now < paper.not_before:
            day = tell_day(paper.not_before, self.ahead)
            return self._say(Outcome.FAIL, tell(NOT_YET, site=site, day=day), SET_CLOCK, Who.YOU, "not-yet")
        return self._holds(paper, site)

    def _holds(self, paper: Paper, site: str) -> Finding:
        """Pass, and tell the end the more plainly the nearer it is: each step is news by its mark."""
        seen, left = tell(HOLDS, site=site, day=tell_day(paper.not_after, self.ahead)), paper.not_after - self.now
        passed = [step for step in self.warn if left <= step]
        if not passed:
            return self._say(Outcome.PASS, seen, NOTHING_TO_DO, Who.YOU, until=paper.not_after)
        remedy = RENEW if min(passed) == min(self.warn) else RENEW_SOON
        mark = f"ends-{math.ceil(min(passed) / DAY)}d"
        return self._say(Outcome.PASS, seen, remedy, Who.IT, mark, until=paper.not_after)

    def _say(
        self, outcome: Outcome, seen: Words, remedy: Words, who: Who, *marks: str, until: float | None = None
    ) -> Finding:
        cure = tell(remedy, help_desk=self.help_desk)
        return Finding(self.check, outcome, seen, cure, who, Evidence(marks=marks), until=until)


WORST_FIRST: Sequence[Outcome] = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)
DAY = 86_400.0

NONE_NAMED = Words("the policy names no certificate", "ポリシーに端末証明書の指定がありません")
HOLDS = Words(
    "This computer's certificate for '{site}' holds until {day}.",
    "接続先「{site}」用の端末証明書は{day}まで有効です。",
)
ENDED = Words(
    "This computer's certificate for '{site}' ended on {day}.",
    "接続先「{site}」用の端末証明書の有効期限が{day}に切れました。",
)
NOT_YET = Words(
    "This computer's certificate for '{site}' begins only on {day}; the clock may be wrong.",
    "接続先「{site}」用の端末証明書は{day}からでないと使えません。パソコンの時計が間違っている可能性があります。",
)
NOT_OURS = Words(
    "This computer's certificate for '{site}' was not issued by an authority that the hospital named.",
    "接続先「{site}」用の端末証明書は、病院が指定した認証局から発行されたものではありません。",
)
UNTOLD = Words(
    "This computer's certificate for '{site}' could not be checked: {why}.",
    "接続先「{site}」用の端末証明書を確認できませんでした({why})。",
)
RENEW_SOON = Words("Ask {help_desk} for a new one in the coming days.", "数日中に{help_desk}に更新を依頼してください。")
RENEW = Words(
    "Call {help_desk} now: this computer needs a new certificate.",
    "新しい証明書が必要です。すぐに{help_desk}に連絡してください。",
)
CALL = Words(
    "Call {help_desk}: this computer's certificate must be looked at.",
    "端末証明書を確認する必要があります。{help_desk}に連絡してください。",
)
SET_CLOCK = Words(
    "Check the date in the settings, then press Connect again; if it stays so, call {help_desk}.",
    "設定で日付を確認してから、もう一度接続してください。続く場合は{help_desk}に連絡してください。",
)
