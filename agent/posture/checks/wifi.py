"""`wifi.trust`: may the links in use carry the way to the hospital?

It judges the protection that was seen. A name alone proves nothing: a registered network is
trusted for what protects it, not for what it is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from agent.events import MOST_SEEN, Evidence, NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.networks import BROKEN, WITHOUT_PASSWORD, in_effect, named
from agent.posture.checks.sentences import LOOK_AGAIN, MOST_NAMED, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.facts import Facts, Links, Observed, Security, Told, Unseen, Wireless
from agent.posture.moment import Moment
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


class Strength(StrEnum):
    """The least protection that a network must have."""

    WPA2 = "wpa2"
    WPA3 = "wpa3"

    def met_by(self, security: Security) -> bool:
        """Tell whether a network's weakest accepted protection is enough."""
        return security in ENOUGH[self]


class LinkKind(StrEnum):
    """What else than Wi-Fi reaches the network."""

    WIRED = "wired"
    TETHERED = "tethered"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True)
class Registered:
    """A network that somebody registered, their home or their phone, and when (seconds since 1970) if known."""

    ssid: bytes
    title: str
    at_least: Strength = Strength.WPA2
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Managed:
    """The hospital's own networks, by the names that their 802.1X server may prove; `ssid` None stands for any."""

    servers: tuple[str, ...]
    ssid: bytes | None = None

    def proven_by(self, network: Wireless) -> bool:
        """Tell whether this network cannot have been joined without one of the servers proving its name."""
        named_so = self.ssid is None or self.ssid == network.ssid
        return named_so and bool(network.pinned) and all(map(self._lists, network.pinned))

    def _lists(self, name: str) -> bool:
        return any(name == server or name.endswith(f".{server}") for server in self.servers)


