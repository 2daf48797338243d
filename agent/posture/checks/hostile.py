"""`network.hostile`: does the network around this machine interfere with the way to the hospital?

It judges what the network did, by signs that were seen; what nobody could tell fails nothing and is named.
A local network that uses the hospital's addresses is no sign by itself: our own routes go first. Nor are
several DHCP servers, with which many a hospital guards against failure, unless they contradict each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import ClassVar

from agent.events import Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, tell
from agent.posture.facts import Facts, Neighbourhood, Observed, Places, Told, Unseen
from agent.posture.facts.network import DhcpServer, OnLink, Prefix, Route
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that the network does, and what to do about it."""

    mark: str
    seen: Words
    remedy: Words


@dataclass(frozen=True, slots=True)
class Hostile:
    """A network that interferes fails.

    `protected` are the networks that only the tunnel may reach, and the addresses of the gateways themselves.
    """

    check: ClassVar[str] = "network.hostile"
    help_desk: Words
    protected: tuple[Prefix, ...] = ()
    may_overlap: bool = True

    def needs(self, facts: Facts) -> Observed[Neighbourhood] | Unseen:
        """Give the neighbourhood."""
        return facts.neighbourhood

    def judge(self, facts: Facts) -> Finding:
        """Judge every sign; the worst one speaks, and all are marked."""
        seen = facts.neighbourhood
        if isinstance(seen, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(seen.why)))
        around = _without_home(seen, facts.places)
        overlaps = self._overlaps(around)
        signs = list(self._signs(around, overlaps))
        if signs:
            return self._refusal(signs)
        return self._pass(around, overlaps)

    def unknown(self, why: Words) -> Finding:
        """Answer that the network could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)

    def _refusal(self, signs: list[Sign]) -> Finding:
        worst, others = signs[0], len(signs) - 1
        seen = tell(AND_OTHERS, worst=worst.seen, count=str(others)) if others else worst.seen
        evidence = Evidence(marks=tuple(sign.mark for sign in signs))
        return Finding(self.check, Outcome.FAIL, seen, tell(worst.remedy, help_desk=self.help_desk), Who.YOU, evidence)

    def _pass(self, around: Neighbourhood, overlaps: tuple[Prefix, ...]) -> Finding:
        if not around.on_link and not around.gateways:
            return Finding(self.check, Outcome.PASS, NO_NETWORK, NOTHING_TO_DO, Who.YOU)
        several = _has_several(around.dhcp_servers)
        overlap = tell(IS_CONTAINED, networks=_named(overlaps)) if overlaps else NOTHING
        seen = tell(NO_SIGN, servers=AGREEMENT if several else NOTHING, overlap=overlap, untold=_untold(around))
        evidence = Evidence(marks=(SEVERAL_SERVERS,) * several + (OVERLAP,) * bool(overlaps))
        return Finding(self.check, Outcome.PASS, seen, NOTHING_TO_DO, Who.YOU, evidence)

    def _signs(self, around: Neighbourhood, overlaps: tuple[Prefix, ...]) -> Iterator[Sign]:
        """Give the signs, the worst first."""
        if any(gateway.contested is Told.YES for gateway in around.gateways):
            yield Sign("gateway-contested", TWO_ROUTERS, LEAVE)
        if any(len(gateway.macs) > 1 for gateway in around.gateways):
            yield Sign("gateway-changed", OTHER_ROUTER, LEAVE_OR_JOIN_AGAIN)
        if any(one.disagrees(other) for one, other in combinations(around.dhcp_servers, 2)):
            yield Sign(SEVERAL_SERVERS, CONTRADICTION, LEAVE)
        if diverted := self._diverted(around):
            yield Sign("option-121", tell(DIVERTS, networks=_named(diverted)), LEAVE)
        if around.canary is Told.NO and around.portal is not Told.YES:  # a login page lies about every name
            yield Sign("canary", LIES, LOG_IN_OR_LEAVE)
        if overlaps and not self.may_overlap:
            yield Sign(OVERLAP, tell(OVERLAPS, networks=_named(overlaps)), LEAVE)
        if around.portal is Told.YES:
            yield Sign("portal", LOGIN_PAGE, LOG_IN)

    def _diverted(self, around: Neighbourhood) -> tuple[Prefix, ...]:
        """Give the protected networks that the network itself asked to have sent its way.

        The whole Internet by one route is what every default route says, also by option 121 (RFC 3442); a
        route within the link's own prefix diverts nothing that is not on the link already.
        """
        pushed = [
            route.prefix
            for route in around.routes
            if route.pushed and route.prefix.prefixlen > 0 and not _is_within(route, around.on_link)
        ]
        return self._touched(pushed)

    def _overlaps(self, around: Neighbourhood) -> tuple[Prefix, ...]:
        """Give the protected networks whose addresses the local network uses too."""
        near = [route.prefix for route in around.routes if not route.pushed and route.prefix.prefixlen > 0]
        return self._touched([link.prefix for link in around.on_link] + near)

    def _touched(self, prefixes: list[Prefix]) -> tuple[Prefix, ...]:
        return tuple(own for own in self.protected if any(_overlap(own, prefix) for prefix in prefixes))


def _without_home(seen: Observed[Neighbourhood], places: Observed[Places] | Unseen) -> Neighbourhood:
    """Leave out the prefixes and routes of links on which a site's beacon answered: they lead where they should."""
    around = seen.value
    if isinstance(places, Unseen) or abs(places.at - seen.at) > SAME_TIME:
        return around
    home = {place.by for place in places.value.places if place.inside is Told.YES}
    on_link = tuple(one for one in around.on_link if one.interface not in home)
    return replace(around, on_link=on_link, routes=tuple(one for one in around.routes if one.interface not in home))


