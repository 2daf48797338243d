"""Looks ahead for people: what will refuse this computer within a day, on request and once a day by itself.

It refuses nothing. The daily look leaves programs alone, for nobody asked, and happens in office hours only.
"""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from agent import events
from agent.control.messages import Coming, Readiness, Reason
from agent.control.server import reason
from agent.daemon.checkpoint import Checkpoint, Sighting
from agent.daemon.instants import iso
from agent.daemon.jury import Jury
from agent.posture.checks.networks import WITHOUT_PASSWORD
from agent.posture.checks.sentences import name_some, tell
from agent.posture.facts import NOT_LOOKED, Facts, Observed, Security, Unseen
from agent.posture.policy.foreseeing import Foreseen
from agent.posture.policy.schedule import OfficeHours, date
from agent.posture.verdict import Finding, Outcome, Response, Who
from agent.problems import problem
from agent.words import Words
from ike.config import Instant

When = Literal["now", "soon", "later", "notice"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was foreseen at `at` by the policy of this serial, what else is to be told, and why nobody looked, if so."""

    at: Instant
    serial: int
    foreseen: tuple[Foreseen, ...]
    notices: tuple[Finding, ...] = ()
    lost: str | None = None

    def codes(self, *when: When) -> tuple[str, ...]:
        """List the checks of which something is to be told for these times."""
        told = tuple(one.finding.check for one in self.foreseen if self.when(one) in when)
        return told + tuple(one.check for one in self.notices if "notice" in when)

    def when(self, one: Foreseen) -> When:
        """Tell whether something refuses now, within a day or later, or is only to be known."""
        if one.finding.rule is not Response.REFUSE:
            return "notice"
        if one.at <= self.at.wall:
            return "now"
        return "soon" if one.at <= self.at.wall + DAY else "later"


async def look_ahead(checkpoint: Checkpoint, uid: int | None) -> Outlook:
    """Look for a user, or for nobody: then what nobody looked at foretells nothing."""
    sighting = await checkpoint.sight(uid)
    jury, facts, now = checkpoint.jury, sighting.facts, sighting.at
    foreseen = jury.foresee(facts, now, HORIZON)
    if uid is None:
        looked = {check for check, fact in jury.rests_on(facts, now).items() if fact != NOT_LOOKED}
        foreseen = tuple(one for one in foreseen if one.finding.check in looked)
    return Outlook(now, jury.policy.serial, foreseen, tuple(_notices(jury, sighting)), sighting.lost)


def readiness(outlook: Outlook) -> Readiness:
    """Tell an outlook to whoever asked."""
    coming = [_coming(outlook.when(one), one.at, one.finding) for one in outlook.foreseen]
    coming += [_coming("notice", None, one) for one in outlook.notices]
    return Readiness(
        at=iso(outlook.at.wall),
        policy_serial=outlook.serial,
        ready=not outlook.codes("now", "soon") and outlook.lost is None,
        coming=tuple(sorted(coming, key=lambda one: ORDER.index(one.when))),
        problem=None if outlook.lost is None else reason(problem("look.lost", outlook.lost)),
    )


def warnings(outlook: Outlook | None, serial: int, wall: float) -> tuple[Reason, ...]:
    """Tell with each status what will refuse within a day, as long as it lies ahead and this policy is in force."""
    if outlook is None or outlook.serial != serial:
        return ()
    ahead = time.localtime(wall).tm_gmtoff
    return tuple(_warning(one, ahead) for one in outlook.foreseen if outlook.when(one) == "soon" and one.at > wall)


async def daily(checkpoint: Checkpoint, keep: Callable[[Outlook], None]) -> None:
    """Look ahead once on each office day on which the computer is awake, record the codes, and `keep` the rest."""
    last: float | None = None
    share = _share(checkpoint.jury.network_key)
    while True:
        await asyncio.sleep(NAP)
        now = checkpoint.instant()
        if is_due(checkpoint.jury.policy.office_hours, now, time.localtime(now.wall).tm_gmtoff, share, last):
            last = now.boot
            outlook = await look_ahead(checkpoint, None)
            keep(outlook)
            checkpoint.record(
                events.Readied(outlook.codes("now"), outlook.codes("soon"), outlook.codes("later", "notice"))
            )


def is_due(hours: OfficeHours, now: Instant, ahead: float, share: float, last: float | None) -> bool:
    """Tell whether to look: in office hours, `share` of the first hour after they began, and half a day after `last`.

    `last` is an instant of the boot clock, so that a wall clock set back brings no second look.
    """
    if last is not None and now.boot - last < HALF_A_DAY:
        return False
    since = (now.wall + ahead) % DAY - hours.opens
    in_hours = hours.first(now.wall, ahead) - now.wall < 1.0
    return in_hours and since >= share * min(SPREAD, hours.closes - hours.opens)


def _share(key: bytes) -> float:
    """Give this device's own number from 0 to 1, so that not all laptops look at once."""
    made = hmac.new(key, b"sekisho daily look", hashlib.sha256).digest()
    return int.from_bytes(made[:4]) / 2**32


def _coming(when: When, at: float | None, finding: Finding) -> Coming:
    dated = None if at is None or when == "now" else iso(at)
    return Coming(when, dated, finding.check, finding.seen, finding.remedy, finding.who.value)


def _warning(one: Foreseen, ahead: float) -> Reason:
    seen = tell(WILL_REFUSE, when=date(one.at, ahead), seen=one.finding.seen)
    return Reason(one.finding.check, "warn", seen, one.finding.remedy, one.finding.who.value)


def _notices(jury: Jury, sighting: Sighting) -> Iterator[Finding]:
    """Give what has no date but is better done before it matters."""
    for finding in sighting.verdict.findings:
        if RESTART_MARK in finding.evidence.marks:
            yield Finding(finding.check, Outcome.PASS, RESTART_WANTED, finding.remedy, finding.who)
    stored = _unregistered(jury, sighting.facts)
    if stored:
        remedy = REGISTER if jury.policy.wifi.registrations else ASK
        desk = jury.policy.help_desk
        called = Words(f"{desk.en} ({desk.phone})", f"{desk.ja}({desk.phone})")
        seen = tell(UNREGISTERED, names=name_some(stored))
        yield Finding("wifi.trust", Outcome.PASS, seen, tell(remedy, help_desk=called), Who.YOU)


def _unregistered(jury: Jury, facts: Facts) -> tuple[str, ...]:
    """Name the stored networks that would be refused only because nobody registered them; the one in use is now."""
    wifi = jury.policy.wifi
    if wifi.protected == "allow" or isinstance(facts.saved, Unseen):
        return ()
    known = {one.ssid for one in wifi.own} | {one.ssid for one in jury.registrations.all}
    if isinstance(facts.links, Observed):
        known |= {one.ssid for one in facts.links.value.wireless}
    stored = (one for one in facts.saved.value.networks if one.by_itself and one.security not in OTHERWISE)
    return tuple(sorted(one.ssid.decode("utf-8", "backslashreplace") for one in stored if one.ssid not in known))


OTHERWISE = WITHOUT_PASSWORD | {Security.ENTERPRISE, Security.UNKNOWN}
ORDER: tuple[When, ...] = get_args(When)
WILL_REFUSE = Words("From {when} this will refuse the connection: {seen}", "{when}以降は接続できなくなります。{seen}")
RESTART_WANTED = Words(
    "An installed update takes effect only after a restart.",
    "インストール済みの更新は、再起動するまで有効になりません。",
)
UNREGISTERED = Words(
    "The hospital refuses Wi-Fi that is not registered; stored but not registered: {names}.",
    "登録されていないWi-Fiからは接続できません。保存済みで未登録のWi-Fi: {names}。",
)
REGISTER = Words(
    "Join the one that is yours, then run 'sekisho network add'.",
    "自分のWi-Fiであれば、接続した状態で「sekisho network add」を実行して登録してください。",
)
ASK = Words("Ask {help_desk} to register yours.", "自分のWi-Fiの登録を{help_desk}に依頼してください。")

# Fixed by `agent.posture.checks.updates`.
RESTART_MARK = "restart-wanted"

# Our choices, in seconds.
DAY = 86_400.0
HORIZON = 14 * DAY
HALF_A_DAY = DAY / 2
SPREAD = 3_600.0
NAP = 60.0
