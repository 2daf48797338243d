"""What will refuse this computer, as lines for people. Pure: it prints nothing and asks nothing.

It claims what was seen and what follows if nothing changes; that a connection will succeed it never says.
"""

from collections.abc import Iterator, Mapping

from agent.cli import phrases, show
from agent.cli.instants import local
from agent.control.messages import Coming, Readiness
from agent.words import Language, Words


def lines(told: Readiness, language: Language) -> Iterator[str]:
    """Tell everything that comes, and first whether any of it refuses within a day."""
    summary = READY if told.ready else NOT_READY
    yield summary.filled(when=_when(told.at), serial=str(told.policy_serial)).in_(language)
    if told.problem is not None:
        yield from show.reason(told.problem, language)
    for coming in told.coming:
        yield from _lines(coming, language)


def _lines(coming: Coming, language: Language) -> Iterator[str]:
    who = phrases.WHO.get(coming.who, Words(coming.who, coming.who)).in_(language)
    yield f"[{MARKS[coming.when]}] {show.safe(coming.code)}: {_headline(coming).in_(language)}"
    yield f"    {show.safe(coming.seen.in_(language))}"
    yield f"    {phrases.WHAT_TO_DO.in_(language)}: {show.safe(coming.remedy.in_(language))}"
    yield f"    {phrases.WHO_ACTS.in_(language)}: {show.safe(who)}"


def _headline(coming: Coming) -> Words:
    if coming.when == "now":
        return REFUSES_NOW
    if coming.at is None:
        return NOTICE
    return (NOTICE_FROM if coming.when == "notice" else REFUSES_FROM).filled(when=_when(coming.at))


def _when(at: str) -> str:
    return local(at).strftime("%Y-%m-%d %H:%M")


MARKS: Mapping[str, str] = {"now": "x", "soon": "!", "later": "!", "notice": "i"}
READY = Words(
    "Nothing was seen at {when} that will refuse this computer within 24 hours (policy serial {serial}).",
    "{when}の時点で、24時間以内に接続を拒否される原因は見つかりませんでした(ポリシー通し番号 {serial})。",
)
NOT_READY = Words(
    "This computer is refused now or will be within 24 hours, as seen at {when} (policy serial {serial}).",
    "{when}の時点で、接続を拒否される原因、または24時間以内に拒否される原因があります(ポリシー通し番号 {serial})。",
)
REFUSES_NOW = Words("refuses now", "いま接続を拒否")
REFUSES_FROM = Words("will refuse from {when}", "{when}以降は接続を拒否")
NOTICE = Words("good to know", "お知らせ")
NOTICE_FROM = Words("will be a warning from {when}", "{when}以降は注意の対象")
