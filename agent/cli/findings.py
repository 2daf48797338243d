"""A report as lines for people, and the words that its page shares. Pure: it prints nothing and asks nothing.

It claims what was seen, when and how; that a computer is safe it never says.
"""

from collections.abc import Iterator, Mapping

from agent.cli import phrases, show
from agent.cli.instants import local
from agent.control.messages import Checked, Report
from agent.words import Language, Words


def lines(report: Report, language: Language) -> Iterator[str]:
    """Tell a report, check by check, and whether a connection would be let through."""
    yield headline(report).in_(language)
    if report.problem is not None:
        yield from show.reason(report.problem, language)
    for finding in report.findings:
        yield from _lines(report, finding, language)
    if report.findings:
        yield GRADES.in_(language)
    yield conclusion(report).in_(language)


def headline(report: Report) -> Words:
    """Tell what this is, when it was seen, and by which policy it was judged."""
    when = local(report.at).isoformat(" ", "minutes")
    return HEADLINE.filled(when=when, serial=str(report.policy_serial))


def conclusion(report: Report) -> Words:
    """Tell whether a connection would be let through now."""
    return ALLOWED if report.allowed else REFUSED


def mark(finding: Checked) -> str:
    """Give one character for an outcome; never shown without its words."""
    if finding.outcome == "fail" and (finding.response != "refuse" or finding.shadow):
        return "!"
    return MARKS[finding.outcome]


def result(finding: Checked) -> Words:
    """Tell the outcome, and what the policy does about one that is no pass."""
    outcome, response = OUTCOMES[finding.outcome], (SHADOW if finding.shadow else RESPONSES)[finding.response]
    if finding.outcome == "pass":
        return outcome
    return Words(f"{outcome.en} - {response.en}", f"{outcome.ja} - {response.ja}")


def needs_remedy(finding: Checked) -> bool:
    """Tell whether anybody has to do anything."""
    return finding.outcome != "pass" and finding.response != "off" and not finding.shadow


def how(report: Report, finding: Checked) -> Words:
    """Tell when it was looked at, how, and how far that can be believed."""
    when = local(report.at, finding.age).strftime("%H:%M:%S")
    if finding.grade is None:
        return TRIED.filled(when=when)
    return LOOKED.filled(when=when, method=show.safe(finding.method), grade=finding.grade)


def until(finding: Checked) -> Words | None:
    """Tell until when an answer stands, where that is known."""
    if finding.until is None:
        return None
    said = HOLDS_UNTIL if finding.outcome == "pass" else SPARED_UNTIL
    return said.filled(when=local(finding.until).strftime("%Y-%m-%d %H:%M"))


def who(finding: Checked) -> Words:
    """Tell whose move it is."""
    return phrases.WHO.get(finding.who, Words(finding.who, finding.who))


def _lines(report: Report, finding: Checked, language: Language) -> Iterator[str]:
    """Tell one finding: the outcome on the first line, then what was seen, what to do and how it was seen."""
    yield f"[{mark(finding)}] {show.safe(finding.code)}: {result(finding).in_(language)}"
    yield f"    {show.safe(finding.seen.in_(language))}"
    if needs_remedy(finding):
        yield f"    {phrases.WHAT_TO_DO.in_(language)}: {show.safe(finding.remedy.in_(language))}"
        yield f"    {phrases.WHO_ACTS.in_(language)}: {show.safe(who(finding).in_(language))}"
    stands = until(finding)
    if stands is not None:
        yield f"    {stands.in_(language)}"
    yield f"    {how(report, finding).in_(language)}"


HEADLINE = Words(
    "What was seen of this computer at {when} (policy serial {serial})",
    "このパソコンの検査結果 {when}(ポリシー通し番号 {serial})",
)
ALLOWED = Words(
    "Meets the policy: a connection would be let through now.",
    "ポリシーを満たしています。いま接続すると許可されます。",
)
REFUSED = Words("A connection would be refused now.", "いま接続すると拒否されます。")
MARKS: Mapping[str, str] = {"pass": "+", "fail": "x", "unknown": "?"}
OUTCOMES: Mapping[str, Words] = {
    "pass": Words("meets the policy", "ポリシーを満たす"),
    "fail": Words("does not meet the policy", "ポリシーを満たさない"),
    "unknown": Words("could not be seen", "確認不能"),
}
RESPONSES: Mapping[str, Words] = {
    "refuse": Words("refused", "接続拒否"),
    "warn": Words("warning only", "注意のみ"),
    "off": Words("without effect", "影響なし"),
}
SHADOW: Mapping[str, Words] = {
    "refuse": Words("only recorded, would be refused", "記録のみ(本来は接続拒否)"),
    "warn": Words("only recorded, would be a warning", "記録のみ(本来は注意)"),
    "off": RESPONSES["off"],
}
LOOKED = Words("Seen at {when} by {method}, grade {grade}", "{when}に確認({method}、確度{grade})")
TRIED = Words("Looked for in vain at {when}", "{when}に確認を試みましたが、結果を得られませんでした")
HOLDS_UNTIL = Words("Holds until {when}", "{when}まで有効")
SPARED_UNTIL = Words("Only a warning until {when}", "{when}までは注意のみ")
GRADES = Words(
    "Grades: A attested by hardware, B observed by the service, C observed in the session or inferred.",
    "確度: A ハードウェアによる証明、B サービスによる観測、C 利用者の環境での観測または推定",
)
