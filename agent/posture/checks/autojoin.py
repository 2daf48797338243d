"""`wifi.autojoin`: would this computer join, by itself, a network that anybody could pretend to be?

It judges what is stored, not what is in use.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from agent.events import MOST_SEEN, Evidence, NetworkKind, NetworkSeen, Outcome, network_digest
from agent.posture.checks.networks import WITHOUT_PASSWORD, readable
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.facts import Facts, Observed, Saved, SavedNetwork, Security, Unseen
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class AutoJoin:
    """Stored networks without a password, or with WEP, fail where they are joined without being asked for.

    `network_key` keys the pseudonyms of the networks in the evidence.
    """

    check: ClassVar[str] = "wifi.autojoin"
    help_desk: Words
    network_key: bytes = field(repr=False)

    def needs(self, facts: Facts) -> Observed[Saved] | Unseen:
        """Give the stored networks."""
        return facts.saved

    def judge(self, facts: Facts) -> Finding:
        """Judge every stored network."""
        saved = facts.saved
        if isinstance(saved, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(saved.why)))
        risky = [one for one in saved.value.networks if one.by_itself and one.security in EASY_TO_FAKE]
        if not risky:
            return Finding(self.check, Outcome.PASS, NONE_JOINED, NOTHING_TO_DO, Who.YOU)
        names = name_some(list(dict.fromkeys(readable(one.ssid) for one in risky)))
        return Finding(
            self.check,
            Outcome.FAIL,
            tell(JOINED_BY_ITSELF, names=names),
            tell(SWITCH_OFF, names=names),
            Who.YOU,
            self._evidence(risky),
        )

    def unknown(self, why: Words) -> Finding:
        """Answer that the stored networks could not be judged."""
        return Finding(self.check, Outcome.UNKNOWN, why, tell(LOOK_AGAIN, help_desk=self.help_desk), Who.HELP_DESK)

    def _evidence(self, risky: list[SavedNetwork]) -> Evidence:
        seen = tuple(NetworkSeen(_kind(one), network_digest(self.network_key, one.ssid)) for one in risky)
        return Evidence(networks=seen[:MOST_SEEN], more=len(seen[MOST_SEEN:]))


def _kind(network: SavedNetwork) -> NetworkKind:
    return NetworkKind.OPEN if network.security in WITHOUT_PASSWORD else NetworkKind.WEAK


EASY_TO_FAKE = WITHOUT_PASSWORD | {Security.WEP}

NONE_JOINED = Words(
    "No network without a password is joined automatically.",
    "パスワードのないWi-Fiに自動的に接続する設定はありません。",
)
JOINED_BY_ITSELF = Words(
    "This computer joins {names} by itself, and anybody could set up a Wi-Fi of that name.",
    "このパソコンはWi-Fi{names}に自動的に接続します。同じ名前のWi-Fiは誰でも設置できるため、なりすましに"
    "接続するおそれがあります。",
)
SWITCH_OFF = Words(
    "Open the settings, choose Wi-Fi and then {names}, and switch off 'Connect automatically', or forget the network.",
    "設定の「Wi-Fi」で{names}を開き、「自動的に接続」をオフにするか、そのネットワークを削除してください。",
)
