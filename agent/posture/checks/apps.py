"""`apps.unapproved` and `apps.forbidden`: may the programs that run now run beside the hospital's images?

It judges what was seen running. Ownership by a package proves a program's path, not its content,
and what ended before it could be read is counted, never judged.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Literal

from agent.events import MOST_SEEN, Evidence, Outcome, ProgramSeen
from agent.posture.checks.paths import PathPattern, location, only_root_writes
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.facts import Facts, Observed, Origin, Package, Program, Programs, Script, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote

Key = tuple[Literal["name", "package", "sha256"], str]
File = Program | Script


class Standing(IntEnum):
    """What the approved list says of one program, from good to bad."""

    APPROVED = 0
    UNTOLD = 1
    STRANGE = 2


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A place and the contents that are approved there."""

    path: PathPattern
    sha256: frozenset[str]


@dataclass(frozen=True, slots=True)
class Unapproved:
    """Every program must be approved by its package, its place and content, or its content.

    `packages` None approves every package; `known_origin` asks that a configured source offers it, and
    `sources` that one of these does.
    Of a script and its interpreter both must be approved; to the interpreter any package will do.
    """

    check: ClassVar[str] = "apps.unapproved"
    help_desk: Words
    packages: frozenset[str] | None = None
    known_origin: bool = False
    sources: frozenset[str] = frozenset()
    files: tuple[ListedFile, ...] = ()
    sha256: frozenset[str] = frozenset()
    paths: tuple[PathPattern, ...] = ()

    def needs(self, facts: Facts) -> Observed[Programs] | Unseen:
        """Give the programs."""
        return facts.programs

    def judge(self, facts: Facts) -> Finding:
        """Look for programs that nothing approves; one is enough to fail."""
        programs = facts.programs
        if isinstance(programs, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(programs.why)))
        standings = [self.worst(program) for program in programs.value.running]
        strange = [file for file, standing in standings if standing is Standing.STRANGE]
        untold = [file for file, standing in standings if standing is Standing.UNTOLD]
        if strange:
            return self._fail(strange, programs.value)
        if programs.value.unreadable:
            return _unreadable(self.check, programs.value, self.help_desk)
        if untold:
            return self._untold(untold, programs.value)
        seen = tell(ALL_APPROVED, count=str(len(standings)), missed=_missed(programs.value))
        return Finding(self.check, Outcome.PASS, seen, NOTHING_TO_DO, Who.YOU, _evidence((), programs.value))

    def unknown(self, why: Words) -> Finding:
        """Answer that the programs could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)

    def worst(self, program: Program) -> tuple[File, Standing]:
        """Judge everything that one program runs, and choose what stands worst; of equals the last."""
        *interpreters, script = program.files
        standings = [(script, self._standing(script, self.packages))]
        standings += [(file, self._standing(file, None)) for file in reversed(interpreters)]
        return max(standings, key=lambda judged: judged[1])

    def _standing(self, file: File, packages: frozenset[str] | None) -> Standing:
        """Judge one file by its package first, for that needs no hash; then by place and content."""
        by_package = self._package_standing(file.package, packages)
        if by_package is Standing.APPROVED or file.sha256 in self.sha256 or self._is_in_place(file):
            return Standing.APPROVED
        places = [listed for listed in self.files if listed.path.matches(file.path)]
        if any(file.sha256 in listed.sha256 for listed in places):
            return Standing.APPROVED
        return Standing.UNTOLD if places and file.sha256 is None else by_package

    def _package_standing(self, package: Package | None, packages: frozenset[str] | None) -> Standing:
        if package is None or (packages is not None and _plain(package) not in packages):
            return Standing.STRANGE
        if not self.known_origin:
            return Standing.APPROVED
        if package.origin in UNTOLD_ORIGINS:
            return Standing.UNTOLD
        from_approved = not self.sources or not self.sources.isdisjoint(package.sources)
        return Standing.APPROVED if package.origin in KNOWN_ORIGINS and from_approved else Standing.STRANGE

    def _is_in_place(self, file: File) -> bool:
        """A listed place approves only what truly lies there, and only where none but root writes it."""
        if not self.paths or file.home or file.foreign or file.writable or not only_root_writes(file.path):
            return False
        return any(pattern.matches(file.path) for pattern in self.paths)

    def _fail(self, strange: list[File], programs: Programs) -> Finding:
        names = _names(strange)
        seen = tell(ONE_STRANGER if len(names) == 1 else STRANGERS, count=str(len(names)), names=name_some(names))
        replaced = all(isinstance(file, Program) and file.replaced and only_root_writes(file.path) for file in strange)
        packed = all(APP_IMAGE.match(file.path) for file in strange)
        remedy = tell(START_AGAIN if replaced else UNPACK if packed else CLOSE_OR_ASK, help_desk=self.help_desk)
        return Finding(self.check, Outcome.FAIL, seen, remedy, Who.YOU, _evidence(strange, programs))

    def _untold(self, untold: list[File], programs: Programs) -> Finding:
        names = _names(untold)
        seen = tell(NOT_TOLD, names=name_some(names))
        stale = all(file.package is not None and file.package.origin is Origin.LISTS_STALE for file in untold)
        remedy = tell(ASK_SOURCES if stale else CALL, help_desk=self.help_desk)
        who = Who.YOU if stale else Who.IT
        return Finding(self.check, Outcome.UNKNOWN, seen, remedy, who, _evidence(untold, programs))


@dataclass(frozen=True, slots=True)
class Mark:
    """A listed program and how it is known; any one of these is enough."""

    title: str
    name: str | None = None
    package: str | None = None
    path: PathPattern | None = None
    sha256: str | None = None

    @property
    def keys(self) -> Iterator[Key]:
        """Everything but the path pattern, as it is looked up."""
        if self.name:
            yield "name", self.name.lower()
            yield "name", self.name.lower()[:LONGEST_COMM]
        if self.package:
            yield "package", self.package
        if self.sha256:
            yield "sha256", self.sha256


@dataclass(frozen=True, slots=True)
class Forbidden:
    """None of the listed programs may be running."""

    check: ClassVar[str] = "apps.forbidden"
    help_desk: Words
    marks: tuple[Mark, ...] = ()

    def needs(self, facts: Facts) -> Observed[Programs] | Unseen:
        """Give the programs."""
        return facts.programs

    def judge(self, facts: Facts) -> Finding:
        """Look for listed programs; a program that could not be read may be one of them."""
        programs = facts.programs
        if isinstance(programs, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(programs.why)))
        if fitting := list(self._fitting(programs.value.running)):
            return self._fail(fitting, programs.value)
        if self.marks and programs.value.unreadable:
            return _unreadable(self.check, programs.value, self.help_desk)
        files = [file for program in programs.value.running for file in program.files]
        unhashed = [file for file in files if self._needs_hash(file)]
        if unhashed:
            return self._untold(unhashed, programs.value)
        seen = tell(NONE_LISTED, count=str(len(self.marks)), missed=_missed(programs.value))
        return Finding(self.check, Outcome.PASS, seen, NOTHING_TO_DO, Who.YOU, _evidence((), programs.value))

    def unknown(self, why: Words) -> Finding:
        """Answer that the programs could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)

    def _fitting(self, running: Iterable[Program]) -> Iterator[tuple[Mark, File]]:
        index: dict[Key, list[Mark]] = {}
        for mark in self.marks:
            for key in mark.keys:
                index.setdefault(key, []).append(mark)
        placed = [(mark, mark.path) for mark in self.marks if mark.path]
        for file in (file for program in running for file in program.files):
            for key in _keys(file):
                yield from ((mark, file) for mark in index.get(key, ()))
            yield from ((mark, file) for mark, place in placed if place.matches(file.path))

    def _needs_hash(self, file: File) -> bool:
        return file.sha256 is None and any(mark.sha256 for mark in self.marks)

    def _fail(self, fitting: list[tuple[Mark, File]], programs: Programs) -> Finding:
        titles = sorted({mark.title for mark, _ in fitting})
        running = list(dict.fromkeys(file for _, file in fitting))
        seen = tell(FORBIDDEN_RUNS, names=name_some(titles))
        remedy = tell(CLOSE_WHOLLY, help_desk=self.help_desk)
        return Finding(self.check, Outcome.FAIL, seen, remedy, Who.YOU, _evidence(running, programs))

    def _untold(self, unhashed: list[File], programs: Programs) -> Finding:
        seen = tell(NOT_TOLD, names=name_some(_names(unhashed)))
        remedy = tell(CALL, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, seen, remedy, Who.IT, _evidence(unhashed, programs))