def _is_within(route: Route, on_link: tuple[OnLink, ...]) -> bool:
    return any(
        link.interface == route.interface
        and _overlap(link.prefix, route.prefix)
        and link.prefix.prefixlen <= route.prefix.prefixlen
        for link in on_link
    )


def _has_several(servers: tuple[DhcpServer, ...]) -> bool:
    """Tell whether more than one server is on any one link."""
    known = {(server.interface, server.address) for server in servers}
    return len(known) > len({interface for interface, _ in known})


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.version == other.version and one.overlaps(other)


def _named(networks: tuple[Prefix, ...]) -> Words:
    shown, rest = [str(network) for network in networks[:MOST_SHOWN]], len(networks) - MOST_SHOWN
    english, japanese = ", ".join(shown), "、".join(shown)
    return Words(f"{english} and {rest} more", f"{japanese}ほか{rest}件") if rest > 0 else Words(english, japanese)


def _untold(around: Neighbourhood) -> Words:
    """Name what nobody could tell, so that a pass claims no more than was seen."""
    asked = (
        (any(gateway.contested is Told.UNTOLD for gateway in around.gateways), TWO_ROUTERS_UNTOLD),
        (around.canary is Told.UNTOLD, NAMES_UNTOLD),
        (around.portal is Told.UNTOLD, PAGE_UNTOLD),
    )
    parts = [words for untold, words in asked if untold]
    if not parts:
        return NOTHING
    listed = Words(", ".join(part.en for part in parts), "、".join(part.ja for part in parts))
    return tell(NOT_TOLD, parts=listed)


OVERLAP, SEVERAL_SERVERS = "overlap", "dhcp-two"

