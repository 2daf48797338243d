"""What an emergency means, told before it is opened; on a terminal one question is asked first.

What is granted is the policy's to say, and the service's to hold to.
"""

import sys
from collections.abc import Iterator

from agent.cli import asking, show
from agent.cli.arguments import Wish
from agent.cli.asking import Exit
from agent.cli.screen import Screen
from agent.control.messages import Offer, Refused, Status
from agent.problems import problem
from agent.words import Language, Words


def prepare(told: Status, wish: Wish, screen: Screen) -> Exit | None:
    """Tell what would be opened, and ask on a terminal; give an exit code where nothing is to be opened."""
    offer = told.emergency
    if offer is None:
        off = show.as_refusal(problem("emergency.off"))
        return asking.refused(Refused("problem", told.reasons) if told.policy_serial is None else off, wish, screen)
    if wish.reason not in {one.code for one in offer.reasons}:
        screen.complain(_choices(offer, wish))
        return Exit.USAGE
    screen.lines(_meaning(offer, wish.language))
    if wish.yes or not sys.stdin.isatty() or _agrees(wish.language):
        return None
    screen.complain([LEFT.in_(wish.language)])
    return Exit.FAILED


def _choices(offer: Offer, wish: Wish) -> Iterator[str]:
    language = wish.language
    if wish.reason is not None:
        yield NO_SUCH.filled(reason=show.safe(wish.reason)).in_(language)
    yield CHOOSE.in_(language)
    yield from (f"  {show.safe(one.code)}: {show.safe(one.said.in_(language))}" for one in offer.reasons)
    yield from _meaning(offer, language)


def _meaning(offer: Offer, language: Language) -> Iterator[str]:
    """Tell how far an emergency reaches, how long it lasts, what it passes over, and what follows."""
    networks, span = ", ".join(map(show.safe, offer.networks)), show.span(offer.seconds)
    yield Words(OPENS.en.format(networks=networks, span=span.en), OPENS.ja.format(networks=networks, span=span.ja)).in_(
        language
    )
    yield PASSES_OVER.filled(checks=", ".join(map(show.safe, offer.overridable))).in_(language)
    yield IS_REVIEWED.in_(language)


def _agrees(language: Language) -> bool:
    """Ask once; anything but a yes is a no."""
    sys.stdout.write(f"{ASK.in_(language)} [y/N] ")
    sys.stdout.flush()
    try:
        return sys.stdin.readline().strip().casefold() in YES
    except (KeyboardInterrupt, UnicodeError):
        return False


NO_SUCH = Words("The policy knows no reason '{reason}'.", "「{reason}」という理由はポリシーにありません。")
CHOOSE = Words(
    "Say why, with 'sekisho emergency --reason CODE', where CODE is one of:",
    "「sekisho emergency --reason CODE」の形で、次のいずれかの理由を指定してください。",
)
OPENS = Words(
    "An emergency connection reaches only {networks}, and ends by itself after {span}.",
    "緊急接続で利用できるのは {networks} のみで、{span}後に自動的に終了します。",
)
PASSES_OVER = Words(
    "It is opened although these checks refuse, and for no other refusal: {checks}.",
    "次の検査で拒否されている場合に限り、それでも接続します: {checks}。",
)
IS_REVIEWED = Words(
    "It is recorded with your reason, and the hospital reviews it afterwards.",
    "理由とともに記録され、後日、病院が確認します。",
)
ASK = Words("Open it now?", "接続しますか?")
LEFT = Words("Nothing was opened.", "接続していません。")

# Our choice.
YES = ("y", "yes")
