"""`network.turnaround`: could others come into the hospital through this laptop?

It judges what strangers on the network in use could reach or pass through; what was not told is no pass.
Answers to this computer's own questions come back to UDP ports, too: those are nobody's way in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from agent.events import MOST_SEEN, Evidence, Outcome
from agent.posture.checks.sentences import LOOK_AGAIN, NOT_SEEN, NOTHING_TO_DO, name_some, tell
from agent.posture.facts import Exposure, Facts, Observed, Told, Unseen
from agent.posture.facts.network import Transport
from agent.posture.verdict import Finding, Who
from agent.words import Words, quote

Service = tuple[Transport, int]


@dataclass(frozen=True, slots=True)
class Opening:
    """One way in, its marks, and what to do about it."""

    marks: tuple[str, ...]
    seen: Words
    remedy: Words
    who: Who


@dataclass(frozen=True, slots=True)
class Turnaround:
    """A way in or through fails. `allowed` may be reached; a `second_link` is a second network in use at once."""

    check: ClassVar[str] = "network.turnaround"
    help_desk: Words
    allowed: frozenset[Service] = frozenset()
    second_link: bool = True

    def needs(self, facts: Facts) -> Observed[Exposure] | Unseen:
        """Give the exposure."""
        return facts.exposure

    def judge(self, facts: Facts) -> Finding:
        """Judge every way; the worst one speaks, and all are marked."""
        exposure = facts.exposure
        if isinstance(exposure, Unseen):
            return self.unknown(tell(NOT_SEEN, why=quote(exposure.why)))
        openings = list(self._openings(exposure.value))
        if openings:
            return self._refusal(openings)
        untold = self._services(exposure.value, Told.UNTOLD)
        if untold:
            return self.unknown(tell(REACH_UNTOLD, services=_named(untold)))
        if exposure.value.untold:
            return self.unknown(WAYS_UNTOLD)
        return Finding(self.check, Outcome.PASS, NONE_SEEN, NOTHING_TO_DO, Who.YOU)

    def unknown(self, why: Words) -> Finding:
        """Answer that it could not be judged."""
        remedy = tell(LOOK_AGAIN, help_desk=self.help_desk)
        return Finding(self.check, Outcome.UNKNOWN, why, remedy, Who.HELP_DESK)

    def _refusal(self, openings: list[Opening]) -> Finding:
        worst, others = openings[0], len(openings) - 1
        seen = tell(AND_OTHERS, worst=worst.seen, count=str(others)) if others else worst.seen
        marks = [mark for opening in openings for mark in opening.marks]
        evidence = Evidence(marks=tuple(marks[:MOST_SEEN]), more=len(marks[MOST_SEEN:]))
        remedy = tell(worst.remedy, help_desk=self.help_desk)
        return Finding(self.check, Outcome.FAIL, seen, remedy, worst.who, evidence)

    def _openings(self, exposure: Exposure) -> Iterator[Opening]:
        """Give the ways in, the worst first."""
        if exposure.bridges:
            yield Opening(("bridge",), tell(JOINS, names=name_some(exposure.bridges)), ASK, Who.HELP_DESK)
        if exposure.routers:
            yield Opening(("forwarding",), PASSES_ON, ASK_ABOUT_SHARING, Who.YOU)
        if exposure.hotspots:
            yield Opening(("hotspot",), IS_HOTSPOT, END_HOTSPOT, Who.YOU)
        if exposure.tunnels:
            yield Opening(("tunnel",), tell(OTHER_VPN, names=name_some(exposure.tunnels)), END_VPN, Who.YOU)
        if exposure.published:
            yield Opening(("published",), tell(HANDS_ON, ports=_ports(exposure.published)), ASK, Who.HELP_DESK)
        if services := self._services(exposure, Told.YES):
            marks = tuple(f"{transport}.{port}" for transport, port in services)
            yield Opening(marks, tell(CAN_BE_REACHED, services=_named(services)), CLOSE, Who.HELP_DESK)
        if len(exposure.ways_out) > 1 and not self.second_link:
            yield Opening(("second-link",), tell(TWO_LINKS, names=name_some(exposure.ways_out)), USE_ONE, Who.YOU)

    def _services(self, exposure: Exposure, reachable: Told) -> list[Service]:
        """Give the services that wait, of those that neither the policy allows nor every computer has."""
        found = {(one.transport, one.port) for one in exposure.listeners if one.reachable is reachable}
        return sorted(found - self.allowed - NORMAL - ANSWERS)


def _named(services: list[Service]) -> Words:
    """Name services as people know them, the first few of them."""
    named = [_service(service) for service in services[:MOST_NAMED]]
    english, japanese = ", ".join(name.en for name in named), "、".join(name.ja for name in named)
    return _with_rest(Words(english, japanese), len(services) - MOST_NAMED)


def _service(service: Service) -> Words:
    _, port = service
    if port not in KNOWN:
        return Words(f"a program on port {port}", f"ポート{port}のプログラム")
    return Words(f"{KNOWN[port].en} (port {port})", f"{KNOWN[port].ja}(ポート{port})")


def _ports(ports: tuple[int, ...]) -> Words:
    if 0 in ports:
        return Words("all ports", "すべてのポート")
    shown = [str(port) for port in ports[:MOST_NAMED]]
    return _with_rest(Words(f"port {', '.join(shown)}", f"ポート{'、'.join(shown)}"), len(ports) - MOST_NAMED)


def _with_rest(words: Words, rest: int) -> Words:
    return words if rest <= 0 else Words(f"{words.en} and {rest} more", f"{words.ja}ほか{rest}件")


# Our choices: what every computer has open by itself (DHCP clients, mDNS), and where answers arrive on Linux.
NORMAL = frozenset({(Transport.UDP, 68), (Transport.UDP, 546), (Transport.UDP, 5353)})
ANSWERS = frozenset((Transport.UDP, port) for port in range(32_768, 61_000))
MOST_NAMED = 3

REMOTE_LOGIN = Words("remote login", "リモートログイン")
WEB = Words("a web server", "Webサーバー")
FILES = Words("file sharing", "ファイル共有")
SCREEN = Words("screen sharing", "画面共有")
DATABASE = Words("a database", "データベース")
IMAGES = Words("an image archive (DICOM)", "医用画像の送受信(DICOM)")
KNOWN = {
    21: FILES,
    22: REMOTE_LOGIN,
    23: REMOTE_LOGIN,
    25: Words("a mail server", "メールサーバー"),
    53: Words("a name server", "DNSサーバー"),
    80: WEB,
    104: IMAGES,
    111: FILES,
    139: FILES,
    443: WEB,
    445: FILES,
    548: FILES,
    631: Words("printer sharing", "プリンター共有"),
    1433: DATABASE,
    1900: Words("device search (UPnP)", "機器検索(UPnP)"),
    2049: FILES,
    3306: DATABASE,
    3389: SCREEN,
    4242: IMAGES,
    5355: Words("name search (LLMNR)", "名前検索(LLMNR)"),
    5432: DATABASE,
    5900: SCREEN,
    8080: WEB,
    11112: IMAGES,
}

NONE_SEEN = Words(
    "No way through this computer was seen that others on its network could use.",
    "同じネットワークの他の人がこのパソコンを経由できる経路は見つかりませんでした。",
)
REACH_UNTOLD = Words(
    "It could not be told whether others on this network can reach this computer: {services}.",
    "同じネットワークの他の人がこのパソコンに接続できるか、確認できませんでした(対象: {services})。",
)
WAYS_UNTOLD = Words(
    "It could not be told whether this computer passes traffic of others on.",
    "このパソコンが他の人の通信を中継するか、確認できませんでした。",
)
AND_OTHERS = Words("{worst} Other ways in: {count}.", "{worst}ほかにも入り口が{count}件あります。")
CAN_BE_REACHED = Words(
    "Others on this network can reach this computer: {services}.",
    "同じネットワークの他の人が、このパソコンに接続できる状態です(対象: {services})。",
)
JOINS = Words(
    "This computer joins the network in use with another one ({names}).",
    "このパソコンは、利用中のネットワークを別のネットワークとつないでいます({names})。",
)
PASSES_ON = Words(
    "This computer passes traffic of others on, as a router does.",
    "このパソコンは、ルーターのように他の人の通信を中継する設定になっています。",
)
IS_HOTSPOT = Words(
    "This computer is a hotspot for others.", "このパソコンは、ほかの機器のためのアクセスポイントになっています。"
)
OTHER_VPN = Words("Another VPN is in use ({names}).", "別のVPNが使われています({names})。")
HANDS_ON = Words(
    "This computer hands on what others send to it ({ports}), for example to a container.",
    "このパソコンは、他の人から届いた通信({ports})をコンテナーなどに転送する設定になっています。",
)
TWO_LINKS = Words(
    "This computer uses more than one network at once ({names}).",
    "このパソコンは、複数のネットワークを同時に使っています({names})。",
)

CLOSE = Words(
    "Close the program or switch the sharing off, then press Connect again; if you do not know it, call {help_desk}.",
    "該当するプログラムを終了するか共有をオフにして、もう一度接続してください。心当たりがない場合は{help_desk}に"
    "連絡してください。",
)
ASK = Words(
    "Call {help_desk} to have this switched off.", "{help_desk}に連絡して、この設定を解除してもらってください。"
)
ASK_ABOUT_SHARING = Words(
    "Switch off the sharing of this computer's network, then press Connect again; if you share nothing, call "
    "{help_desk}.",
    "ネットワークの共有(テザリング)をオフにして、もう一度接続してください。共有していない場合は{help_desk}に連絡して"
    "ください。",
)
END_HOTSPOT = Words(
    "Switch the hotspot off, then press Connect again; for questions call {help_desk}.",
    "アクセスポイント機能をオフにして、もう一度接続してください。不明な点は{help_desk}にお問い合わせください。",
)
END_VPN = Words(
    "Disconnect the other VPN, then press Connect again; for questions call {help_desk}.",
    "別のVPNを切断して、もう一度接続してください。不明な点は{help_desk}にお問い合わせください。",
)
USE_ONE = Words(
    "Pull the cable or switch Wi-Fi off, so that only one is in use, then press Connect again; for questions call "
    "{help_desk}.",
    "ケーブルを抜くかWi-Fiをオフにして、どちらか一方だけにしてから、もう一度接続してください。不明な点は{help_desk}に"
    "お問い合わせください。",
)