@dataclass(frozen=True, slots=True)
class Trust:
    """Open and weak networks fail, managed and registered ones pass, other links as the policy says.

    `network_key` keys the pseudonyms of the networks in the evidence; `guarded` asks for protected
    management frames; `refused` are the links that may not be used; `registers` tells that people may register
    their own networks; `moment` dates the registrations.
    """

    check: ClassVar[str] = "wifi.trust"
    help_desk: Words
    network_key: bytes = field(repr=False)
    moment: Moment
    own: tuple[Registered, ...] = ()
    protected: bool = True
    at_least: Strength = Strength.WPA2
    managed: tuple[Managed, ...] = ()
    guarded: bool = False
    refused: frozenset[LinkKind] = frozenset()
    registers: bool = False

    def needs(self, facts: Facts) -> Observed[Links] | Unseen:
        """Give the links."""
        return facts.links

    def judge(self, facts: Facts) -> Finding:
        """Judge every link in use; the worst one counts."""
        links = facts.links
        if isinstance(links, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(links.why)))
        networks, refused = links.value.wireless, self._refused(links.value)
        said = [self._said(network) for network in networks]
        said += [(Outcome.FAIL, IS_REFUSED[kind], UNPLUG) for kind in refused]
        outcome, seen, remedy = min(said, key=lambda one: WORST_FIRST.index(one[0]), default=WITHOUT_WIFI)
        remedy = tell(remedy, help_desk=self.help_desk, instead=self._instead(networks))
        return Finding(self.check, outcome, seen, remedy, Who.YOU, self._evidence(networks, refused))

    def unknown(self, why: Words) -> Finding:
        """Answer that the links could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)

    def _refused(self, links: Links) -> list[LinkKind]:
        used = {LinkKind.WIRED: links.wired, LinkKind.TETHERED: links.tethered, LinkKind.MOBILE: links.mobile}
        return [kind for kind in LinkKind if kind in self.refused and used[kind]]

    def _said(self, network: Wireless) -> tuple[Outcome, Words, Words]:
        """Give the outcome for one network, what was seen and what to do."""
        outcome, seen, remedy = self._sorted(network, self._kind(network))
        if outcome is Outcome.PASS and self.guarded and network.management is not Told.YES:
            outcome, seen, remedy = UNGUARDED[network.management]
        registered = self._registered(network)
        day = _day(registered.since, self.moment) if registered and registered.since is not None else NO_DAY
        return outcome, tell(seen, wifi=named(network.ssid), day=day), remedy

    def _sorted(self, network: Wireless, kind: NetworkKind) -> tuple[Outcome, Words, Words]:
        match kind:
            case NetworkKind.UNKNOWN:
                return Outcome.UNKNOWN, SECURITY_UNKNOWN, WAIT
            case NetworkKind.OPEN:
                return Outcome.FAIL, NO_KEY if in_effect(network) is Security.OWE else NO_PASSWORD, USE_ANOTHER
            case NetworkKind.WEAK:
                return Outcome.FAIL, self._weakness(network), USE_ANOTHER
            case NetworkKind.MANAGED:
                return Outcome.PASS, IS_MANAGED, NOTHING_TO_DO
            case NetworkKind.OWN:
                return Outcome.PASS, WAS_REGISTERED if self._is_dated(network) else IS_REGISTERED, NOTHING_TO_DO
            case NetworkKind.PROTECTED if self.protected:
                return Outcome.PASS, IS_UNPROVEN if _is_unproven(network) else IS_PROTECTED, NOTHING_TO_DO
            case NetworkKind.PROTECTED:
                return Outcome.FAIL, NOT_REGISTERED, REGISTER if self.registers else ASK_TO_REGISTER

    def _kind(self, network: Wireless) -> NetworkKind:
        """Sort a network by what protects it; only then does its name count."""
        security, registered = in_effect(network), self._registered(network)
        if security is Security.UNKNOWN:
            return NetworkKind.UNKNOWN
        if security in WITHOUT_PASSWORD:
            return NetworkKind.OPEN
        if not (registered.at_least if registered else self.at_least).met_by(security):
            return NetworkKind.WEAK
        if security is Security.ENTERPRISE and any(one.proven_by(network) for one in self.managed):
            return NetworkKind.MANAGED
        return NetworkKind.OWN if registered else NetworkKind.PROTECTED

    def _registered(self, network: Wireless) -> Registered | None:
        return next((one for one in self.own if one.ssid == network.ssid), None)

    def _is_dated(self, network: Wireless) -> bool:
        registered = self._registered(network)
        return registered is not None and registered.since is not None

    def _weakness(self, network: Wireless) -> Words:
        if in_effect(network) in BROKEN:
            return IS_BROKEN
        return WEAKER_THAN_REGISTERED if self._registered(network) else IS_WEAK

    def _instead(self, networks: tuple[Wireless, ...]) -> Words:
        """Name what the doctor can use now: what else was registered, or what anybody has, and a cable if it may be."""
        cable, used = LinkKind.WIRED not in self.refused, {network.ssid for network in networks}
        others = [one for one in self.own if one.ssid not in used]
        if not others:
            return PHONE_OR_CABLE if cable else PHONE
        called = [self._called(one) for one in others[:MOST_NAMED]]
        names = Words(", ".join(one.en for one in called), "、".join(one.ja for one in called))
        return tell(OWN_OR_CABLE, names=names) if cable else names

    def _called(self, one: Registered) -> Words:
        if one.since is None:
            return tell(REGISTERED_NAME, name=quote(one.title))
        return tell(DATED_NAME, name=quote(one.title), day=_day(one.since, self.moment))

    def _evidence(self, networks: tuple[Wireless, ...], refused: list[LinkKind]) -> Evidence:
        seen = tuple(
            NetworkSeen(self._kind(network), network_digest(self.network_key, network.ssid)) for network in networks
        )
        marks = tuple(kind.value for kind in refused)
        return Evidence(networks=seen[:MOST_SEEN], more=len(seen[MOST_SEEN:]), marks=marks)


def _is_unproven(network: Wireless) -> bool:
    return in_effect(network) is Security.ENTERPRISE and not network.pinned


def _day(instant: float, now: Moment) -> Words:
    """Write a date as people say it; the year is told when it is not this one."""
    day, today = (datetime.fromtimestamp(min(max(0.0, at + now.ahead), LAST_DAY), UTC) for at in (instant, now.wall))
    english, japanese = f"{day.day} {MONTHS[day.month - 1]}", f"{day.month}月{day.day}日"
    if day.year == today.year:
        return Words(english, japanese)
    return Words(f"{english} {day.year}", f"{day.year}年{japanese}")


WORST_FIRST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)
ENOUGH: Mapping[Strength, frozenset[Security]] = {
    Strength.WPA2: frozenset({Security.WPA2_PSK, Security.WPA2_WPA3_MIXED, Security.SAE, Security.ENTERPRISE}),
    Strength.WPA3: frozenset({Security.SAE, Security.ENTERPRISE}),
}
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
LAST_DAY = 253_402_300_799.0  # the calendar's last second

NO_DAY = Words("", "")
NO_WIFI = Words("Wi-Fi is not in use.", "Wi-Fiは使われていません。")
IS_MANAGED = Words(
    "{wifi} is the hospital's own, as its server proved.",
    "{wifi}は病院のネットワークです(サーバー証明書で確認済み)。",
)
IS_REGISTERED = Words("{wifi} is registered and protected.", "{wifi}は登録済みで、保護されています。")
WAS_REGISTERED = Words(
    "{wifi} was registered on {day} and is protected.", "{wifi}は{day}に登録されたもので、保護されています。"
)
IS_PROTECTED = Words("{wifi} is protected.", "{wifi}は保護されています。")
IS_UNPROVEN = Words(
    "{wifi} is protected, but this computer does not check whose network it is.",
    "{wifi}は保護されていますが、このパソコンの設定では、接続先が本物かどうかを確認していません。",
)
NO_PASSWORD = Words("{wifi} has no password.", "{wifi}にはパスワードが設定されていません。")
NO_KEY = Words(
    "{wifi} has no password, so anybody could pretend to be it.",
    "{wifi}にはパスワードがないため、誰でもなりすますことができます。",
)
IS_BROKEN = Words(
    "{wifi} uses an old protection that can be broken (WEP or WPA-TKIP).",
    "{wifi}の暗号化方式(WEPまたはWPA-TKIP)は古く、解読されるおそれがあります。",
)
IS_WEAK = Words(
    "{wifi} is protected less well than the hospital asks for.",
    "{wifi}の保護は、病院が求める強さに達していません。",
)
WEAKER_THAN_REGISTERED = Words(
    "{wifi} has a registered name, but is protected less well than was registered.",
    "{wifi}は登録済みの名前ですが、登録時に定めた強さで保護されていません。",
)
NOT_REGISTERED = Words("{wifi} is not registered.", "{wifi}は登録されていません。")
SECURITY_UNKNOWN = Words(
    "{wifi} is protected in a way that could not be told.", "{wifi}の保護方式を確認できませんでした。"
)
IS_UNGUARDED = Words(
    "{wifi} lets anybody nearby cut or disturb the connection, for its control messages are not protected.",
    "{wifi}は制御用の信号が保護されていないため、近くにいる人に接続を切断されたり妨害されたりするおそれがあります。",
)
UNGUARDED_UNTOLD = Words(
    "Whether others can disturb the connection could not be told. {wifi} does not show if its control messages "
    "are protected.",
    "{wifi}の制御用の信号が保護されているかどうかを確認できませんでした。",
)
IS_REFUSED: Mapping[LinkKind, Words] = {
    LinkKind.WIRED: Words(
        "A network cable is in use, which the hospital does not allow.",
        "有線LANが使われていますが、病院の規定では許可されていません。",
    ),
    LinkKind.TETHERED: Words(
        "A phone is in use by cable or Bluetooth, which the hospital does not allow.",
        "スマートフォンのUSBまたはBluetoothによるテザリングが使われていますが、病院の規定では許可されていません。",
    ),
    LinkKind.MOBILE: Words(
        "This computer's own mobile connection is in use, which the hospital does not allow.",
        "このパソコンのモバイル通信が使われていますが、病院の規定では許可されていません。",
    ),
}
USE_ANOTHER = Words("Use {instead}, then press Connect again.", "{instead}に切り替えて、もう一度接続してください。")
UNPLUG = Words(
    "Disconnect it and use {instead}, then press Connect again.",
    "これを切断して{instead}に切り替え、もう一度接続してください。",
)
REGISTER = Words(
    "If it is yours, register it with 'sekisho network add'; else use {instead}. Then press Connect again.",
    "自分のWi-Fiであれば「sekisho network add」で登録し、そうでなければ{instead}に切り替えてから、"
    "もう一度接続してください。",
)
ASK_TO_REGISTER = Words(
    "Use {instead}, then press Connect again; to have this Wi-Fi registered, ask {help_desk}.",
    "{instead}に切り替えて、もう一度接続してください。このWi-Fiの登録は{help_desk}に依頼してください。",
)
WAIT = Words(
    "Wait a moment and press Connect again; if it stays so, use {instead} or call {help_desk}.",
    "少し待ってから、もう一度接続してください。続く場合は{instead}に切り替えるか、{help_desk}に連絡してください。",
)
UNGUARDED = {
    Told.NO: (Outcome.FAIL, IS_UNGUARDED, USE_ANOTHER),
    Told.UNTOLD: (Outcome.UNKNOWN, UNGUARDED_UNTOLD, WAIT),
}
WITHOUT_WIFI = (Outcome.PASS, NO_WIFI, NOTHING_TO_DO)
PHONE = Words("your phone's hotspot with a password", "パスワードを設定したスマートフォンのテザリング")
PHONE_OR_CABLE = Words(f"{PHONE.en}, or a cable", f"{PHONE.ja}、または有線LAN")
OWN_OR_CABLE = Words("{names} or a cable", "{names}または有線LAN")
REGISTERED_NAME = Words("'{name}' (registered)", "「{name}」(登録済み)")
DATED_NAME = Words("'{name}' (registered on {day})", "「{name}」({day}登録)")
