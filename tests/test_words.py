"""Sentences for people: what comes from outside can neither hide nor steer the screen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.words import HIDDEN_CATEGORIES, LONGEST_QUOTE, Words, quote


@given(st.text(alphabet=st.characters(), max_size=400))
def test_nothing_quoted_holds_a_character_that_hides_or_steers(text: str):
    shown = quote(text)
    assert not {unicodedata.category(character) for character in shown} & HIDDEN_CATEGORIES


@given(st.text(alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=40))
def test_every_hidden_character_is_escaped(text: str):
    assert quote(text).isprintable()


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), max_size=LONGEST_QUOTE))
def test_ordinary_text_is_quoted_as_it_is(text: str):
    assert quote(text) == text


def test_a_long_text_is_cut_and_says_so():
    shown = quote("x" * 10_000)
    assert len(shown) == LONGEST_QUOTE
    assert shown.endswith("…")


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("Cafe\x1b[2J", "Cafe\\u001b[2J"),
        ("a\r\nb", "a\\u000d\\u000ab"),
        ("exe.\u202egnp", "exe.\\u202egnp"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\udcff", "\\udcff"),
    ],
)
def test_known_tricks_are_shown_as_escapes(hostile: str, shown: str):
    assert quote(hostile) == shown


def test_a_sentence_is_given_in_the_language_asked_for():
    words = Words("Hello", "こんにちは")
    assert (words.in_("en"), words.in_("ja")) == ("Hello", "こんにちは")


def test_values_fill_both_languages_and_are_never_read_as_templates():
    assert Words("Wi-Fi {name}", "無線{name}").filled(name="{x}{0}") == Words("Wi-Fi {x}{0}", "無線{x}{0}")
