"""The catalogue of problems: complete in both languages, stable codes, never an error of its own."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.problems import CATALOGUE, problem
from agent.words import HIDDEN_CATEGORIES

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_problem_says_its_cause_and_the_next_step_in_both_languages(code: str):
    met = problem(code)
    for words in (met.cause, met.step):
        assert words.en.endswith((".", "!"))
        assert words.ja.endswith("。")
        assert JAPANESE.search(words.ja)
        assert not JAPANESE.search(words.en)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_sentence_carries_its_code(code: str):
    sentence = problem(code).sentence
    assert sentence.en.endswith(f"({code})")
    assert sentence.ja.endswith(f"({code})")


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_codes_are_words_joined_by_dots(code: str):
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", code)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_code_and_any_detail_give_a_problem_that_hides_nothing(code: str, detail: str):
    met = problem(code, detail)
    assert not {unicodedata.category(character) for character in met.detail} & HIDDEN_CATEGORIES
    assert met.sentence.en


def test_an_unknown_code_is_told_as_an_internal_problem():
    assert problem("no.such.code").cause == problem("internal").cause
