"""`device.boot`: did this computer start with Secure Boot?

It judges what the firmware says of itself; nothing here is attested by a TPM.
"""

from dataclasses import dataclass
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.facts import Boot, Facts, Observed, Told, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class SecureStart:
    """Secure Boot must be on; where the computer knows nothing of it, that is said."""

    check: ClassVar[str] = "device.boot"
    help_desk: Words

    def needs(self, facts: Facts) -> Observed[Boot] | Unseen:
        """Give how the computer started."""
        return facts.boot

    def judge(self, facts: Facts) -> Finding:
        """Judge what the firmware says."""
        boot = facts.boot
        if isinstance(boot, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(boot.why)))
        match boot.value.secure_boot:
            case Told.YES:
                return self._say(Outcome.PASS, IS_ON, NOTHING_TO_DO, Who.YOU)
            case Told.NO:
                return self._say(Outcome.FAIL, IS_OFF, SWITCH_ON, Who.IT, "secure-boot-off")
            case Told.UNTOLD:
                return self._say(Outcome.UNKNOWN, NOT_KNOWN_HERE, ASK, Who.IT, "secure-boot-untold")

    def unknown(self, why: Words) -> Finding:
        """Answer that the start could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _say(self, outcome: Outcome, seen: Words, remedy: Words, who: Who, *marks: str) -> Finding:
        cure = tell(remedy, help_desk=self.help_desk)
        return Finding(self.check, outcome, seen, cure, who, Evidence(marks=marks))


IS_ON = Words(
    "Secure Boot is on, as this computer's firmware says.",
    "このパソコンのファームウェアによると、セキュアブートは有効です。",
)
IS_OFF = Words(
    "Secure Boot is off, so this computer would also start a system that somebody has changed.",
    "セキュアブートが無効のため、改変されたシステムでも起動してしまうおそれがあります。",
)
NOT_KNOWN_HERE = Words(
    "Secure Boot cannot be checked on this computer.", "このパソコンでは、セキュアブートの状態を確認できません。"
)
SWITCH_ON = Words(
    "Call {help_desk}: Secure Boot has to be switched on in the computer's own settings.",
    "パソコン本体の設定でセキュアブートを有効にする必要があります。{help_desk}に連絡してください。",
)
ASK = Words(
    "Call {help_desk}: whether this computer may be used must be decided there.",
    "このパソコンを使用できるかどうかの確認が必要です。{help_desk}に連絡してください。",
)
