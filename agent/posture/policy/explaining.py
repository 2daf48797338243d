"""A policy explained: of each check what it looks at, what follows from it, and which file said so.

It adds nothing to what the policy says, and judges nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.posture.policy.loading import Layered
from agent.posture.policy.rules import DEFAULT_RULES, CheckId
from agent.posture.policy.text import Place
from agent.posture.verdict import Rule
from agent.words import Words


@dataclass(frozen=True, slots=True)
class Explained:
    """One check: what it looks at, the rule for it, and where each key of the rule was written, if it was."""

    check: CheckId
    looks_at: Words
    rule: Rule
    written: Mapping[str, Place]


def explain(layered: Layered) -> tuple[Explained, ...]:
    """Explain every check, in the order in which they are judged."""
    return tuple(
        Explained(check, LOOKS_AT[check], layered.policy.rule(check), _written(layered, check))
        for check in DEFAULT_RULES
    )


def _written(layered: Layered, check: CheckId) -> Mapping[str, Place]:
    """Find the keys that the policy's files say of a check; shadow may be said for all at once."""
    found = {key: layered.places.get(("checks", check, key)) for key in KEYS}
    if layered.policy.mode == "shadow":
        found["shadow"] = layered.places.get(("mode",))
    return {key: place for key, place in found.items() if place is not None}


KEYS = ("fail", "unknown", "cut", "countdown", "max_age", "grace", "shadow")
LOOKS_AT: Mapping[CheckId, Words] = {
    "apps.unapproved": Words(
        "every running program: who installed it, or what its file contains",
        "実行中のすべてのプログラム(導入元またはファイルの内容)",
    ),
    "apps.forbidden": Words(
        "running programs that are listed: remote control, file sharing, tunnels",
        "実行中の禁止プログラム(遠隔操作、ファイル共有、トンネルなど)",
    ),
    "apps.antimalware": Words(
        "the antivirus program: does it run, and how old is what it knows",
        "ウイルス対策ソフトの動作状況と定義ファイルの新しさ",
    ),
    "wifi.trust": Words(
        "the links in use, and what protects a Wi-Fi among them",
        "使用中の接続の種類と、Wi-Fiの場合はその保護方式",
    ),
    "wifi.autojoin": Words(
        "stored Wi-Fi networks without a password that are joined by themselves",
        "自動接続が有効になっている、パスワードのないWi-Fiの設定",
    ),
    "wifi.twin": Words(
        "Wi-Fi networks in range that bear the same name with less protection",
        "同じ名前で保護の弱いWi-Fiが周囲にあるか",
    ),
    "network.hostile": Words(
        "signs that the network in use interferes: routes, gateways, name servers, login pages",
        "利用中のネットワークによる干渉の兆候(経路、ゲートウェイ、DNS、ログインページ)",
    ),
    "network.turnaround": Words(
        "ways by which others could pass through this computer: open ports, forwarding, hotspots, other VPNs",
        "他者がこのパソコンを経由できる状態(公開ポート、転送、テザリング、ほかのVPN)",
    ),
    "device.encryption": Words(
        "what seals the disks on which data could be left", "データが残る可能性のあるディスクの暗号化"
    ),
    "device.firewall": Words(
        "whether the firewall turns away what nobody here asked for", "要求していない通信をファイアウォールが拒否するか"
    ),
    "device.updates": Words(
        "the system's release, and security updates that wait", "OSのサポート期限と、未適用のセキュリティ更新"
    ),
    "device.lock": Words(
        "the screen lock, and logins without a password", "画面ロックと、パスワードなしのログインの有無"
    ),
    "device.usb": Words("disks on the USB port, and whether they are barred", "USBストレージの使用と制限の状況"),
    "device.clock": Words("whether the clock is right", "時計の正確さ"),
    "device.boot": Words("whether the computer started only signed software", "セキュアブートの状態"),
    "device.identity": Words("this computer's own certificate, and when it ends", "このパソコンの証明書とその有効期限"),
}
