"""What a search shows of an answer: its words without the marks of Markdown, the matches in their places."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from conversations.search.markup import leave_out_marks
from conversations.tests.search.searches import marked, say_alone, search_for


def reduce(text: str, word: str = "") -> str:
    """The reduced text, with the matches of a word in angle brackets."""
    matches = [found.span() for found in re.finditer(re.escape(word), text)] if word else []
    shown, places = leave_out_marks(text, matches, longest=1000)
    for start, end in reversed(places):
        shown = f"{shown[:start]}<{shown[start:end]}>{shown[end:]}"
    return shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("## Cooling\n\nUse **two** fans.", "Cooling Use two fans."),
        ("- one\n* two\n+ three\n1. four", "one two three 1. four"),
        ("> said *before*", "said before"),
        ("Call `run()` ~~now~~ __later__.", "Call run() now later."),
        ("```python\nprint(1)\n```\nDone", "print(1) Done"),
        ("See [the docs](https://example.com/a) ![a cat](cat.png)!", "See the docs a cat!"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a b 1 2"),
        ("above\n\n---\n\nbelow", "above below"),
        ("2 * 3 = 6, snake_case, a[i](x)", "2 * 3 = 6, snake_case, ai"),
        ("f(**kwargs) and a ** b", "f(kwargs) and a ** b"),
        ("C# and #1, a > b, x - y", "C# and #1, a > b, x - y"),
        ("**한국어** 문장과 *강조*입니다", "한국어 문장과 강조입니다"),
        ("", ""),
    ],
)
def test_marks_are_left_out_and_words_stay(text: str, shown: str) -> None:
    assert reduce(text) == shown


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        ("# The **needle** here", "needle", "The <needle> here"),
        ("a **pointer** `p->next`", "p->next", "a pointer <p->next>"),
        ("use **kwargs** well", "**kwargs", "use <**kwargs> well"),
        ("[docs](https://needle.org)", "needle", "docs](https://<needle>.org)"),
        ("one\n\n\n- two  words", "two  words", "one <two  words>"),
        ("🎉 **축하** 🎉 축하", "축하", "🎉 <축하> 🎉 <축하>"),
    ],
)
def test_matches_are_marked_where_they_are_now(text: str, word: str, shown: str) -> None:
    assert reduce(text, word) == shown


@given(st.text(alphabet="ab한 *_`#>|[]()-~\n!.", max_size=80), st.data())
def test_match_is_what_was_searched_whatever_stands_around_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    matches = [(start, end)] if end > start else []

    shown, places = leave_out_marks(text, matches, longest=1000)

    found = [shown[start:end] for start, end in places]
    assert found == [re.sub(r"\s", " ", text[start:end]) for start, end in matches]


def test_text_is_cut_after_the_marks_are_gone() -> None:
    shown, places = leave_out_marks("**ab** cd ef", [(10, 12)], longest=5)

    assert (shown, places) == ("ab cd", [])


@pytest.mark.django_db
def test_answers_are_shown_without_marks_and_questions_as_they_were_written(api: Client, mina: User) -> None:
    say_alone(mina, "## Cooling\n\n- the **needle** turns\n", role="assistant")
    say_alone(mina, "What does **needle** mean?")

    hits = search_for(api, "needle")["data"]

    assert {hit["role"]: hit["snippet"]["text"] for hit in hits} == {
        "assistant": "Cooling the needle turns",
        "user": "What does **needle** mean?",
    }
    assert [marked(hit) for hit in hits] == [["needle"], ["needle"]]
