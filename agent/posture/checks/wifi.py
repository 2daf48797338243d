"""`wifi.trust`: may the wireless networks in use carry the way to the hospital?

It judges the protection that was seen. A name alone proves nothing: a registered network is
trusted for what protects it, not for what it is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from agent.events import MOST_SEEN, Evidence, NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.facts import Facts, Links, Observed, Security, Unseen, Wireless
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


class Strength(StrEnum):
    """The least protection that a network must have."""

    WPA2 = "wpa2"
    WPA3 = "wpa3"

    def met_by(self, security: Security) -> bool:
        """Tell whether a network's weakest accepted protection is enough."""
        return security in ENOUGH[self]


@dataclass(frozen=True, slots=True)
class Registered:
    """A network that somebody registered: their home or their phone."""

    ssid: bytes
    title: str
    at_least: Strength = Strength.WPA2


@dataclass(frozen=True, slots=True)
class Trust:
    """Open and weak networks fail, registered ones pass, other protected ones as the policy says.

    `network_key` keys the pseudonyms of the networks in the evidence.
    """

    check: ClassVar[str] = "wifi.trust"
    help_desk: Words
    network_key: bytes = field(repr=False)
    own: tuple[Registered, ...] = ()
    protected: bool = True
    at_least: Strength = Strength.WPA2

    def needs(self, facts: Facts) -> Observed[Links] | Unseen:
        """Give the links."""
        return facts.links

    def judge(self, facts: Facts) -> Finding:
        """Judge every wireless network in use; the worst one counts."""
        links = facts.links
        if isinstance(links, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(links.why)))
        networks = links.value.wireless
        if not networks:
            return Finding(self.check, Outcome.PASS, NO_WIFI, NOTHING_TO_DO, Who.YOU)
        return min((self._judge(network, networks) for network in networks), key=_badness)

    def unknown(self, why: Words) -> Finding:
        """Answer that the links could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)

    def _judge(self, network: Wireless, all_networks: tuple[Wireless, ...]) -> Finding:
        outcome, seen, remedy, who = self._said(network)
        return Finding(
            self.check,
            outcome,
            tell(seen, wifi=_named(network.ssid)),
            tell(remedy, help_desk=self.help_desk, instead=self._instead()),
            who,
            self._evidence(all_networks),
        )

    def _said(self, network: Wireless) -> tuple[Outcome, Words, Words, Who]:
        match self._kind(network):
            case NetworkKind.UNKNOWN:
                return Outcome.UNKNOWN, SECURITY_UNKNOWN, WAIT, Who.YOU
            case NetworkKind.OPEN:
                return Outcome.FAIL, NO_KEY if network.security is Security.OWE else NO_PASSWORD, USE_ANOTHER, Who.YOU
            case NetworkKind.WEAK:
                return Outcome.FAIL, self._weakness(network), USE_ANOTHER, Who.YOU
            case NetworkKind.OWN:
                return Outcome.PASS, IS_REGISTERED, NOTHING_TO_DO, Who.YOU
            case NetworkKind.PROTECTED if self.protected:
                return Outcome.PASS, IS_PROTECTED, NOTHING_TO_DO, Who.YOU
            case NetworkKind.PROTECTED:
                return Outcome.FAIL, NOT_REGISTERED, REGISTER, Who.YOU

    def _kind(self, network: Wireless) -> NetworkKind:
        """Sort a network by what protects it; only then does its name count."""
        if network.security is Security.UNKNOWN:
            return NetworkKind.UNKNOWN
        if network.security in WITHOUT_PASSWORD:
            return NetworkKind.OPEN
        registered = self._registered(network)
        least = registered.at_least if registered else self.at_least
        if not least.met_by(network.security):
            return NetworkKind.WEAK
        return NetworkKind.OWN if registered else NetworkKind.PROTECTED

    def _registered(self, network: Wireless) -> Registered | None:
        return next((one for one in self.own if one.ssid == network.ssid), None)

    def _weakness(self, network: Wireless) -> Words:
        if network.security in BROKEN:
            return IS_BROKEN
        return WEAKER_THAN_REGISTERED if self._registered(network) else IS_WEAK

    def _instead(self) -> Words:
        """Name what the doctor can use now: what was registered, or what anybody has."""
        if not self.own:
            return PHONE_OR_CABLE
        return tell(OWN_OR_CABLE, names=name_some([one.title for one in self.own]))

    def _evidence(self, networks: tuple[Wireless, ...]) -> Evidence:
        seen = tuple(
            NetworkSeen(self._kind(network), network_digest(self.network_key, network.ssid)) for network in networks
        )
        return Evidence(networks=seen[:MOST_SEEN], more=len(seen[MOST_SEEN:]))


def _badness(finding: Finding) -> int:
    return WORST_FIRST.index(finding.outcome)


def _named(ssid: bytes) -> Words:
    if not ssid:
        return Words("The Wi-Fi without a name", "名前のないWi-Fi")
    name = quote(ssid.decode("utf-8", "backslashreplace"))
    return Words(f"The Wi-Fi '{name}'", f"Wi-Fi「{name}」")


WORST_FIRST = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.PASS)
WITHOUT_PASSWORD = frozenset({Security.OPEN, Security.OWE})
BROKEN = frozenset({Security.WEP, Security.WPA_TKIP})
ENOUGH: Mapping[Strength, frozenset[Security]] = {
    Strength.WPA2: frozenset({Security.WPA2_PSK, Security.WPA2_WPA3_MIXED, Security.SAE, Security.ENTERPRISE}),
    Strength.WPA3: frozenset({Security.SAE, Security.ENTERPRISE}),
}

NO_WIFI = Words("Wi-Fi is not in use.", "Wi-Fiは使われていません。")
IS_REGISTERED = Words("{wifi} is registered and protected.", "{wifi}は登録済みで、保護されています。")
IS_PROTECTED = Words("{wifi} is protected.", "{wifi}は保護されています。")
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
USE_ANOTHER = Words("Use {instead}, then press Connect again.", "{instead}に切り替えて、もう一度接続してください。")
REGISTER = Words(
    "Use {instead}, then press Connect again; to have this Wi-Fi registered, ask {help_desk}.",
    "{instead}に切り替えて、もう一度接続してください。このWi-Fiの登録は{help_desk}に依頼してください。",
)
WAIT = Words(
    "Wait a moment and press Connect again; if it stays so, use {instead} or call {help_desk}.",
    "少し待ってから、もう一度接続してください。続く場合は{instead}に切り替えるか、{help_desk}に連絡してください。",
)
PHONE_OR_CABLE = Words(
    "your phone's hotspot with a password, or a cable",
    "パスワードを設定したスマートフォンのテザリング、または有線LAN",
)
OWN_OR_CABLE = Words("a registered network ({names}) or a cable", "登録済みのネットワーク({names})または有線LAN")
