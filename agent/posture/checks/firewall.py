"""`device.firewall`: does the firewall turn away on the network in use what nobody here asked for?

It judges what the rules in force do, not whether a firewall program runs.
"""

from dataclasses import dataclass
from typing import ClassVar

from agent.events import Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.facts import Facts, Firewall, Observed, Told, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class TurnsAway:
    """A firewall that lets strangers in fails."""

    check: ClassVar[str] = "device.firewall"
    help_desk: Words

    def needs(self, facts: Facts) -> Observed[Firewall] | Unseen:
        """Give the firewall."""
        return facts.firewall

    def judge(self, facts: Facts) -> Finding:
        """Judge what the rules do."""
        firewall = facts.firewall
        if isinstance(firewall, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(firewall.why)))
        match firewall.value.turns_away:
            case Told.YES:
                return Finding(self.check, Outcome.PASS, TURNS_AWAY, NOTHING_TO_DO, Who.YOU)
            case Told.NO:
                remedy = tell(SWITCH_ON, help_desk=self.help_desk)
                return Finding(self.check, Outcome.FAIL, LETS_IN, remedy, Who.HELP_DESK)
            case Told.UNTOLD:
                return self.unknown(tell(NOT_SEEN, why=quote(firewall.value.why_untold)))

    def unknown(self, why: Words) -> Finding:
        """Answer that the rules could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)


TURNS_AWAY = Words(
    "The firewall turns away connections that nobody here asked for.",
    "ファイアウォールは、このパソコンが求めていない接続を遮断しています。",
)
LETS_IN = Words(
    "The firewall lets in connections that nobody here asked for.",
    "ファイアウォールが、このパソコンの求めていない接続を遮断していません。",
)
SWITCH_ON = Words(
    "Call {help_desk} to have the firewall switched on.",
    "{help_desk}に連絡して、ファイアウォールを有効にしてもらってください。",
)