def _unreadable(check: str, programs: Programs, help_desk: Words) -> Finding:
    seen = tell(UNREADABLE, count=str(programs.unreadable))
    remedy = tell(LOOK_AGAIN, help_desk=help_desk)
    return Finding(check, Outcome.UNKNOWN, seen, remedy, Who.HELP_DESK, _evidence((), programs))


def _missed(programs: Programs) -> Words:
    return tell(VANISHED, count=str(programs.vanished)) if programs.vanished else Words("", "")


def _keys(file: File) -> list[Key]:
    keys: list[Key] = [("name", file.path.rpartition("/")[2].lower())]
    if isinstance(file, Program):
        keys.append(("name", file.name.lower()))
    if file.package:
        keys.append(("package", _plain(file.package)))
    if file.sha256:
        keys.append(("sha256", file.sha256))
    return keys


def _names(files: Iterable[File]) -> list[str]:
    return sorted({file.path for file in files})


def _plain(package: Package) -> str:
    """A package's name without the architecture that dpkg may add."""
    return package.name.partition(":")[0]


def _evidence(judged: Sequence[File], programs: Programs) -> Evidence:
    seen = list(dict.fromkeys(map(_seen, judged)))
    return Evidence(
        programs=tuple(seen[:MOST_SEEN]),
        more=len(seen[MOST_SEEN:]),
        vanished=programs.vanished,
        unreadable=programs.unreadable,
    )


