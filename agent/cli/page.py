"""A report as one page of HTML in both languages: no script, nothing fetched, everything from outside escaped.

It writes no file. Its policy for the browser allows its own style sheet, by digest, and nothing else.
"""

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from agent.cli import findings, phrases, show
from agent.control.messages import Checked, Reason, Report
from agent.words import Language, Words


def page(report: Report, language: Language) -> str:
    """Write the page, this language first."""
    told = _Told(language)
    return PAGE.format(
        language=language,
        policy=f"default-src 'none'; style-src '{_digest(STYLE)}'; base-uri 'none'; form-action 'none'",
        title=escape(findings.headline(report).in_(language)),
        style=STYLE,
        body=told.body(report),
    )


class _Told:
    """Pieces of the page; every text passes `safe`, for terminals and editors, and `escape`, for the browser."""

    def __init__(self, language: Language) -> None:
        self._languages: tuple[Language, Language] = ("ja", "en") if language == "ja" else ("en", "ja")

    def body(self, report: Report) -> str:
        """Write all that is shown."""
        stands = "pass" if report.allowed else "fail"
        problem = "" if report.problem is None else self._problem(report.problem)
        return "\n".join(
            (
                f"<h1>{self._both(findings.headline(report), 'span')}</h1>",
                f'<div class="conclusion {stands}">{self._both(findings.conclusion(report))}</div>',
                problem,
                self._table(report),
                f"<footer>{self._both(findings.GRADES)}{self._both(CLAIM)}{self._both(CARE)}</footer>",
            )
        )

    def _problem(self, problem: Reason) -> str:
        return (
            f"<section><h2>{self._both(phrases.MARKS['problem'], 'span')} <code>{_text(problem.code)}</code></h2>"
            f"{self._both(problem.seen)}{self._both(problem.remedy)}</section>"
        )

    def _table(self, report: Report) -> str:
        heads = "".join(f'<th scope="col">{self._both(head, "span")}</th>' for head in HEADS)
        rows = "\n".join(self._row(report, finding) for finding in report.findings)
        return (
            f"<table>\n<caption>{self._both(CAPTION, 'span')}</caption>\n"
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
        )

    def _row(self, report: Report, finding: Checked) -> str:
        cells = (self._result(finding), self._both(finding.seen), self._to_do(finding))
        looked = self._both(findings.how(report, finding))
        return f'<tr><th scope="row"><code>{_text(finding.code)}</code></th>{_cells(cells)}<td>{looked}</td></tr>'

    def _result(self, finding: Checked) -> str:
        sign, stands = findings.mark(finding), findings.until(finding)
        told = self._both(findings.result(finding)) + ("" if stands is None else self._both(stands))
        return f'<div class="{finding.outcome}"><span class="mark" aria-hidden="true">{sign}</span>{told}</div>'

    def _to_do(self, finding: Checked) -> str:
        if not findings.needs_remedy(finding):
            return self._both(NOTHING)
        who = findings.who(finding)
        acts = Words(f"{phrases.WHO_ACTS.en}: {who.en}", f"{phrases.WHO_ACTS.ja}: {who.ja}")
        return self._both(finding.remedy) + self._both(acts)

    def _both(self, words: Words, tag: str = "p") -> str:
        first, second = self._languages
        return (
            f'<{tag} lang="{first}">{_text(words.in_(first))}</{tag}> '
            f'<{tag} lang="{second}" class="second">{_text(words.in_(second))}</{tag}>'
        )


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _text(text: str) -> str:
    return escape(show.safe(text))


def _digest(style: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


PAGE = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
STYLE = """
:root { color-scheme: light dark; --line: #767676; --pass: #0b5d1e; --fail: #a3000b; --unknown: #6b4e00; }
@media (prefers-color-scheme: dark) { :root { --line: #8c8c8c; --pass: #7bd88f; --fail: #ff9a9a; --unknown: #f0c674; } }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
h1 span, h2 span, caption span { display: block; }
p { margin: 0 0 .3rem; overflow-wrap: anywhere; }
.second { font-size: .85em; }
.conclusion { border: 2px solid currentColor; padding: .5rem 1rem; margin-bottom: 1rem; font-weight: bold; }
.pass { color: var(--pass); } .fail { color: var(--fail); } .unknown { color: var(--unknown); }
.mark { float: left; width: 1.5em; font: bold 1em monospace; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
th, td { border: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
thead th span { display: block; font-weight: bold; }
footer { margin-top: 1rem; font-size: .9em; }
@media print {
  :root { color-scheme: light; --line: #000; --pass: #000; --fail: #000; --unknown: #000; }
  body { margin: 0; font-size: 9pt; max-width: none; }
  tr { break-inside: avoid; }
  @page { size: A4 landscape; margin: 12mm; }
}
"""
CAPTION = Words("Check by check", "検査項目ごとの結果")
HEADS = (
    Words("Check", "検査項目"),
    Words("Result", "結果"),
    Words("What was seen", "確認内容"),
    Words("What to do", "対処"),
    Words("How it was seen", "確認方法"),
)
NOTHING = Words("Nothing needs to be done.", "対応は不要です。")
CLAIM = Words(
    "This tells what was seen at these times, and claims nothing of what was not looked at.",
    "記載の時刻に確認できた事実のみを示すもので、確認していない事柄については何も保証しません。",
)
CARE = Words(
    "It names programs and Wi-Fi networks: whoever is given this page can read them.",
    "プログラム名やWi-Fi名が含まれています。このページを渡した相手はそれらを読むことができます。",
)
