"""Sentences for people, in Japanese and English; knows no rule and no state.

Text that came from outside (an SSID, a program's name, a certificate's subject) enters a
sentence only through `quote`, so that no control character or bidi mark reaches a screen.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "ja"]


@dataclass(frozen=True, slots=True)
class Words:
    """One thing to say, in every language that Sekisho speaks."""

    en: str
    ja: str

    def in_(self, language: Language) -> str:
        """Give the sentence in one language."""
        return self.ja if language == "ja" else self.en

    def filled(self, **values: str) -> "Words":
        """Put already quoted values into the `{name}` places of both sentences."""
        return Words(self.en.format(**values), self.ja.format(**values))


def language_of(environment: Mapping[str, str]) -> Language:
    """Choose a language as programs do: the first of three variables that is set decides (locale(7))."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name):
            return "ja" if value.startswith("ja") else "en"
    return "en"


def quote(text: str) -> str:
    """Make text from outside harmless to print: escaped, and cut at `LONGEST_QUOTE` characters."""
    shown = "".join(_visible(character) for character in text[: LONGEST_QUOTE + 1])
    return shown if len(text) <= LONGEST_QUOTE else shown[: LONGEST_QUOTE - 1] + "…"


def _visible(character: str) -> str:
    if unicodedata.category(character) in HIDDEN_CATEGORIES:
        return f"\\u{ord(character):04x}"
    return character


# Our choices.
LONGEST_QUOTE = 200
HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