def _seen(file: File) -> ProgramSeen:
    package = _plain(file.package) if file.package else None
    fits = package is not None and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", package)
    return ProgramSeen(location(file.path, home=file.home), file.sha256, package if fits else None)


KNOWN_ORIGINS = frozenset({Origin.EXACT, Origin.NAME_ONLY})
UNTOLD_ORIGINS = frozenset({Origin.LISTS_STALE, Origin.UNCHECKED})
APP_IMAGE = re.compile(r"/tmp/\.mount_")  # noqa: S108 - where a packed file (AppImage) shows its content
LONGEST_COMM = 15  # the kernel cuts a program's name there

ALL_APPROVED = Words(
    "{count} running programs were looked at, all approved by the policy.{missed}",
    "実行中のプログラム{count}件を確認し、すべてポリシーで許可されたものでした。{missed}",
)
VANISHED = Words(" {count} ended before they could be looked at.", "ほかに{count}件は確認する前に終了していました。")
ONE_STRANGER = Words(
    "The program {names} is running, and the hospital has not approved it.",
    "病院が許可していないプログラム{names}が動いています。",
)
STRANGERS = Words(
    "{count} programs are running that the hospital has not approved: {names}.",
    "病院が許可していないプログラムが{count}件動いています:{names}。",
)
CLOSE_OR_ASK = Words(
    "Close it, then press Connect again. If your work needs it, ask {help_desk} to approve it.",
    "終了してから、もう一度接続してください。業務に必要な場合は、{help_desk}に許可を依頼してください。",
)
START_AGAIN = Words(
    "An update replaced it while it was running: close it, start it again, then press Connect again. "
    "If it stays so, call {help_desk}.",
    "実行中に更新されたプログラムです。いったん終了して起動し直してから、もう一度接続してください。"
    "続く場合は{help_desk}に連絡してください。",
)
UNPACK = Words(
    "It comes out of a packed file (AppImage), which cannot be examined: close it, then press Connect again. If your "
    "work needs it, ask {help_desk} to install it for this computer.",
    "中身を確認できない形式(AppImage)のプログラムです。終了してから、もう一度接続してください。"
    "業務に必要な場合は、{help_desk}にこのパソコンへのインストールを依頼してください。",
)
ASK_SOURCES = Words(
    "Open the software updater and let it check for updates, then press Connect again. "
    "If it stays so, call {help_desk}.",
    "ソフトウェアの更新画面で更新の有無を確認してから、もう一度接続してください。続く場合は{help_desk}に連絡してください。",
)
UNREADABLE = Words(
    "{count} running programs could not be examined.", "実行中のプログラムのうち{count}件を確認できませんでした。"
)
NOT_TOLD = Words(
    "Whether {names} may run could not be told.", "{names}が許可されたものかどうかを確認できませんでした。"
)
CALL = Words(
    "Call {help_desk}: the lists of approved programs on this computer must be looked at.",
    "許可リストの確認が必要です。{help_desk}に連絡してください。",
)
NONE_LISTED = Words(
    "None of the forbidden programs ({count} listed) was seen running.{missed}",
    "使用禁止のプログラム({count}件)の実行は確認されませんでした。{missed}",
)
FORBIDDEN_RUNS = Words(
    "{names} is running, which the hospital forbids while connected.",
    "{names}が動いています。接続中の使用は病院の規則で禁止されています。",
)
CLOSE_WHOLLY = Words(
    "Close it wholly, also where it runs in the background, then press Connect again. For questions call {help_desk}.",
    "バックグラウンドの動作も含めて完全に終了し、もう一度接続してください。不明な点は{help_desk}にお問い合わせください。",
)
