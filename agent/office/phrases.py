"""What the policy desk says, in both languages. It decides nothing."""

from collections.abc import Mapping

from agent.words import Words

HELP: Mapping[str, Words] = {
    "program": Words(
        "Check, explain, sign and rehearse the policies of Sekisho, without the service.",
        "Sekishoのポリシーを、サービスを使わずに検証・説明・署名・試行します。",
    ),
    "check": Words("tell every error in a policy", "ポリシーの誤りをすべて表示します"),
    "explain": Words(
        "tell what each check looks at, what follows from it, and which file said so",
        "各検査の内容と結果の扱い、その根拠となるファイルを表示します",
    ),
    "sign": Words("sign a policy: writes FILE.sig beside it", "ポリシーに署名し、FILE.sigを作成します"),
    "verify": Words("tell whether one of the keys signed a policy", "いずれかの鍵による署名かを確認します"),
    "new-key": Words(
        "make a key pair: NAME.key to sign with, NAME.pem for the laptops",
        "鍵の対を作成します(署名用のNAME.keyと端末用のNAME.pem)",
    ),
    "schema": Words("print the JSON Schema of policies, for editors", "エディター用のJSON Schemaを出力します"),
    "rehearse": Words(
        "try a policy on stored reports: whom would it refuse?",
        "保存された検査結果で試し、拒否される端末を表示します",
    ),
    "json": Words("print one JSON object", "結果をJSONで出力します"),
    "language": Words("language of what is printed", "表示する言語"),
    "help": Words("show this help", "このヘルプを表示します"),
    "files": Words(
        "policy files, each laid over those before it (default: this computer's own, without what its server sent)",
        "ポリシーのファイル。後のファイルが優先されます(既定: このパソコンのもの。サーバーから届いたものは含みません)",
    ),
    "file": Words("the policy's file", "ポリシーのファイル"),
    "one-check": Words("only this check", "この検査のみ"),
    "private": Words("private key, as new-key makes it (NAME.key)", "new-keyで作成した秘密鍵(NAME.key)"),
    "public": Words("public key that is trusted (NAME.pem); may be repeated", "信頼する公開鍵(NAME.pem)。複数指定可"),
    "name": Words("where the keys go, without an ending", "鍵の保存先(拡張子なし)"),
    "policy": Words("the new policy's file", "新しいポリシーのファイル"),
    "reports": Words(
        "files of 'sekisho report --json', one for each device", "「sekisho report --json」の出力(端末ごとに1ファイル)"
    ),
}

NOTHING_WRONG = Words(
    "{files}: no errors; serial {serial}, sites: {sites}",
    "{files}: 誤りはありません(通し番号 {serial}、接続先: {sites})",
)
NO_FILE = Words("There is no policy on this computer.", "このパソコンにポリシーがありません。")
SIGNED = Words("{signature} was written, by the key {key}.", "{signature}を作成しました(鍵 {key})。")
VERIFIED = Words("{file} is signed by one of these keys.", "{file}は、指定された鍵で署名されています。")
MADE = Words(
    "{private} signs: keep it off the laptops, and a copy in a safe place.\n"
    "{public} is for /etc/sekisho/policy-keys/ of every laptop.\nThe key is {key}.",
    "{private}は署名用です。端末には置かず、控えを安全な場所に保管してください。\n"
    "{public}は各端末の/etc/sekisho/policy-keys/に配布してください。\n鍵: {key}",
)

POLICY = Words("Policy serial {serial}, from {files}", "ポリシー通し番号 {serial}({files})")
IN_SHADOW = Words(
    "In shadow as a whole: what would be done is recorded, and nobody is refused.",
    "全体が記録のみの設定です。結果は記録されますが、接続は拒否されません。",
)
HOURS = Words(
    "A grace ends in office hours only: {days} {opens}-{closes}", "猶予の終了は業務時間内のみ: {days} {opens}〜{closes}"
)
LABELS: Mapping[str, Words] = {
    "fail": Words("when it fails", "満たさない場合"),
    "unknown": Words("when it cannot be told", "確認できない場合"),
    "cut": Words("an open tunnel", "接続中の場合"),
    "max_age": Words("a look counts for", "結果の有効時間"),
    "grace": Words("grace", "猶予"),
    "shadow": Words("shadow", "記録のみ"),
}
RESPONSES: Mapping[str, Words] = {
    "refuse": Words("refuses the connection", "接続を拒否"),
    "warn": Words("warns", "注意を表示"),
    "off": Words("nothing follows", "何もしない"),
}
CUTS: Mapping[str, Words] = {
    "now": Words("ends at once", "ただちに切断"),
    "countdown": Words("ends after {span}, which are counted down", "{span}の予告後に切断"),
    "session-end": Words("stays until it is closed", "切断操作まで継続"),
}
GRACE = Words("for {span}, what refuses is only a warning", "{span}の間は注意のみ")
ONLY_RECORDED = Words("only recorded, nothing follows", "記録のみで影響なし")
DEFAULT = Words("default", "既定")
UNITS: Mapping[int, Words] = {
    86_400: Words("{n} d", "{n}日"),
    3_600: Words("{n} h", "{n}時間"),
    60: Words("{n} min", "{n}分"),
    1: Words("{n} s", "{n}秒"),
}
DAYS: Mapping[str, str] = {
    "mon": "月",
    "tue": "火",
    "wed": "水",
    "thu": "木",
    "fri": "金",
    "sat": "土",
    "sun": "日",
}

REHEARSED = Words("Reports: {reports}, devices: {devices}", "検査結果: {reports}件、端末: {devices}台")
WOULD_REFUSE = Words(
    "Devices that it would refuse: {refused} (let through until now: {newly}, outside office hours: {outside})",
    "拒否される端末: {refused}台(うち、これまで許可: {newly}台、業務時間外: {outside}台)",
)
BY_CHECK: Mapping[str, Words] = {
    "refused": Words("  {check}: {count}", "  {check}: {count}台"),
    "later": Words("  {check}: {count}, after a grace", "  {check}: {count}台(猶予の終了後)"),
    "shadow": Words("  {check}: {count}, only recorded", "  {check}: {count}台(記録のみ)"),
    "missing": Words("  {check}: {count} do not tell of it", "  {check}: {count}台は情報なし"),
}
LOST = Words("  could not be looked at: {count}", "  検査不能: {count}台")
LIMITS = Words(
    "Tried is what follows from what each check answered then. Changed lists of programs, networks or limits are not "
    "tried: for that, use 'shadow: true'.",
    "当時の各検査の結果に、新しい扱いを当てはめたものです。プログラムやネットワークの一覧、しきい値の変更は反映"
    "されません。その場合は「shadow: true」をご利用ください。",
)
UNREADABLE = Words("Left out: {why}", "除外: {why}")
