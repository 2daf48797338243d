"""What the command itself says, in Japanese and English; what the service says comes from the service."""

from collections.abc import Mapping

from agent.words import Words

HELP: Mapping[str, Words] = {
    "sekisho": Words(
        "Connect this computer to the hospital's network, if it is safe to, and say why where it is not.",
        "安全な場合にこのパソコンを病院のネットワークに接続し、接続できない場合はその理由を表示します。",
    ),
    "connect": Words("check this computer and open the tunnel", "パソコンを検査してトンネルを開きます"),
    "disconnect": Words("close the tunnel and restore the computer", "トンネルを閉じて元の設定に戻します"),
    "status": Words("tell what is connected now", "現在の接続状態を表示します"),
    "emergency": Words(
        "in an emergency: connect although a check refuses, as far as the policy lets",
        "緊急時に、検査で拒否されていてもポリシーの範囲内で接続します",
    ),
    "ready": Words(
        "tell what will refuse this computer within 24 hours",
        "24時間以内に接続を拒否される原因がないかを確認します",
    ),
    "network": Words("your own Wi-Fi networks, as they are registered here", "自分のWi-Fiの登録を管理します"),
    "network list": Words("list the registered networks", "登録済みのWi-Fiを一覧表示します"),
    "network add": Words("register the Wi-Fi in use as your own", "接続中のWi-Fiを自分のものとして登録します"),
    "network remove": Words("take a registered network back", "Wi-Fiの登録を削除します"),
    "policy": Words(
        "for IT: check, explain, sign and rehearse policies",
        "情報システム部門向け: ポリシーの検査・説明・署名・試行を行います",
    ),
    "policy check": Words("tell every error in a policy", "ポリシーの誤りをすべて表示します"),
    "policy explain": Words("tell what each check does, and which file said so", "各検査の動作とその根拠を表示します"),
    "policy sign": Words("sign a policy", "ポリシーに署名します"),
    "policy verify": Words("verify a policy's signature", "ポリシーの署名を検証します"),
    "policy new-key": Words("make a key to sign with", "署名用の鍵を作成します"),
    "policy schema": Words("print the JSON Schema of a policy", "ポリシーのJSONスキーマを出力します"),
    "policy rehearse": Words(
        "tell whom a policy would refuse, by stored reports", "保存された検査結果でポリシーを試行します"
    ),
    "apps": Words("for IT: lists of approved programs", "情報システム部門向け: 許可プログラムの一覧を作成します"),
    "apps inventory": Words(
        "propose a list from what runs on this clean computer",
        "検査対象のないパソコンの実行状況から一覧の案を作成します",
    ),
    "reason": Words(
        "why, as a code of the policy; without it, the codes are told", "理由のコード(省略時は一覧を表示します)"
    ),
    "yes": Words("ask nothing first", "確認せずに実行します"),
    "title": Words("what to call it; without it, by its own name", "登録名(省略時はWi-Fiの名前)"),
    "which": Words("the network's number or name in the list", "一覧に表示された番号または名前"),
    "why": Words("tell why the last connection was refused or cut", "接続が拒否または切断された理由を表示します"),
    "report": Words("tell what is seen of this computer, check by check", "パソコンの検査結果を項目ごとに表示します"),
    "watch": Words("tell each change until Ctrl-C", "Ctrl-Cを押すまで状態の変化を表示します"),
    "completion": Words("print the completion script of a shell", "シェルの補完スクリプトを出力します"),
    "site": Words("the site of the policy; without it, the first", "ポリシーの接続先名(省略時は最初のもの)"),
    "shell": Words("the shell to complete in", "補完を使うシェル"),
    "html": Words(
        "as a page, into FILE; without FILE or with '-', to the output",
        "HTMLページとしてFILEに書き出します(FILEを省略するか「-」とすると標準出力)",
    ),
    "collected": Words(
        "tell what is looked at, kept and sent, and what never is",
        "何を確認・保存・送信し、何を決して収集しないかを表示します",
    ),
    "json": Words("print one JSON object a line", "JSONを1行に1つ出力します"),
    "language": Words("speak English or Japanese", "表示言語(英語または日本語)"),
    "socket": Words("the service's socket", "サービスのソケット"),
    "version": Words("print the version", "バージョンを表示します"),
    "help": Words("print this help", "このヘルプを表示します"),
}
CODES = Words(
    "exit codes: 0 done, 1 internal, 2 usage, 3 refused by the check of this computer, 4 connecting failed, "
    "5 not permitted, 6 service not running, 7 not connected",
    "終了コード: 0 完了、1 内部エラー、2 使い方の誤り、3 パソコンの検査で拒否、4 接続失敗、"
    "5 権限なし、6 サービス停止中、7 未接続",
)
STATES: Mapping[str, Words] = {
    "idle": Words("not connected", "未接続"),
    "looking": Words("checking this computer", "パソコンを検査中"),
    "inside": Words("inside the hospital's network; no tunnel is needed", "院内ネットワーク(トンネル不要)"),
    "refused": Words("refused", "接続拒否"),
    "service": Words("refused; only what helps to get well is reached", "接続拒否(復旧用の通信のみ可能)"),
    "opening": Words("connecting", "接続処理中"),
    "open": Words("connected", "接続済み"),
    "emergency": Words("connected for an emergency", "緊急接続中"),
    "closing": Words("disconnecting", "切断中"),
}
WAITING: Mapping[str, Words] = {
    "look": Words("Checking this computer", "パソコンを検査しています"),
    "key": Words("Reading the device certificate", "端末証明書を読み込んでいます"),
    "tunnel": Words("Making the tunnel interface", "トンネルを準備しています"),
    "gateway": Words("Waiting for the gateway", "ゲートウェイの応答を待っています"),
    "network": Words("Setting routes and names", "経路と名前解決を設定しています"),
    "": Words("Finishing", "仕上げています"),
}
WHO: Mapping[str, Words] = {
    "you": Words("you", "あなた"),
    "it": Words("the hospital's IT department", "病院の情報システム部門"),
    "help_desk": Words("the help desk", "ヘルプデスク"),
    "laptop": Words("this computer", "このパソコン"),
    "network": Words("the network in between", "途中のネットワーク"),
    "gateway": Words("the hospital's gateway", "病院のゲートウェイ"),
    "policy": Words("the hospital's policy", "病院のポリシー"),
}
MARKS: Mapping[str, Words] = {
    "fail": Words("refused", "拒否"),
    "unknown": Words("could not be seen", "確認不能"),
    "warn": Words("warning", "注意"),
    "problem": Words("problem", "問題"),
}
NOT_CONNECTED = Words("Not connected.", "接続していません。")
REFUSED = Words(
    "Not connected: this computer did not pass the check.", "接続できません: パソコンの検査に合格しませんでした。"
)
FAILED = Words("Not connected: connecting failed.", "接続できません: 接続に失敗しました。")
NOT_DONE = Words("That could not be done.", "実行できませんでした。")
CONNECTED = Words("Connected to {site} in {seconds} s.", "{site}に接続しました({seconds}秒)。")
WARNED = Words(
    "This does not stand in the way now; 'sekisho status' says what to do about it.",
    "現在の接続には影響しません。対処方法は「sekisho status」で確認できます。",
)
DISCONNECTED = Words("Disconnected; this computer is as before.", "切断しました。設定は元に戻りました。")
NOTHING_REFUSED = Words("Nothing was refused or cut.", "拒否または切断された接続はありません。")
STOPPING = Words("Stopping: asking the service to disconnect ...", "中止しています: サービスに切断を依頼しました ...")
STOPPED = Words("Stopped; nothing is connected.", "中止しました。接続していません。")
WHAT_TO_DO = Words("What to do", "対処")
WHO_ACTS = Words("Who acts", "対応者")
WHOSE_SIDE = Words("Where", "場所")
ONE_FORM = Words("choose one of --json and --html", "--jsonと--htmlは同時に指定できません")
WRITTEN = Words("Written to {path}, readable by you only.", "{path}に書き出しました(本人のみ閲覧可)。")
DID_YOU_MEAN = Words("did you mean '{word}'?", "「{word}」ではありませんか?")
LABELS: Mapping[str, Words] = {
    "site": Words("Site", "接続先"),
    "sites": Words("Sites", "接続先一覧"),
    "policy": Words("Policy", "ポリシー"),
    "gateway": Words("Gateway", "ゲートウェイ"),
    "you": Words("This end", "こちら側"),
    "ike": Words("Key exchange", "鍵交換"),
    "esp": Words("Encryption", "暗号化"),
    "address": Words("Address", "アドレス"),
    "networks": Words("Networks", "ネットワーク"),
    "handshake": Words("Handshake", "ハンドシェイク"),
    "since": Words("Since", "接続時間"),
    "traffic": Words("Traffic", "通信量"),
}
ENTERED: Mapping[str, Words] = {
    "inside": Words(
        "You are in the hospital's own network ({site}): no tunnel is needed.",
        "院内ネットワーク({site})に接続しています。トンネルは不要です。",
    ),
    "emergency": Words(
        "Connected to {site} for an emergency in {seconds} s.", "{site}に緊急接続しました({seconds}秒)。"
    ),
}
ENDS_AFTER = Words("It ends by itself after {span}.", "{span}後に自動的に終了します。")
ENDS_IN = Words("ends by itself in {span}", "あと{span}で自動終了")
COMES_BACK = Words("comes back by itself", "解消後に自動再接続")
COMES_BACK_WITHIN = Words(
    "It comes back by itself if this is put right within {span}.",
    "{span}以内に問題が解消されれば、自動的に再接続します。",
)
IN_AN_EMERGENCY = Words(
    "In an emergency you may connect all the same: 'sekisho emergency' tells how.",
    "緊急の場合は、このままでも接続できることがあります。「sekisho emergency」で確認してください。",
)
UNITS: Mapping[int, Words] = {
    3600: Words("{count} hours", "{count}時間"),
    60: Words("{count} minutes", "{count}分"),
    1: Words("{count} s", "{count}秒"),
}
CLOSES_IN = Words("closes in {seconds} s", "あと{seconds}秒で切断します")
SERIAL = Words("serial {serial}", "通し番号 {serial}")
NO_POLICY = Words("none", "なし")
IN_AND_OUT = Words("{received} in, {sent} out", "受信 {received}、送信 {sent}")
