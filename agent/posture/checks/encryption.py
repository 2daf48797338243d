"""`device.encryption`: could whoever takes this computer's disk read what is stored on it?

It judges that the places are encrypted or in memory only, not how good the password is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.facts import Facts, Observed, Storage, Unseen
from agent.posture.facts.device import Seal, Volume
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class Encryption:
    """Every place must be sealed; without `system` those are spared that folders sealed one by one cannot cover."""

    check: ClassVar[str] = "device.encryption"
    help_desk: Words
    system: bool = True

    def needs(self, facts: Facts) -> Observed[Storage] | Unseen:
        """Give the volumes."""
        return facts.storage

    def judge(self, facts: Facts) -> Finding:
        """Look for a place without a seal; one is enough to fail."""
        storage = facts.storage
        if isinstance(storage, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(storage.why)))
        volumes = [volume for volume in storage.value.volumes if self.system or volume.place not in SYSTEM]
        plain = [volume for volume in volumes if volume.seal is Seal.NONE]
        untold = [volume for volume in volumes if volume.seal is Seal.UNTOLD]
        if plain:
            return self._say(Outcome.FAIL, tell(PLAIN, places=_places(plain)), ENCRYPT, Who.IT, plain)
        if untold:
            seen = tell(UNTOLD, places=_places(untold), why=quote(untold[0].why))
            return self._say(Outcome.UNKNOWN, seen, ASK, Who.HELP_DESK, untold)
        if not volumes:
            return self.unknown(tell(NOT_SEEN, why=NO_PLACE))
        return self._say(Outcome.PASS, tell(SEALED, count=str(len(volumes))), NOTHING_TO_DO, Who.YOU)

    def unknown(self, why: Words) -> Finding:
        """Answer that the storage could not be judged."""
        return self._say(Outcome.UNKNOWN, why, LOOK_AGAIN, Who.HELP_DESK)

    def _say(self, outcome: Outcome, seen: Words, remedy: Words, who: Who, about: Sequence[Volume] = ()) -> Finding:
        marks = tuple(sorted({MARKS.get(volume.place, "folder") for volume in about}))
        return Finding(self.check, outcome, seen, tell(remedy, help_desk=self.help_desk), who, Evidence(marks=marks))


def _places(volumes: Sequence[Volume]) -> Words:
    named = [PLACES.get(volume.place) or _folder(volume.place) for volume in volumes[:MOST_PLACES]]
    if len(volumes) > MOST_PLACES:
        named.append(tell(MORE, count=str(len(volumes) - MOST_PLACES)))
    return Words(", ".join(name.en for name in named), "、".join(name.ja for name in named))


def _folder(place: str) -> Words:
    return Words(f"the folder '{quote(place)}'", f"フォルダー「{quote(place)}」")


SYSTEM = frozenset({"/", "/home", "/var/tmp"})  # noqa: S108  # names of what was looked at
MARKS: Mapping[str, str] = {"/": "system", "/home": "homes", "/var/tmp": "temporary", "home": "home", "swap": "swap"}  # noqa: S108
PLACES: Mapping[str, Words] = {
    "/": Words("the system", "システム領域"),
    "/home": Words("the users' folders", "利用者のフォルダーの領域"),
    "/var/tmp": Words("temporary files", "一時ファイルの領域"),  # noqa: S108
    "home": Words("your home folder", "ホームフォルダー"),
    "swap": Words("memory that is moved to the disk (swap)", "スワップ領域(メモリーの退避先)"),
}

NO_PLACE = Words("no place was looked at", "確認した保存場所がありません")
MORE = Words("{count} more", "ほか{count}か所")
SEALED = Words(
    "All {count} places that were looked at are encrypted, or are kept in memory only.",
    "確認した保存場所{count}か所は、すべて暗号化されているか、メモリー上にのみ置かれています。",
)
PLAIN = Words(
    "Whoever takes this computer's disk could read what is stored there; not encrypted: {places}.",
    "次の保存場所が暗号化されていないため、ディスクを取り出されると内容を読み取られるおそれがあります: {places}。",
)
UNTOLD = Words(
    "Whether everything that is stored here is encrypted could not be told ({why}): {places}.",
    "次の保存場所が暗号化されているか確認できませんでした({why}): {places}。",
)
ENCRYPT = Words(
    "Call {help_desk}: encryption of the disk has to be set up.",
    "ディスクの暗号化を設定する必要があります。{help_desk}に連絡してください。",
)
ASK = Words(
    "Call {help_desk}: how this computer's disk is set up must be looked at.",
    "ディスクの設定を確認する必要があります。{help_desk}に連絡してください。",
)

# Our choice: those with a name of their own, and one folder.
MOST_PLACES = 6
