"""`sekisho network`: what to ask for, and registered Wi-Fi networks as lines for people. It prints nothing."""

import shlex
from collections.abc import Iterator, Mapping

from agent.cli import show
from agent.cli.arguments import Wish
from agent.cli.instants import local
from agent.control.messages import AddNetwork, AskNetworks, Network, Networks, RemoveNetwork
from agent.words import Language, Words


def request(wish: Wish) -> AskNetworks | AddNetwork | RemoveNetwork:
    """Say what the command line asks for."""
    match wish.action:
        case "add":
            return AddNetwork(wish.title)
        case "remove":
            return RemoveNetwork(wish.which)
        case _:
            return AskNetworks()


def lines(told: Networks, language: Language) -> Iterator[str]:
    """Tell what was changed and how to undo it, or else what is registered."""
    if told.added is not None:
        yield _filled(ADDED, told.added, language)
        yield UNDO_ADD.filled(number=str(told.added.number)).in_(language)
    elif told.removed is not None:
        yield _filled(REMOVED, told.removed, language)
        title = show.safe(shlex.quote(told.removed.title))
        yield UNDO_REMOVE.filled(title=title).in_(language)
    else:
        yield from _list(told, language)


def _list(told: Networks, language: Language) -> Iterator[str]:
    count = sum(one.number is not None for one in told.networks)
    yield (COUNTED if told.most else OFF).filled(count=str(count), most=str(told.most)).in_(language)
    for one in told.networks:
        number = "-" if one.number is None else str(one.number)
        since = BY_POLICY if one.since is None else SINCE.filled(day=local(one.since).strftime("%Y-%m-%d"))
        yield f"  {number:>2}  {_filled(LISTED, one, language)}{since.in_(language)}"
    if told.most > count:
        yield HOW_TO_ADD.in_(language)


def _filled(words: Words, network: Network, language: Language) -> str:
    title, ssid = show.safe(network.title), show.safe(network.ssid)
    return words.filled(title=title, ssid=ssid, least=STRENGTHS[network.at_least]).in_(language)


STRENGTHS: Mapping[str, str] = {"wpa2": "WPA2", "wpa3": "WPA3"}
COUNTED = Words("Registered Wi-Fi networks ({count} of at most {most}):", "登録済みのWi-Fi({count}件、上限{most}件):")
OFF = Words(
    "The hospital's policy lets nobody register a Wi-Fi.", "病院のポリシーでは、Wi-Fiの登録は認められていません。"
)
LISTED = Words("'{title}' (name: {ssid}), at least {least}, ", "「{title}」(名前: {ssid})、{least}以上、")
SINCE = Words("since {day}", "{day}登録")
BY_POLICY = Words("by the hospital's policy", "病院のポリシーによる登録")
HOW_TO_ADD = Words(
    "To register the Wi-Fi in use: sekisho network add", "接続中のWi-Fiを登録するには: sekisho network add"
)
ADDED = Words(
    "Registered: '{title}'. It counts as yours while it is protected by {least} or better.",
    "「{title}」を登録しました。{least}以上で保護されている間、自分のWi-Fiとして扱われます。",
)
UNDO_ADD = Words("To undo: sekisho network remove {number}", "取り消すには: sekisho network remove {number}")
REMOVED = Words("No longer registered: '{title}'.", "「{title}」の登録を削除しました。")
UNDO_REMOVE = Words(
    "To undo, join it and run: sekisho network add --title {title}",
    "元に戻すには、そのWi-Fiに接続して実行: sekisho network add --title {title}",
)
