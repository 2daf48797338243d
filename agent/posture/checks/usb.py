"""`device.usb`: is there a disk that can be taken away, and may it be used here?

It judges disks, memory cards and discs that are plugged in, not what is on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.facts import Facts, Observed, Told, Unseen, UsbStorage
from agent.posture.facts.device import RemovableDisk
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


class Allowed(StrEnum):
    """Which removable disks may be used."""

    ALLOW = "allow"
    SEALED = "sealed"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class UsbDisks:
    """`SEALED` asks that what can be written to is encrypted, `FORBID` that there is no disk and no driver for one."""

    check: ClassVar[str] = "device.usb"
    help_desk: Words
    storage: Allowed = Allowed.SEALED

    def needs(self, facts: Facts) -> Observed[UsbStorage] | Unseen:
        """Give the removable disks."""
        return facts.usb

    def judge(self, facts: Facts) -> Finding:
        """Judge the disks by what the policy allows."""
        usb = facts.usb
        if isinstance(usb, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(usb.why)))
        match self.storage:
            case Allowed.ALLOW:
                return self._say(Outcome.PASS, tell(ALLOWED, count=str(len(usb.value.disks))), NOTHING_TO_DO, Who.YOU)
            case Allowed.SEALED:
                return self._judge_sealed(usb.value.disks)
            case Allowed.FORBID:
                return self._judge_forbidden(usb.value)

    def unknown(self, why: Words) -> Finding:
        """Answer that the removable disks could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _judge_sealed(self, disks: Sequence[RemovableDisk]) -> Finding:
        used = [disk for disk in disks if disk.mounted and disk.writable]
        plain = [disk.name for disk in used if disk.sealed is Told.NO]
        untold = [disk.name for disk in used if disk.sealed is Told.UNTOLD]
        if plain:
            return self._say(Outcome.FAIL, tell(PLAIN, names=name_some(plain)), EJECT, Who.YOU, "unsealed-disk")
        if untold:
            return self._say(Outcome.UNKNOWN, tell(SEAL_UNTOLD, names=name_some(untold)), EJECT, Who.YOU)
        return self._say(Outcome.PASS, NONE_PLAIN, NOTHING_TO_DO, Who.YOU)

    def _judge_forbidden(self, usb: UsbStorage) -> Finding:
        if usb.disks:
            names = name_some([disk.name for disk in usb.disks])
            return self._say(Outcome.FAIL, tell(PLUGGED_IN, names=names), EJECT, Who.YOU, "disk")
        match usb.barred:
            case Told.YES:
                return self._say(Outcome.PASS, BARRED, NOTHING_TO_DO, Who.YOU)
            case Told.NO:
                return self._say(Outcome.FAIL, NOT_BARRED, BAR, Who.IT, "not-barred")
            case Told.UNTOLD:
                return self._say(Outcome.UNKNOWN, BAR_UNTOLD, BAR, Who.IT)

    def _say(self, outcome: Outcome, seen: Words, remedy: Words, who: Who, *marks: str) -> Finding:
        cure = tell(remedy, help_desk=self.help_desk)
        return Finding(self.check, outcome, seen, cure, who, Evidence(marks=marks))


ALLOWED = Words(
    "Removable disks may be used; {count} were seen.", "取り外し可能なディスクは使用できます({count}台を確認)。"
)
NONE_PLAIN = Words(
    "No removable disk was seen that can be written to without encryption.",
    "暗号化されていない書き込み可能な外付けディスクは見つかりませんでした。",
)
PLAIN = Words(
    "A removable disk is in use that is not encrypted and can be written to ({names}).",
    "暗号化されていない、書き込み可能な外付けディスクが使われています({names})。",
)
SEAL_UNTOLD = Words(
    "A removable disk is in use, and whether it is encrypted could not be told ({names}).",
    "使用中の外付けディスクが暗号化されているか確認できませんでした({names})。",
)
PLUGGED_IN = Words(
    "A removable disk is plugged in ({names}), which the hospital forbids while connected.",
    "外付けディスクが接続されています({names})。VPN接続中の使用は病院の規則で禁止されています。",
)
BARRED = Words(
    "No removable disk was seen, and USB disks are barred on this computer.",
    "外付けディスクは見つかりませんでした。このパソコンではUSBディスクの使用が制限されています。",
)
NOT_BARRED = Words(
    "USB disks would work on this computer, which the hospital does not allow.",
    "このパソコンではUSBディスクが使える設定になっていますが、病院の規則では認められていません。",
)
BAR_UNTOLD = Words(
    "Whether USB disks are barred on this computer could not be told.",
    "このパソコンでUSBディスクの使用が制限されているか確認できませんでした。",
)
EJECT = Words(
    "Eject the disk, unplug it, then press Connect again. For questions call {help_desk}.",
    "ディスクを安全に取り外してから、もう一度接続してください。不明な点は{help_desk}にお問い合わせください。",
)
BAR = Words(
    "Call {help_desk}: the use of USB disks has to be switched off.",
    "USBディスクの使用を制限する設定が必要です。{help_desk}に連絡してください。",
)
