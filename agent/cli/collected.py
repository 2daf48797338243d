"""What Sekisho looks at, keeps and sends, and what it never does, in plain words.

What is kept is told from the vocabulary of events itself, so nothing that can be written down goes unnamed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import cast

from agent import events
from agent.words import Language, Words


def lines(language: Language) -> Iterator[str]:
    """Tell it for people."""
    for title, told in sections():
        yield title.in_(language)
        yield from (f"- {each.in_(language)}" for each in told)


def as_json() -> str:
    """Tell it for programs, on one line, in both languages."""
    told = [{"title": asdict(title), "lines": [asdict(each) for each in said]} for title, said in sections()]
    return json.dumps({"message": "collected", "sections": told}, separators=(",", ":"))


def sections() -> tuple[tuple[Words, tuple[Words, ...]], ...]:
    """Give everything that there is to tell, by headings."""
    return (
        (LOOKED_AT_TITLE, LOOKED_AT),
        (KEPT_TITLE, (*map(_kept, EVENTS), *KEPT_BESIDES)),
        (SENT_TITLE, SENT),
        (NEVER_TITLE, NEVER),
    )


def held(properties: Mapping[str, object]) -> Iterator[str]:
    """Walk what an event holds down to the fields that hold no others, as its schema tells it."""
    for name, told in properties.items():
        described = cast(Mapping[str, Mapping[str, object]], told)
        inner = described.get("items", described).get("properties")
        if inner is None:
            yield name
        else:
            yield from held(cast(Mapping[str, object], inner))


def _kept(event: Mapping[str, object]) -> Words:
    properties = dict(cast(Mapping[str, object], event["properties"]))
    name = str(cast(Mapping[str, object], properties.pop("event"))["const"])
    fields = [FIELDS[field] for field in dict.fromkeys(held(properties))]
    english, japanese = ", ".join(field.en for field in fields), "、".join(field.ja for field in fields)
    return Words(f"{KEPT[name].en} ({name}): {english}.", f"{KEPT[name].ja}({name}): {japanese}。")


EVENTS = cast(tuple[Mapping[str, object], ...], tuple(cast(list[object], events.schema()["oneOf"])))

LOOKED_AT_TITLE = Words("What is looked at", "確認する内容")
LOOKED_AT = (
    Words(
        "When you ask to connect, for a report or for what will refuse this computer, and all the time while you are "
        "connected; and once a day in office hours everything but programs, so that you are warned in time.",
        "接続・検査結果・接続可否の見通しを求めたときと、接続中(継続的)に確認します。また、事前にお知らせできるように、"
        "ヘルプデスクの受付日に1日1回、プログラム以外を確認します。",
    ),
    Words(
        "The running programs of whoever asks, or of the users that the hospital's policy names: the file that runs, "
        "its package, its fingerprint where the policy needs it, and for an interpreter the scripts that its arguments "
        "name.",
        "操作した本人、または病院のポリシーが指定する利用者の実行中のプログラム。実行ファイル、所属パッケージ、"
        "ポリシー上必要な場合はそのフィンガープリント、インタープリターの場合は引数が示すスクリプトです。",
    ),
    Words(
        "What is installed, where it came from, and which security updates are missing, by the package managers' own "
        "files.",
        "インストール済みのソフトウェアとその入手元、未適用のセキュリティ更新(パッケージ管理の記録によります)。",
    ),
    Words(
        "How this computer reaches the network, as NetworkManager, wpa_supplicant and the kernel tell it: cable, phone "
        "or Wi-Fi; for the Wi-Fi in use, in range and stored its name, access point and protection. No Wi-Fi password "
        "is asked for.",
        "NetworkManager、wpa_supplicant、カーネルが示すネットワークの利用状況。有線、テザリング、Wi-Fiの別と、"
        "利用中・周辺・保存済みのWi-Fiの名前、アクセスポイント、保護方式です。パスワードは取得しません。",
    ),
    Words(
        "How this computer itself is set up: encryption of its disks, antivirus program, plugged-in disks, clock, "
        "Secure Boot, screen lock, whether an account needs no password, and its own certificate. Nothing of what you "
        "stored is read.",
        "パソコン本体の設定。ディスクの暗号化、ウイルス対策ソフト、接続中の外付けディスク、時計、セキュアブート、"
        "画面ロック、パスワードのないアカウントの有無、端末証明書です。保存されたデータの内容は読み取りません。",
    ),
    Words(
        "What the network in use does: its addresses and routes, its router, who hands out addresses, whether names "
        "are answered truthfully and whether a login page is in the way.",
        "利用中のネットワークの振る舞い。アドレスと経路、ルーター、アドレスの配布元、名前の問い合わせへの応答、"
        "ログインページの有無です。",
    ),
    Words(
        "What others on the same network could reach or pass through: ports that wait, the firewall's rules, other "
        "VPNs, shared and joined networks.",
        "同じネットワークの他の人が接続・経由できるもの。待ち受け中のポート、ファイアウォールの設定、別のVPN、共有または"
        "中継しているネットワークです。",
    ),
    Words(
        "The network around this computer: its routes and routers, who hands out addresses, and, where the hospital's "
        "policy asks for it, whether a login page stands in the way, whether names are answered truthfully, and "
        "whether this is the hospital's own network.",
        "接続中のネットワークの状況。経路とルーター、アドレスを配布するサーバー、ポリシーで指定されている場合は、ログイン画面の"
        "有無、名前解決の応答の正しさ、院内ネットワークかどうかです。",
    ),
    Words(
        "All this is held in memory only, and told to nobody but those who may control Sekisho on this computer. The "
        "part that looks rests while nothing is connected and nobody asks.",
        "これらはメモリー上にのみ保持され、このパソコンでSekishoを操作できる人以外には伝えません。接続も"
        "操作もしていない間は、確認を行うプログラムは休止しています。",
    ),
)
KEPT_TITLE = Words("What is kept, on this computer only", "このパソコン内にのみ保存する内容")
KEPT: Mapping[str, Words] = {
    "started": Words("When the service started", "サービスの開始"),
    "stopped": Words("When the service stopped", "サービスの停止"),
    "looked": Words(
        "What each check answered when you connected, or otherwise later", "接続時の各検査の結果とその後の変化"
    ),
    "refused": Words("Which checks refused or cut a connection", "接続を拒否または切断した検査"),
    "opened": Words("When a connection was opened, and between whom", "接続の開始と両端"),
    "rekeyed": Words("When keys were renewed", "鍵の更新"),
    "entered": Words("When you asked to connect from the hospital's own network", "院内ネットワークの利用開始"),
    "left": Words("When you left it", "院内ネットワークの利用終了"),
    "emergency-opened": Words(
        "That an emergency connection was opened, past which checks", "緊急接続の開始と、通過させた検査"
    ),
    "emergency-closed": Words("When it ended", "緊急接続の終了"),
    "readied": Words("What was seen coming on the daily look", "1日1回の確認で見つかった、今後拒否される原因"),
    "network-registered": Words("That you registered a Wi-Fi of yours", "自分のWi-Fiの登録"),
    "network-forgotten": Words("That you took it back", "自分のWi-Fiの登録の削除"),
    "closed": Words("When a connection ended, and how much it carried", "接続の終了と通信量"),
    "policy-accepted": Words("Which policy came into force", "適用されたポリシー"),
    "policy-refused": Words("Which policy was refused", "拒否されたポリシー"),
    "problem": Words("What failed", "発生した問題"),
}
FIELDS: Mapping[str, Words] = {
    "at": Words("time", "時刻"),
    "seq": Words("running number", "連番"),
    "version": Words("version", "バージョン"),
    "site": Words("site", "接続先"),
    "user": Words("number of the user", "利用者番号"),
    "allowed": Words("whether it was let through", "許可の可否"),
    "check": Words("check", "検査項目"),
    "outcome": Words("outcome", "結果"),
    "response": Words("what the policy did about it", "ポリシーによる扱い"),
    "shadow": Words("whether that was only noted, without effect", "記録のみで影響を与えなかったか"),
    "location": Words("in which area a program lies, without its path", "プログラムの場所の区分(パスは含まない)"),
    "package": Words("its package", "所属パッケージ"),
    "sha256": Words("fingerprint (SHA-256) of the file", "ファイルのフィンガープリント(SHA-256)"),
    "at_least": Words("least protection it must keep", "必要な保護の強さ"),
    "reach": Words("how far it reached", "利用できる範囲の種別"),
    "reason": Words("code of the reason that was given", "指定された理由のコード"),
    "refuses_now": Words("checks that refuse", "現在拒否となる検査項目"),
    "refuses_soon": Words("checks that will within a day", "24時間以内に拒否となる検査項目"),
    "notices": Words("checks with something else to tell", "お知らせのある検査項目"),
    "network": Words("pseudonym of a Wi-Fi that only this computer can make", "Wi-Fiの仮名(このパソコン固有)"),
    "kind": Words("of which kind", "種別"),
    "marks": Words("what a check found, by its own words", "検査が見つけた内容(定型語のみ)"),
    "more": Words("how many more", "ほかの件数"),
    "vanished": Words("how many programs ended too soon to be seen", "確認前に終了したプログラム数"),
    "unreadable": Words("how many programs could not be read", "確認できなかったプログラム数"),
    "gateway": Words("gateway's address", "ゲートウェイのアドレス"),
    "addresses": Words("this computer's addresses in the hospital", "院内で割り当てられたアドレス"),
    "local_identity": Words("name in this computer's certificate", "端末証明書の名前"),
    "remote_identity": Words("gateway's name", "ゲートウェイの名前"),
    "remote_certificate": Words("fingerprint of the gateway's certificate", "ゲートウェイ証明書のフィンガープリント"),
    "ike_suite": Words("key exchange in use", "鍵交換方式"),
    "esp_suite": Words("encryption in use", "暗号化方式"),
    "handshake_ms": Words("how long the handshake took", "ハンドシェイクの所要時間"),
    "why": Words("why", "理由"),
    "seconds": Words("how long it was open", "接続時間"),
    "bytes_in": Words("bytes received", "受信バイト数"),
    "bytes_out": Words("bytes sent", "送信バイト数"),
    "serial": Words("policy's serial number", "ポリシーの通し番号"),
    "signed": Words("whether the hospital signed it", "病院の署名の有無"),
    "errors": Words("number of errors", "エラー数"),
    "code": Words("code of the problem", "問題のコード"),
}
KEPT_BESIDES = (
    Words(
        "Besides: a random key for the pseudonyms (network-key); the last good policy (policy.json); since when each "
        "check fails (failing.json); fingerprints of program files without their names, so that they are not read "
        "anew after each start; while connected, what must be put back afterwards (undo); and the service's own log, "
        "which tells problems and the number of a user who may not ask.",
        "そのほか: 仮名用の乱数鍵(network-key)、最後に有効だったポリシー(policy.json)、各検査が不合格になった時刻"
        "(failing.json)、起動のたびに読み直さないためのプログラムファイルのフィンガープリント(名前は含まない)、接続中は元に"
        "戻すための設定の控え(undo)、サービスのログ(問題と、権限のない利用者の番号)。",
    ),
    Words(
        "The Wi-Fi networks that people registered here, with their names, by whom and when, until they are removed "
        "(networks.json).",
        "このパソコンで登録されたWi-Fiの名前、登録した利用者の番号、日時(networks.json)。登録を削除すると消去されます。",
    ),
    Words("A report is kept only where you have it written.", "検査結果は、書き出しを指定した場合にのみ保存されます。"),
)
SENT_TITLE = Words("What is sent, and to whom", "送信する内容と相手")
SENT = (
    Words(
        "To the name server of the network in use: the gateway's name, where the policy names it by one.",
        "利用中のネットワークのDNSサーバーへ: ゲートウェイの名前(ポリシーで名前が指定されている場合)。",
    ),
    Words(
        "To the network in use: who its router is and who hands out addresses; where the hospital's policy says so, a "
        "name that does not exist, and an empty page of the hospital's. Nothing in these tells who you are.",
        "利用中のネットワークへ: ルーターとアドレス配布元の問い合わせ。病院のポリシーで指定されている場合は、存在しない"
        "名前の問い合わせと、病院の空のページの要求。利用者を示す情報は含みません。",
    ),
    Words(
        "To the hospital's gateway: this computer's certificate and its name (IKE), and your own traffic with the "
        "hospital's networks (ESP), all encrypted.",
        "病院のゲートウェイへ: 端末証明書とその名前(IKE)、病院のネットワークとの通信(ESP)。いずれも暗号化されます。",
    ),
    Words(
        "To the network in use, where the policy asks for it: a question who its router is and who hands out "
        "addresses, the name of something that does not exist, a request for an empty page of the hospital's, and the "
        "beginning of an encrypted connection to the hospital's beacon.",
        "利用中のネットワークへ(ポリシーで指定されている場合): ルーターとアドレス配布サーバーを調べる問い合わせ、"
        "実在しない名前の問い合わせ、病院の空ページの取得要求、院内ネットワーク確認用サーバーへの暗号化通信の開始。",
    ),
    Words(
        "To the hospital's policy server, where the policy names one, while a refused connection may reach what helps: "
        "a request for a newer policy.",
        "病院のポリシーサーバーへ(ポリシーで指定されている場合): 接続拒否後の復旧用の通信中に、"
        "新しいポリシーの取得要求。",
    ),
    Words(
        "To anybody else: nothing. No result of a check leaves this computer.",
        "そのほかには何も送信しません。検査の結果がこのパソコンの外に出ることはありません。",
    ),
)
NEVER_TITLE = Words("What is never written down or sent", "記録も送信もしない内容")
NEVER = (
    Words("Command lines, and paths below a home folder.", "コマンドライン、ホームフォルダー以下のパス。"),
    Words(
        "Names of Wi-Fi networks, but for those that you register, and addresses of access points.",
        "Wi-Fiの名前(自分で登録したものを除く)、アクセスポイントのアドレス。",
    ),
    Words(
        "Programs of anybody who is not checked, and any program while you neither connect nor are connected.",
        "検査の対象ではない利用者のプログラム、および接続していない間のプログラム。",
    ),
    Words("What you browse, type or open, and the content of your traffic.", "閲覧・入力・利用した内容、通信の内容。"),
    Words("Where you are.", "位置情報。"),
)
