"""`device.clock`: is this computer's clock right enough for certificates and records?

It judges what the kernel knows of its own clock; a time source that lies is not seen.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.checks.spans import tell_span
from agent.posture.facts import Clock, Facts, Observed, Told, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class ClockRight:
    """The clock must follow a time source, and be off by `offset` seconds at most."""

    check: ClassVar[str] = "device.clock"
    help_desk: Words
    offset: float

    def needs(self, facts: Facts) -> Observed[Clock] | Unseen:
        """Give the clock."""
        return facts.clock

    def judge(self, facts: Facts) -> Finding:
        """Judge the largest error that the kernel counts with."""
        clock = facts.clock
        if isinstance(clock, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(clock.why)))
        if clock.value.synchronised is Told.NO:
            return self._say(Outcome.FAIL, FOLLOWS_NOTHING, SET_AUTOMATIC, Who.YOU, "not-synchronised")
        if clock.value.offset is None:
            return self.unknown(ERROR_UNTOLD)
        span = tell_span(math.ceil(clock.value.offset))
        if clock.value.offset > self.offset:
            seen = tell(FAR_OFF, span=span, limit=tell_span(self.offset))
            return self._say(Outcome.FAIL, seen, SET_AUTOMATIC, Who.YOU, "far-off")
        return self._say(Outcome.PASS, tell(RIGHT, span=span), NOTHING_TO_DO, Who.YOU)

    def unknown(self, why: Words) -> Finding:
        """Answer that the clock could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _say(self, outcome: Outcome, seen: Words, remedy: Words, who: Who, *marks: str) -> Finding:
        cure = tell(remedy, help_desk=self.help_desk)
        return Finding(self.check, outcome, seen, cure, who, Evidence(marks=marks))


RIGHT = Words(
    "The clock is off by {span} at most, as the system counts it.",
    "システムの計算では、時計のずれは最大{span}です。",
)
FOLLOWS_NOTHING = Words("The clock follows no time source.", "時計が時刻サーバーと同期していません。")
FAR_OFF = Words(
    "The clock may be off by {span}; {limit} is the most that the hospital allows.",
    "時計が最大{span}ずれている可能性があります。病院の規則では{limit}以内である必要があります。",
)
ERROR_UNTOLD = Words("How far the clock is off could not be told.", "時計のずれを確認できませんでした。")
SET_AUTOMATIC = Words(
    "Switch on automatic date and time in the settings, wait a minute and press Connect again; if it stays so, "
    "call {help_desk}.",
    "設定で「日付と時刻の自動設定」をオンにし、1分ほど待ってから、もう一度接続してください。続く場合は{help_desk}に"
    "連絡してください。",
)
