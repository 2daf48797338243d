"""`wifi.twin`: does another network pretend to be the one in use, or did this one lose its protection?

A new access point alone is normal, and so are the bands of one router that differ in age: only a network
of a lesser kind counts, or one access point that itself got weaker. Anybody can put up a double, so one that
is only in range is told and refuses nobody: it is a trap only where this computer would join it by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

from agent.events import Evidence, NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.networks import BROKEN, WITHOUT_PASSWORD, in_effect, is_lesser_kind, is_weaker, named
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.facts import AccessPoint, Air, Facts, Links, Observed, SavedNetwork, Security, Unseen, Wireless
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class Twin:
    """Networks of the same name and a lesser kind fail after a roam, or where a stored one would join them.

    `network_key` keys the pseudonyms of the networks in the evidence.
    """

    check: ClassVar[str] = "wifi.twin"
    help_desk: Words
    network_key: bytes = field(repr=False)

    def needs(self, facts: Facts) -> Observed[Links] | Observed[Air] | Unseen:
        """Give the older of links and air; only the links where Wi-Fi is not in use."""
        links, air = facts.links, facts.air
        if isinstance(links, Unseen) or not links.value.wireless:
            return links
        return air if isinstance(air, Unseen) or air.at < links.at else links

    def judge(self, facts: Facts) -> Finding:
        """Compare every network in use with what is in range, and with what it was before."""
        fact, links, air = self.needs(facts), facts.links, facts.air
        if isinstance(fact, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(fact.why)))
        if isinstance(links, Unseen) or isinstance(air, Unseen) or not links.value.wireless:
            return Finding(self.check, Outcome.PASS, NO_WIFI, NOTHING_TO_DO, Who.YOU)
        said = [self._said(network, air.value, _stored(facts)) for network in links.value.wireless]
        return max(said, key=lambda finding: (finding.outcome is Outcome.FAIL, bool(finding.evidence.marks)))

    def unknown(self, why: Words) -> Finding:
        """Answer that the air could not be judged."""
        return Finding(self.check, Outcome.UNKNOWN, why, tell(LOOK_AGAIN, help_desk=self.help_desk), Who.HELP_DESK)

    def _said(self, network: Wireless, air: Air, stored: tuple[SavedNetwork, ...]) -> Finding:
        if _got_weaker(network, air.joined):
            evidence = self._evidence(network, "got-weaker", [in_effect(network)])
            return self._finding(Outcome.FAIL, network, GOT_WEAKER, USE_ANOTHER, evidence)
        twins = _twins(network, air.in_range)
        if not twins:
            return Finding(self.check, Outcome.PASS, NO_TWIN, NOTHING_TO_DO, Who.YOU)
        evidence = self._evidence(network, "in-range", twins)
        if _would_join(network, stored):
            return self._finding(Outcome.FAIL, network, WOULD_JOIN_TWIN, FORGET, evidence)
        return self._finding(Outcome.PASS, network, HAS_TWIN, STAY, evidence)

    def _finding(self, outcome: Outcome, network: Wireless, seen: Words, remedy: Words, evidence: Evidence) -> Finding:
        said, todo = tell(seen, wifi=named(network.ssid)), tell(remedy, help_desk=self.help_desk)
        return Finding(self.check, outcome, said, todo, Who.YOU, evidence)

    def _evidence(self, network: Wireless, mark: str, twins: list[Security]) -> Evidence:
        pseudonym = network_digest(self.network_key, network.ssid)
        return Evidence(networks=tuple(NetworkSeen(_kind(twin), pseudonym) for twin in twins), marks=(mark,))


def _stored(facts: Facts) -> tuple[SavedNetwork, ...]:
    """Give the stored networks; none where they could not be read, for a double that is joined is seen anyway."""
    return () if isinstance(facts.saved, Unseen) else facts.saved.value.networks


def _would_join(network: Wireless, stored: Iterable[SavedNetwork]) -> bool:
    """Tell whether this computer would join, by itself, a network of the same name and a lesser kind."""
    security = in_effect(network)
    by_itself = (one for one in stored if one.by_itself and one.ssid == network.ssid)
    return any(is_lesser_kind(one.security, security) for one in by_itself)


def _twins(network: Wireless, in_range: Iterable[AccessPoint]) -> list[Security]:
    """Give each lesser protection under which the same name is in the air, once."""
    security = in_effect(network)
    lesser = {one.security for one in _same(network, in_range) if is_lesser_kind(one.security, security)}
    return sorted(lesser)


def _got_weaker(network: Wireless, joined: Iterable[AccessPoint]) -> bool:
    """Compare with what was joined before: networks by what is in effect, one access point by what it offers."""
    return any(
        is_lesser_kind(in_effect(network), was.security)
        or (was.bssid == network.bssid and is_weaker(network.security, was.security))
        for was in _same(network, joined)
    )


def _same(network: Wireless, points: Iterable[AccessPoint]) -> list[AccessPoint]:
    """Give the access points of the same name; without a name nothing is the same."""
    return [one for one in points if one.ssid == network.ssid and network.ssid.strip(b"\0")]


def _kind(security: Security) -> NetworkKind:
    if security in WITHOUT_PASSWORD:
        return NetworkKind.OPEN
    return NetworkKind.WEAK if security in BROKEN else NetworkKind.PROTECTED


NO_WIFI = Words("Wi-Fi is not in use.", "Wi-Fiは使われていません。")
NO_TWIN = Words(
    "No weaker network with the name of the one in use was seen.",
    "利用中のWi-Fiと同じ名前で、保護の弱いネットワークは見つかりませんでした。",
)
HAS_TWIN = Words(
    "{wifi} has a double in range that is protected less well and could be a trap.",
    "{wifi}と同じ名前で保護の弱いネットワークが近くにあり、なりすましのおそれがあります。",
)
GOT_WEAKER = Words(
    "{wifi} is protected less well than when it was joined before, so it could be a double.",
    "{wifi}の保護が以前の接続時より弱くなっており、なりすましのおそれがあります。",
)
WOULD_JOIN_TWIN = Words(
    "{wifi} has a double in range that is protected less well, and this computer would join it by itself.",
    "{wifi}と同じ名前で保護の弱いネットワークが近くにあり、このパソコンがそこへ自動的に接続するおそれがあります。",
)
STAY = Words(
    "Stay on the one in use, and do not choose the other by hand.",
    "今のWi-Fiをそのままお使いください。同じ名前のもう一方には、手動でも接続しないでください。",
)
FORGET = Words(
    "Open the settings, choose Wi-Fi, and forget the saved network of this name that is protected less well; then "
    "press Connect again. If it stays so, call {help_desk}.",
    "設定の「Wi-Fi」で、保存済みのネットワークのうち同じ名前で保護の弱いものを削除してから、もう一度接続して"
    "ください。続く場合は{help_desk}に連絡してください。",
)
USE_ANOTHER = Words(
    "Use your phone's hotspot or a cable, then press Connect again; if you changed this Wi-Fi yourself, restart the "
    "computer. If it stays so, call {help_desk}.",
    "スマートフォンのテザリングまたは有線LANに切り替えて、もう一度接続してください。ご自身でWi-Fiの設定を変更"
    "した場合は、パソコンを再起動してください。続く場合は{help_desk}に連絡してください。",
)