NOTHING = Words("", "")
NO_NETWORK = Words("This computer is on no network now.", "現在、ネットワークにつながっていません。")
NO_SIGN = Words(
    "No sign of interference was seen on this network.{servers}{overlap}{untold}",
    "このネットワークに妨害の兆候は見られませんでした。{servers}{overlap}{untold}",
)
AGREEMENT = Words(
    " Several devices hand out addresses on it and do not contradict each other.",
    "アドレスを配る機器が複数ありますが、案内の内容に食い違いはありません。",
)
IS_CONTAINED = Words(
    " It uses addresses of the hospital too ({networks}), but the tunnel goes first.",
    "病院と同じアドレス({networks})が使われていますが、病院あての通信はトンネルが優先されます。",
)
NOT_TOLD = Words(" Not checked: {parts}.", "確認していない項目: {parts}。")
TWO_ROUTERS_UNTOLD = Words("whether two devices answer as the router", "ルーターとして応答する機器が1台だけか")
NAMES_UNTOLD = Words("whether names are answered truthfully", "名前の問い合わせに正しく応答するか")
PAGE_UNTOLD = Words("whether a login page is in the way", "ログインページが介在していないか")

AND_OTHERS = Words("{worst} Other signs of interference: {count}.", "{worst}ほかにも妨害の兆候が{count}件あります。")
TWO_ROUTERS = Words(
    "Two devices answer as the router of this network, and one of them may be reading along.",
    "このネットワークでは2台の機器がルーターとして応答しており、通信を盗み見られるおそれがあります。",
)
OTHER_ROUTER = Words(
    "Another device took the place of this network's router while this computer was on it.",
    "このネットワークの利用中に、ルーターが別の機器に入れ替わりました。",
)
CONTRADICTION = Words(
    "The devices that hand out addresses on this network contradict each other about the way out, so one of them may "
    "be false.",
    "このネットワークではアドレスを配る機器どうしの案内が食い違っており、どれかが偽物のおそれがあります。",
)
DIVERTS = Words(
    "This network asks that traffic for the hospital ({networks}) be sent through itself.",
    "このネットワークは、病院あての通信({networks})を自分に向けるよう指示しています。",
)
LIES = Words(
    "This network gives an address for a name that does not exist.",
    "このネットワークは、存在しない名前に対して偽のアドレスを返しています。",
)
OVERLAPS = Words(
    "This network uses the same addresses as the hospital ({networks}).",
    "このネットワークは、病院と同じアドレス({networks})を使っています。",
)
LOGIN_PAGE = Words(
    "This network lets nothing through before you log in on its own page.",
    "このネットワークは、専用ページでログインするまで通信できません。",
)
LEAVE = Words(
    "Use another network, such as your phone's hotspot, then press Connect again. If this is your own network, call "
    "{help_desk}.",
    "スマートフォンのテザリングなど別のネットワークに切り替えて、もう一度接続してください。ご自宅など管理できる"
    "ネットワークの場合は{help_desk}に連絡してください。",
)
LEAVE_OR_JOIN_AGAIN = Words(
    "Use another network, such as your phone's hotspot, then press Connect again. If the router was just replaced on "
    "purpose, leave this network and join it again. For questions call {help_desk}.",
    "スマートフォンのテザリングなど別のネットワークに切り替えて、もう一度接続してください。ルーターを意図して交換した"
    "場合は、このネットワークをいったん切断し、つなぎ直してください。不明な点は{help_desk}にお問い合わせください。",
)
LOG_IN_OR_LEAVE = Words(
    "Open any page in your web browser; if this network asks you to log in, do so and press Connect again. If not, use "
    "another network, such as your phone's hotspot. If this is your own network, call {help_desk}.",
    "ブラウザーで任意のページを開き、ログイン画面が表示されたらログインして、もう一度接続してください。表示されない"
    "場合は、スマートフォンのテザリングなど別のネットワークに切り替えてください。ご自宅など管理できるネットワークの"
    "場合は{help_desk}に連絡してください。",
)
LOG_IN = Words(
    "Open any page in your web browser, log in, then press Connect again. If no page appears, call {help_desk}.",
    "ブラウザーで任意のページを開いてログインしてから、もう一度接続してください。ページが表示されない場合は"
    "{help_desk}に連絡してください。",
)

# Our choices, in pieces and in seconds.
MOST_SHOWN = 3
SAME_TIME = 150.0
