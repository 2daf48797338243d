"""The page of a report: whatever the names in it say, it runs nothing, fetches nothing and stays readable."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli.page import STYLE, page
from agent.words import Words
from tests.test_cli_report import BAD, CLEAN, LOST, PROGRAMS, UNSEEN

HOSTILE = "<script>alert(1)</script><img src=x onerror=\"alert('2')\">\u202e</td></table>{}&amp;"
TAGS = {"html", "head", "meta", "title", "style", "body", "footer"} | {
    *("h1", "h2", "div", "section", "p", "span", "code"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}


class Reader(HTMLParser):
    """Reads a page as a browser would, and keeps its elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "an element was not closed"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def with_text(text: str) -> str:
    words = Words(text, text)
    finding = replace(BAD.findings[1], code=text, seen=words, remedy=words, who=text, method=text)
    problem = replace(LOST, code=text, seen=words, remedy=words, who=text)
    return page(replace(BAD, findings=(finding, PROGRAMS), problem=problem), "en")


def shape(text: str) -> list[tuple[str, dict[str, str | None]]]:
    return Reader(with_text(text)).elements


def test_a_hostile_name_is_shown_and_is_nothing_but_text():
    written = with_text(HOSTILE)
    assert "<script" not in written
    assert "\u202e" not in written
    assert shape(HOSTILE) == shape("harmless")
    assert HOSTILE.replace("\u202e", "\\u202e") in Reader(written).text


@given(st.text())
def test_no_text_changes_the_pages_elements(text: str):
    assert shape(text) == shape("harmless")


def test_the_browser_is_told_to_run_and_fetch_nothing():
    read = Reader(page(BAD, "en"))
    policies = [meta["content"] for meta in read.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    style = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policies == [f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"]
    assert {tag for tag, _ in read.elements} <= TAGS
    used = {name for _, attributes in read.elements for name in attributes}
    assert used.isdisjoint({"src", "href", "style", "action", "srcset", "background"})
    assert not re.search(r"url\(|@import|https?:", page(BAD, "en"))


def test_the_style_sheet_stands_in_the_page_as_its_digest_says():
    found = re.search(r"<style>(.*?)</style>", page(CLEAN, "ja"), re.DOTALL)
    assert found is not None
    assert found.group(1) == STYLE
    for asked in ("prefers-color-scheme: dark", "@media print", "color-scheme: light dark"):
        assert asked in STYLE


@pytest.mark.parametrize("language", ["en", "ja"])
def test_both_languages_are_there_and_the_readers_comes_first(language: str):
    written = page(BAD, "ja" if language == "ja" else "en")
    read = Reader(written)
    assert read.all("html") == [{"lang": language}]
    for sentence in (BAD.findings[1].seen, BAD.findings[1].remedy):
        places = {"en": read.text.index(sentence.en), "ja": read.text.index(sentence.ja)}
        assert min(places, key=places.__getitem__) == language
    spoken = [attributes["lang"] for attributes in read.all("p")]
    assert spoken.count("en") == spoken.count("ja") == len(spoken) / 2


def test_the_table_has_headings_for_those_who_hear_it():
    read = Reader(page(BAD, "en"))
    scopes = [attributes.get("scope") for attributes in read.all("th")]
    assert scopes == ["col"] * 5 + ["row"] * len(BAD.findings)
    assert len(read.all("caption")) == 1


def test_an_outcome_is_told_in_words_and_by_a_mark_not_by_colour_alone():
    read = Reader(page(replace(BAD, findings=(PROGRAMS, BAD.findings[1], UNSEEN)), "en"))
    for told in ("meets the policy", "does not meet the policy - refused", "could not be seen - refused"):
        assert told in read.text
    assert "Looked for in vain at " in read.text


def test_the_page_says_that_it_names_programs_and_networks():
    assert "whoever is given this page can read them" in page(CLEAN, "en")
