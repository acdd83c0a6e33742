"""Titles are found in whatever models answer."""

from __future__ import annotations

import unicodedata

import hypothesis
import pytest
from hypothesis import strategies as st

from chat.title_text import ask_for_title, clean_title, first_question
from modelops.simulator.replies import compose_reply


@pytest.mark.parametrize(
    ("answered", "title"),
    [
        ("Baking bread at home", "Baking bread at home"),
        ("  Baking\tbread \n\nI chose this because", "Baking bread"),
        ('"Baking bread."', "Baking bread"),
        ("“빵 굽기”", "빵 굽기"),
        ("「パンを焼く」", "パンを焼く"),
        ("Title: Baking bread", "Baking bread"),
        ("**Title:** Baking bread", "Baking bread"),
        ("# **Baking bread**", "Baking bread"),
        ("제목: 집에서 빵 굽기", "집에서 빵 굽기"),
        ("标题：烤面包", "烤面包"),
        ("Title:\nBaking bread", "Baking bread"),
        ("Here is a title:\n'Baking bread'", "Baking bread"),
        ("<think>They want\na title</think>\n\nBaking bread", "Baking bread"),
        ("They want a title</think>Baking bread", "Baking bread"),
        ("Baking bread<think>or not", "Baking bread"),
        ('What does "crumb" mean?', 'What does "crumb" mean?'),
        ("And then...", "And then..."),
        ("a\0b\x1b[31mc\u202ed", "a b [31mcd"),
        ("half \ud83d of a character", "half of a character"),
        ("👩\u200d🍳 bread", "👩\u200d🍳 bread"),
        ("word " * 30, " ".join(["word"] * 16) + "…"),
        ("가" * 100, "가" * 79 + "…"),
        ("x" * 80, "x" * 80),
        ("<think>They want a title", ""),
        ("", ""),
        ('""', ""),
        ("🍞…", ""),
        ("Title:", ""),
    ],
)
def test_title_is_the_first_line_without_what_is_around_it(answered: str, title: str) -> None:
    assert clean_title(answered) == title


@hypothesis.example("0 .")
@hypothesis.settings(max_examples=50)
@hypothesis.given(st.text(st.characters(), max_size=200))
def test_every_title_can_be_stored_and_shown_in_a_line(answered: str) -> None:
    title = clean_title(answered)

    assert len(title) <= 80
    assert title.encode().decode() == title == title.strip()
    assert not any(unicodedata.category(character) == "Cc" for character in title)


def test_request_holds_the_beginning_of_the_exchange() -> None:
    request = ask_for_title("q" * 5000, "a" * 5000)

    assert len(request) < 2400
    assert "q" * 1000 + "…\n" in request and "a" * 1000 + "…\n" in request


def test_question_is_the_users_first_text() -> None:
    parts = [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "What is this?"}]

    assert first_question([{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]) == "q"
    assert first_question([{"role": "user", "content": parts}]).strip() == "What is this?"
    assert first_question([]) == ""


def test_simulated_engine_answers_with_a_title() -> None:
    request = ask_for_title("how do I bake vLLM bread with rye at home?", "This is a simulated reply.")

    reply = compose_reply(prompt=request, user_text=request, seed=None)

    assert clean_title(reply.content) == "How do I bake vLLM bread"
