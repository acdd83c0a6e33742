"""Korean pages of the documentation say what their English sisters say: `NAME.ko.md` beside `NAME.md`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from gateway.conf import BASE_DIR

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^()\s]+)\)|<(https?://[^<>\s]+)>")
COMMENT = re.compile(r"(^|\s+)#\s.*$", re.MULTILINE)
HANGUL = re.compile(r"[가-힣]")
KOREAN_PAGES = sorted([*BASE_DIR.glob("*.ko.md"), *(BASE_DIR / "docs").rglob("*.ko.md")])


def english_of(page: Path) -> Path:
    return page.with_name(page.name.replace(".ko.md", ".md"))


def read_headings(text: str) -> list[str]:
    """Levels alone: what they say is translated."""
    return re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)


def read_commands(text: str) -> list[tuple[str, str]]:
    """What is typed; comments and what programs print are translated."""
    return [(language, COMMENT.sub("", code)) for language, code in FENCE.findall(text) if language]


def read_links(text: str) -> Counter[str]:
    """Whither, whatever the language. Where a heading is translated, its anchor is: the site checks those."""
    found = (a or b for a, b in LINK.findall(FENCE.sub("", text)))
    return Counter(re.sub(r"(?<=\.ko\.md)#.*|(?<=README\.md)#.*|^#.*", "", target) for target in found)


def read_inline_code(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", FENCE.sub("", text)))


def read_blocks(text: str) -> list[str]:
    """Paragraphs, list items and rows of tables that hold words."""
    prose = re.sub(r"`[^`]*`|\]\([^)]*\)|<[^>]*>", "", FENCE.sub("", text))
    blocks = re.split(r"\n\n+|\n(?=[-|] ?)|\n(?=\d+\. )", prose)
    return [block for block in blocks if re.search(r"[A-Za-z가-힣]{2}", block)]


def test_readme_and_installation_are_there_in_korean() -> None:
    names = {str(page.relative_to(BASE_DIR)) for page in KOREAN_PAGES}

    assert {"README.ko.md", "docs/install.ko.md"} <= names


@pytest.mark.parametrize("page", KOREAN_PAGES, ids=lambda page: page.name)
def test_korean_page_has_the_headings_commands_and_links_of_the_english_one(page: Path) -> None:
    korean, english = page.read_text(), english_of(page).read_text()
    to_english = re.compile(r"\b([\w.-]+)\.ko\.md")
    korean_links = Counter[str]()
    for target, count in read_links(korean).items():
        korean_links[to_english.sub(r"\1.md", target)] += count
    english_links = Counter[str]()
    for target, count in read_links(english).items():
        english_links[to_english.sub(r"\1.md", target)] += count

    assert read_headings(korean) == read_headings(english)
    assert read_commands(korean) == read_commands(english)
    assert korean_links == english_links
    assert read_inline_code(korean) == read_inline_code(english)
    assert len(read_blocks(korean)) == len(read_blocks(english))


@pytest.mark.parametrize("page", KOREAN_PAGES, ids=lambda page: page.name)
def test_korean_page_leaves_nothing_in_english(page: Path) -> None:
    untranslated = [
        block
        for block in read_blocks(page.read_text())
        if not HANGUL.search(block) and len(re.findall(r"\b[a-z]{2,}\b", block)) > 3
    ]

    assert untranslated == []


@pytest.mark.parametrize("page", KOREAN_PAGES, ids=lambda page: page.name)
def test_each_leads_to_the_other(page: Path) -> None:
    english = english_of(page)

    assert f"[한국어]({page.name})" in english.read_text()
    assert f"[English]({english.name})" in page.read_text()


@pytest.mark.parametrize("page", KOREAN_PAGES, ids=lambda page: page.name)
def test_sentences_are_polite(page: Path) -> None:
    endings = re.findall(r"([가-힣]+)[.?](?=\s|$)", FENCE.sub("", page.read_text()))

    assert [ending for ending in endings if not re.search(r"(니다|세요|나요)$", ending)] == []
