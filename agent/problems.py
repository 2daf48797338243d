"""The catalogue of ways to fail: a stable code, its cause, whose move it is and the next step.

It never decides that something failed; rooms that do name a code from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent.words import Words, quote

Side = Literal["laptop", "network", "gateway", "policy"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure as it is told: what happened, on whose side, and what to do now."""

    code: str
    side: Side
    cause: Words
    step: Words
    detail: str = ""

    @property
    def sentence(self) -> Words:
        """Cause, next step and code as one text for a screen."""
        return Words(
            f"{self.cause.en} {self.step.en} ({self.code})",
            f"{self.cause.ja}{self.step.ja}({self.code})",
        )


class Trouble(Exception):
    """Something failed in a way that the catalogue names; whoever catches it tells `problem`."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.problem = problem(code, detail)
        super().__init__(f"{code}: {self.problem.detail}")


def problem(code: str, detail: str = "") -> Problem:
    """Look a code up and attach what was seen; an unknown code becomes `internal`, never an error."""
    side, cause, step = CATALOGUE.get(code, CATALOGUE["internal"])
    return Problem(code, side, cause, step, quote(detail))


CATALOGUE: Mapping[str, tuple[Side, Words, Words]] = {
    "gateway.unreachable": (
        "network",
        Words("The hospital's gateway does not answer.", "病院のゲートウェイから応答がありません。"),
        Words(
            "If other web pages open, this network may block VPNs: use another one, then press Connect again.",
            "ほかのWebページが開くか確認してください。開く場合はこのネットワークがVPNを遮断している可能性があります。別のネットワークに切り替えて、もう一度接続してください。",
        ),
    ),
    "gateway.unresolved": (
        "network",
        Words("The gateway's name could not be found.", "ゲートウェイの名前を解決できません。"),
        Words(
            "Check the network connection, then press Connect again.",
            "ネットワーク接続を確認して、もう一度接続してください。",
        ),
    ),
    "gateway.identity": (
        "gateway",
        Words(
            "The server that answered is not the hospital's gateway.",
            "応答したサーバーは病院のゲートウェイではありません。",
        ),
        Words(
            "Do not use this network; switch to another one and tell the help desk.",
            "このネットワークの使用を中止し、別のネットワークに切り替えて、ヘルプデスクに連絡してください。",
        ),
    ),
    "gateway.signature": (
        "gateway",
        Words(
            "The server could not prove that it is the hospital's gateway.",
            "サーバーが病院のゲートウェイであることを証明できませんでした。",
        ),
        Words(
            "Do not use this network; switch to another one and tell the help desk.",
            "このネットワークの使用を中止し、別のネットワークに切り替えて、ヘルプデスクに連絡してください。",
        ),
    ),
    "gateway.certificate.expired": (
        "gateway",
        Words("The gateway's certificate has expired.", "ゲートウェイの証明書の有効期限が切れています。"),
        Words(
            "Tell the help desk: only the hospital can renew it.",
            "更新できるのは病院だけです。ヘルプデスクに連絡してください。",
        ),
    ),
    "gateway.certificate.not_yet_valid": (
        "laptop",
        Words(
            "The gateway's certificate is not valid yet, or this computer's clock is wrong.",
            "ゲートウェイの証明書がまだ有効でないか、このパソコンの時計がずれています。",
        ),
        Words("Check the date and time, then press Connect again.", "日付と時刻を確認して、もう一度接続してください。"),
    ),
    "gateway.certificate.untrusted": (
        "gateway",
        Words(
            "The gateway's certificate was not issued by an authority that the policy names.",
            "ゲートウェイの証明書は、ポリシーで指定された認証局が発行したものではありません。",
        ),
        Words(
            "Do not use this network; switch to another one and tell the help desk.",
            "このネットワークの使用を中止し、別のネットワークに切り替えて、ヘルプデスクに連絡してください。",
        ),
    ),
    "gateway.certificate.usage": (
        "gateway",
        Words(
            "The gateway's certificate was not issued for a gateway.",
            "ゲートウェイの証明書は、ゲートウェイ用に発行されたものではありません。",
        ),
        Words(
            "Tell the help desk: the hospital must replace it.",
            "病院での交換が必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "gateway.certificate.missing": (
        "gateway",
        Words("The gateway showed no certificate.", "ゲートウェイが証明書を提示しませんでした。"),
        Words("Tell the help desk.", "ヘルプデスクに連絡してください。"),
    ),
    "auth.rejected": (
        "gateway",
        Words(
            "The gateway did not accept this computer's certificate.",
            "ゲートウェイがこのパソコンの証明書を受け入れませんでした。",
        ),
        Words(
            "Call the help desk: the certificate may be expired or withdrawn, or the policy may name another gateway.",
            "証明書の期限切れや失効、またはポリシーのゲートウェイ名の誤りが考えられます。ヘルプデスクに連絡してください。",
        ),
    ),
    "proposal.none": (
        "gateway",
        Words(
            "This computer and the gateway have no encryption method in common.",
            "このパソコンとゲートウェイに共通の暗号方式がありません。",
        ),
        Words(
            "Tell the help desk: policy and gateway must agree.",
            "ポリシーとゲートウェイの設定を合わせる必要があります。ヘルプデスクに連絡してください。",
        ),
    ),
    "ts.unacceptable": (
        "gateway",
        Words(
            "The gateway refused the hospital networks that were asked for.",
            "要求した病院ネットワークをゲートウェイが拒否しました。",
        ),
        Words(
            "Tell the help desk: policy and gateway must agree.",
            "ポリシーとゲートウェイの設定を合わせる必要があります。ヘルプデスクに連絡してください。",
        ),
    ),
    "address.none": (
        "gateway",
        Words(
            "The gateway had no address to give to this computer.",
            "ゲートウェイがこのパソコンに割り当てるアドレスがありませんでした。",
        ),
        Words(
            "Wait a few minutes and press Connect again; if it stays so, tell the help desk.",
            "数分待ってからもう一度接続してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "address.refused": (
        "gateway",
        Words(
            "The gateway gave an address that the policy does not allow.",
            "ゲートウェイがポリシーで許可されていないアドレスを割り当てました。",
        ),
        Words("Tell the help desk.", "ヘルプデスクに連絡してください。"),
    ),
    "peer.malformed": (
        "gateway",
        Words(
            "The gateway sent a message that must be refused.",
            "ゲートウェイから受け入れられないメッセージが届きました。",
        ),
        Words(
            "Press Connect again; if it happens twice, tell the help desk.",
            "もう一度接続してください。繰り返す場合はヘルプデスクに連絡してください。",
        ),
    ),
    "peer.lost": (
        "network",
        Words(
            "The gateway stopped answering, so the connection was closed.",
            "ゲートウェイの応答が途絶えたため、接続を終了しました。",
        ),
        Words("Check the network, then press Connect again.", "ネットワークを確認して、もう一度接続してください。"),
    ),
    "peer.closed": (
        "gateway",
        Words("The gateway closed the connection.", "ゲートウェイが接続を終了しました。"),
        Words(
            "Press Connect again; if it stays so, tell the help desk.",
            "もう一度接続してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "limit.reached": (
        "gateway",
        Words(
            "The keys reached their limit and could not be renewed.", "暗号鍵が使用上限に達し、更新できませんでした。"
        ),
        Words("Press Connect again.", "もう一度接続してください。"),
    ),
    "sign.refused": (
        "laptop",
        Words(
            "This computer's key could not be used to prove who it is.",
            "このパソコンの身元を証明する署名ができませんでした。",
        ),
        Words(
            "Call the help desk: the device key must be looked at.",
            "端末の鍵の確認が必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "key.unreadable": (
        "laptop",
        Words("This computer's key or certificate cannot be read.", "このパソコンの鍵または証明書を読み込めません。"),
        Words(
            "Call the help desk: the device certificate must be installed again.",
            "端末証明書の再インストールが必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "anchors.unreadable": (
        "policy",
        Words("The gateway's trust anchors cannot be read.", "ゲートウェイの認証局証明書を読み込めません。"),
        Words(
            "Call the help desk: they must be installed again.",
            "再インストールが必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "tun.refused": (
        "laptop",
        Words("The system refused a tunnel interface.", "システムがトンネルインターフェースの作成を拒否しました。"),
        Words(
            "Restart the computer; if it stays so, call the help desk.",
            "パソコンを再起動してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "network.refused": (
        "laptop",
        Words(
            "The system refused the tunnel's addresses or routes.",
            "システムがトンネルのアドレスまたは経路の設定を拒否しました。",
        ),
        Words(
            "Restart the computer; if it stays so, call the help desk.",
            "パソコンを再起動してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "network.left": (
        "laptop",
        Words(
            "The connection is closed, but not all network settings of this computer could be put back.",
            "接続は終了しましたが、このパソコンのネットワーク設定の一部を元に戻せませんでした。",
        ),
        Words(
            "Restart the computer; if it stays so, call the help desk.",
            "パソコンを再起動してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "pump.failed": (
        "laptop",
        Words("The tunnel's packet engine stopped.", "トンネルのパケット処理が停止しました。"),
        Words(
            "Press Connect again; if it happens twice, call the help desk.",
            "もう一度接続してください。繰り返す場合はヘルプデスクに連絡してください。",
        ),
    ),
    "look.lost": (
        "laptop",
        Words(
            "This computer could not be checked, because the checking program does not work.",
            "検査プログラムが正常に動作していないため、このパソコンを検査できませんでした。",
        ),
        Words(
            "Restart the computer; if it stays so, call the help desk.",
            "パソコンを再起動してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "policy.missing": (
        "policy",
        Words("There is no policy on this computer.", "このパソコンにポリシーがありません。"),
        Words("Call the help desk: it must be deployed.", "ポリシーの配布が必要です。ヘルプデスクに連絡してください。"),
    ),
    "policy.invalid": (
        "policy",
        Words("The policy on this computer cannot be used.", "このパソコンのポリシーを使用できません。"),
        Words(
            "Call the help desk: it must be deployed again.",
            "ポリシーの再配布が必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "policy.unsigned": (
        "policy",
        Words(
            "The policy on this computer is not signed as the hospital demands.",
            "このパソコンのポリシーに、病院の有効な署名がありません。",
        ),
        Words(
            "Call the help desk: it must be deployed again.",
            "ポリシーの再配布が必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "policy.older": (
        "policy",
        Words(
            "The policy is older than one that this computer has had, or was changed without a new number.",
            "ポリシーが以前のものより古いか、通し番号を変えずに変更されています。",
        ),
        Words(
            "Call the help desk: the present policy must be deployed.",
            "最新のポリシーの配布が必要です。ヘルプデスクに連絡してください。",
        ),
    ),
    "policy.early": (
        "policy",
        Words(
            "The policy is not valid yet, or this computer's clock is wrong.",
            "ポリシーがまだ有効になっていないか、このパソコンの時計がずれています。",
        ),
        Words(
            "Check the date and time; if they are right, call the help desk.",
            "日付と時刻を確認してください。正しい場合はヘルプデスクに連絡してください。",
        ),
    ),
    "policy.kept": (
        "policy",
        Words(
            "A newer policy could not be used, so the one before it stays in force.",
            "新しいポリシーを適用できなかったため、以前のポリシーを引き続き使用しています。",
        ),
        Words("You can go on working; tell the help desk.", "このまま利用できますが、ヘルプデスクに連絡してください。"),
    ),
    "policy.unfetched": (
        "network",
        Words("A newer policy could not be fetched.", "新しいポリシーを取得できませんでした。"),
        Words(
            "It is tried again by itself; if this stays so, call the help desk.",
            "自動的に再試行します。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "site.unknown": (
        "policy",
        Words("The policy names no such site.", "指定された接続先はポリシーにありません。"),
        Words("Run 'sekisho status' to see the sites.", "「sekisho status」で接続先を確認してください。"),
    ),
    "busy": (
        "laptop",
        Words(
            "Sekisho is connected already, or is just connecting or disconnecting.",
            "すでに接続しているか、接続または切断の処理中です。",
        ),
        Words(
            "Run 'sekisho status' to see which; to change the site, disconnect first.",
            "「sekisho status」で状態を確認してください。接続先を変更する場合は、先に切断してください。",
        ),
    ),
    "emergency.off": (
        "policy",
        Words(
            "The policy allows no emergency connection to this site.",
            "この接続先では、緊急時の接続がポリシーで認められていません。",
        ),
        Words(
            "Follow what 'sekisho why' tells, or call the help desk.",
            "「sekisho why」に表示される対応を行うか、ヘルプデスクに連絡してください。",
        ),
    ),
    "emergency.denied": (
        "policy",
        Words("You may not open an emergency connection.", "あなたには緊急時の接続を行う権限がありません。"),
        Words(
            "Ask a colleague who may, or call the help desk.",
            "権限のある人に依頼するか、ヘルプデスクに連絡してください。",
        ),
    ),
    "emergency.reason": (
        "policy",
        Words("The policy knows no such reason for an emergency.", "指定された緊急時の理由はポリシーにありません。"),
        Words(
            "Run 'sekisho emergency' to see the reasons, then try again.",
            "「sekisho emergency」で理由の一覧を確認して、もう一度実行してください。",
        ),
    ),
    "emergency.over": (
        "policy",
        Words(
            "The time of the emergency connection is over, so it was closed.",
            "緊急時の接続は制限時間に達したため、終了しました。",
        ),
        Words(
            "If the emergency goes on, ask for it again; else do what 'sekisho why' told before.",
            "緊急事態が続いている場合は、もう一度緊急時の接続を行ってください。それ以外の場合は、パソコンの問題を解消してから接続してください。",
        ),
    ),
    "registration.no_wifi": (
        "laptop",
        Words("Wi-Fi is not in use.", "Wi-Fiに接続していません。"),
        Words("Join the Wi-Fi that is yours, then try again.", "自分のWi-Fiに接続してから、もう一度実行してください。"),
    ),
    "registration.several": (
        "laptop",
        Words("More than one Wi-Fi is in use.", "複数のWi-Fiに同時に接続しています。"),
        Words(
            "Stay with the one to register, then try again.",
            "登録するWi-Fiだけに接続した状態で、もう一度実行してください。",
        ),
    ),
    "registration.unseen": (
        "laptop",
        Words("How this Wi-Fi is protected could not be seen.", "接続中のWi-Fiの保護方式を確認できませんでした。"),
        Words(
            "Wait a moment and try again; if it stays so, call the help desk.",
            "少し待ってから、もう一度実行してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "registration.nameless": (
        "network",
        Words("This Wi-Fi shows no name.", "接続中のWi-Fiの名前を確認できませんでした。"),
        Words(
            "Let your router or phone show its name, then try again.",
            "ルーターまたはスマートフォンの設定でWi-Fi名(SSID)が表示されるようにして、もう一度実行してください。",
        ),
    ),
    "registration.open": (
        "network",
        Words("This Wi-Fi has no password.", "接続中のWi-Fiにはパスワードが設定されていません。"),
        Words(
            "Set one (WPA2 or WPA3) at your router or phone, join again, then try again.",
            "ルーターまたはスマートフォンでパスワード(WPA2またはWPA3)を設定し、接続し直してから、もう一度実行してください。",
        ),
    ),
    "registration.weak": (
        "network",
        Words(
            "This Wi-Fi uses an old protection that can be broken (WEP or WPA-TKIP).",
            "接続中のWi-Fiの暗号化方式(WEPまたはWPA-TKIP)は古く、解読されるおそれがあります。",
        ),
        Words(
            "Choose WPA2 (AES) or WPA3 at your router, join again, then try again.",
            "ルーターの設定をWPA2(AES)またはWPA3に変更し、接続し直してから、もう一度実行してください。",
        ),
    ),
    "registration.title": (
        "laptop",
        Words("The title is empty or too long.", "名前が空か、長すぎます。"),
        Words("Choose one of 1 to 64 characters.", "1~64文字の名前を指定してください。"),
    ),
    "registration.off": (
        "policy",
        Words(
            "The hospital's policy lets nobody register a Wi-Fi.",
            "病院のポリシーでは、Wi-Fiの登録は認められていません。",
        ),
        Words("Ask the help desk to register it.", "ヘルプデスクに登録を依頼してください。"),
    ),
    "registration.known": (
        "laptop",
        Words("This Wi-Fi is registered already.", "接続中のWi-Fiはすでに登録されています。"),
        Words("Nothing needs to be done.", "対応は不要です。"),
    ),
    "registration.full": (
        "policy",
        Words(
            "As many Wi-Fi networks are registered on this computer as the policy allows.",
            "このパソコンに登録できるWi-Fiの数が、ポリシーの上限に達しています。",
        ),
        Words(
            "Run 'sekisho network list', remove one that you no longer use, then try again.",
            "「sekisho network list」で一覧を確認し、使わなくなったものを削除してから、もう一度実行してください。",
        ),
    ),
    "registration.unknown": (
        "laptop",
        Words(
            "No Wi-Fi that was registered here has that number or name.",
            "指定された番号または名前のWi-Fiは登録されていません。",
        ),
        Words(
            "Run 'sekisho network list' to see them; what the policy lists only the hospital can remove.",
            "「sekisho network list」で一覧を確認してください。ポリシーで登録されたものは病院だけが削除できます。",
        ),
    ),
    "registration.unclear": (
        "laptop",
        Words("More than one registered Wi-Fi has that name.", "その名前で登録されたWi-Fiが複数あります。"),
        Words(
            "Run 'sekisho network list' and use the number.",
            "「sekisho network list」で番号を確認し、番号で指定してください。",
        ),
    ),
    "registration.unkept": (
        "laptop",
        Words(
            "The list of registered networks could not be written, so nothing was changed.",
            "登録内容を保存できなかったため、何も変更していません。",
        ),
        Words(
            "Free some room on the disk, then try again; if it stays so, call the help desk.",
            "ディスクの空き容量を確保して、もう一度実行してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "withdrawn": (
        "laptop",
        Words("Connecting was stopped on request.", "切断の操作があったため、接続を中止しました。"),
        Words("Press Connect to try again.", "必要な場合は、もう一度接続してください。"),
    ),
    "starting": (
        "laptop",
        Words("Sekisho's service is still starting.", "Sekishoのサービスは起動中です。"),
        Words("Wait a moment, then press Connect again.", "しばらく待ってから、もう一度接続してください。"),
    ),
    "stopping": (
        "laptop",
        Words("Sekisho's service is stopping.", "Sekishoのサービスは停止処理中です。"),
        Words(
            "Wait a moment, then press Connect again; if it stays so, restart the computer.",
            "しばらく待ってから、もう一度接続してください。続く場合はパソコンを再起動してください。",
        ),
    ),
    "daemon.absent": (
        "laptop",
        Words("Sekisho's service is not running on this computer.", "Sekishoのサービスが動作していません。"),
        Words(
            "Restart the computer; if it stays so, call the help desk.",
            "パソコンを再起動してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "daemon.lost": (
        "laptop",
        Words("Sekisho's service broke off before it was done.", "Sekishoのサービスが処理の途中で停止しました。"),
        Words(
            "Wait a moment, then run 'sekisho status'; if it stays so, call the help desk.",
            "しばらく待ってから「sekisho status」を実行してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "daemon.silent": (
        "laptop",
        Words("Sekisho's service does not answer.", "Sekishoのサービスが応答しません。"),
        Words(
            "Restart the computer; if it stays so, call the help desk.",
            "パソコンを再起動してください。続く場合はヘルプデスクに連絡してください。",
        ),
    ),
    "daemon.foreign": (
        "laptop",
        Words(
            "Sekisho's service answered in a way that this command does not understand.",
            "Sekishoのサービスの応答を、このコマンドは理解できませんでした。",
        ),
        Words(
            "Use the 'sekisho' command of the same version.", "同じバージョンの「sekisho」コマンドを使ってください。"
        ),
    ),
    "daemon.second": (
        "laptop",
        Words("Sekisho's service is already running on this computer.", "Sekishoのサービスはすでに動作しています。"),
        Words(
            "Stop the other one first; this one changed nothing.",
            "先にもう一方を停止してください。何も変更していません。",
        ),
    ),
    "control.refused": (
        "laptop",
        Words("You may not control Sekisho on this computer.", "このパソコンでSekishoを操作する権限がありません。"),
        Words("Log in as a user that the policy names.", "ポリシーで許可されたユーザーでログインしてください。"),
    ),
    "control.malformed": (
        "laptop",
        Words("Sekisho's service could not read the request.", "Sekishoのサービスが要求を読み取れませんでした。"),
        Words(
            "Use the 'sekisho' command of the same version.", "同じバージョンの「sekisho」コマンドを使ってください。"
        ),
    ),
    "internal": (
        "laptop",
        Words(
            "Sekisho met an error of its own and closed the connection.",
            "Sekishoの内部エラーのため、接続を終了しました。",
        ),
        Words(
            "Call the help desk and send the service's log.", "サービスのログを添えてヘルプデスクに連絡してください。"
        ),
    ),
}
