"""Texts whose values are kept apart, and their way through the database into the reader's language."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.template import Context, Template
from django.utils.html import format_html
from django.utils.translation import gettext, override

from gateway.columns import measure_columns, pad
from gateway.database.texts import TEXTS, keep_texts, restore_texts
from gateway.wording import FilledText, end_sentence, fill_in, fill_text, join_texts, say, say_all

WORDS: Mapping[str, str] = {
    "{model} serves": "{model} 모델이 제공됩니다",
    "one card": "GPU 1개",
    "{model} serves on {card}": "{card}에서 {model} 모델이 제공됩니다",
}


def to_korean(text: str) -> str:
    return WORDS.get(text, text)


def serves(model: str) -> FilledText:
    return fill_text("{model} serves", {"model": model})


def serves_on_a_card(model: str) -> FilledText:
    return fill_text("{model} serves on {card}", {"model": model, "card": fill_text("one card", {})})


def test_text_is_english_as_a_string_and_translated_when_it_is_said() -> None:
    text = serves("qwen")

    assert text == "qwen serves"
    assert say(text, to_korean) == "qwen 모델이 제공됩니다"


def test_joined_texts_are_translated_one_by_one() -> None:
    joined = join_texts("; ", [serves("qwen"), serves("exaone")])

    assert joined == "qwen serves; exaone serves"
    assert say(joined, to_korean) == "qwen 모델이 제공됩니다; exaone 모델이 제공됩니다"


def test_fragment_becomes_a_sentence_in_each_language() -> None:
    sentence = end_sentence(fill_in("one card"))

    assert sentence == "One card."
    assert say(sentence, to_korean) == "GPU 1개."
    assert end_sentence(fill_in("Is it?")) == "Is it?"


def test_texts_anywhere_in_plain_values_are_said_and_names_are_left_alone() -> None:
    content = {"model": "one card", "reasons": [serves("qwen")], "plan": {"why": serves_on_a_card("qwen")}}

    said = say_all(content, to_korean)

    assert said == {
        "model": "one card",
        "reasons": ["qwen 모델이 제공됩니다"],
        "plan": {"why": "GPU 1개에서 qwen 모델이 제공됩니다"},
    }
    assert type(say_all(content)["reasons"][0]) is str


def test_kept_texts_come_back_from_json_with_their_templates() -> None:
    document = {"code": "x", "reasons": [serves("qwen")], "plan": {"why": serves_on_a_card("qwen {1}")}}

    stored = json.loads(json.dumps(keep_texts(document)))
    restored = restore_texts(copy.deepcopy(stored))

    assert stored["reasons"] == ["qwen serves"]
    assert TEXTS not in restored
    assert restored == document
    assert say_all(restored, to_korean)["plan"] == {"why": "GPU 1개에서 qwen {1} 모델이 제공됩니다"}


@pytest.mark.parametrize("stored", [None, [], {}, {"message": "It failed."}, {"texts": "of an old version"}])
def test_documents_without_templates_stay_as_they_were_stored(stored: Any) -> None:
    assert restore_texts(copy.deepcopy(stored)) == stored
    assert keep_texts(stored) == stored


def test_pages_show_texts_in_the_reader_s_language_and_escaped() -> None:
    text = fill_in("The model `{model}` is not served.", model="<b>")

    with override("ko"):
        shown = Template("{{ text }}").render(Context({"text": text}))
        formatted = format_html("<p>{}</p>", text)

    assert shown == "`&lt;b&gt;` 모델은 제공하지 않습니다."
    assert formatted == f"<p>{shown}</p>"


def test_copies_keep_their_templates() -> None:
    assert say(copy.deepcopy(serves("qwen")), to_korean) == "qwen 모델이 제공됩니다"


def test_values_of_other_kinds_are_kept_as_text() -> None:
    text = fill_in("{error} came", error=ValueError("odd"))

    assert text.values == {"error": "odd"}


def test_korean_letters_take_two_columns() -> None:
    assert measure_columns("GPU 메모리") == 10
    assert pad("메모리", 8) == "메모리  "
    assert pad("메모리", -8) == "  메모리"


def test_every_language_says_it_is_english_where_nothing_is_known() -> None:
    with override("ko"):
        assert say(fill_in("No such text {x}", x=1), gettext) == "No such text 1"
