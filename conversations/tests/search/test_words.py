"""Which texts a word finds."""

from __future__ import annotations

import unicodedata

import pytest
from django.test import Client

from accounts.models import User
from conversations.tests.rest import error_of
from conversations.tests.search.searches import found_texts, marked, say_alone, search_for

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "q"),
    [
        ("지난주에 데이터베이스검색기능을 만들었다", "검색"),
        ("형태소", "형"),
        ("오늘 vLLM으로 추론했다", "vllm으로"),
        ("GPU가 두 장 있다", "u가"),
        ("서울특별시 강남구", "특별시"),
        ("call foo_bar(x) here", "foo_bar("),
        ("ptr->next", "->"),
        ("use std::vector<int>", "std::"),
        ("the reindexing job", "index"),
        ("MixedCase Text", "mixedcase"),
        ("a b", "b"),
        ("good 🎉🎊 news", "🎊"),
        ("100% sure", "0%"),
        ("under_score", "_s"),
        ('it\'s "quoted"', "it's"),
        ('print("x")', 'print("x")'),
        ("back\\slash", "k\\s"),
        ("a*b AND c NEAR d", "a*b near"),
        ("ΟΔΟΣ", "οδος"),
        ("İstanbul", "stanbul"),
        ("naïve", "NAÏVE"),
        ("tab\tand\nline", "line tab"),
        ("a#b 1#c", "1#c"),
        ("wide\u3000space", "wide space"),
    ],
)
def test_text_is_found_by_part_of_it(api: Client, mina: User, text: str, q: str) -> None:
    say_alone(mina, "nothing alike")
    message = say_alone(mina, text)

    (hit,) = search_for(api, q)["data"]

    assert hit["message_id"] == str(message.pk)


@pytest.mark.parametrize(
    "q",
    ["%", "_____", "' OR 1=1 --", '"a" OR "b"', "NOT", "*", "''':*", "a:*", "&|!", "\\", "\x7f", "#", "{0}"],
)
def test_syntax_of_databases_means_nothing(api: Client, mina: User, q: str) -> None:
    say_alone(mina, "plain text")

    assert found_texts(api, q) == []


def test_all_words_have_to_be_in_one_message(api: Client, mina: User) -> None:
    say_alone(mina, "apples and pears")
    say_alone(mina, "apples and plums")

    assert found_texts(api, "pear apple") == ["apples and pears"]


def test_phrase_in_quotes_stands_as_it_is(api: Client, mina: User) -> None:
    say_alone(mina, "the red\nhouse")
    say_alone(mina, "the house is red")

    assert found_texts(api, '"red house"') == ["the red house"]


def test_decomposed_text_is_found_by_composed_words_and_the_other_way_round(api: Client, mina: User) -> None:
    say_alone(mina, unicodedata.normalize("NFD", "데이터베이스"))
    say_alone(mina, "메타데이터")

    for form in ("NFC", "NFD"):
        hits = search_for(api, unicodedata.normalize(form, "데이터"))["data"]
        assert [marked(hit) for hit in hits] == [["데이터"], ["데이터"]]


def test_snippet_is_around_the_first_match(api: Client, mina: User) -> None:
    say_alone(mina, "lorem " * 200 + "<b>needle</b> & Needle " + "ipsum " * 200)

    (hit,) = search_for(api, "needle")["data"]

    assert marked(hit) == ["needle", "Needle"]
    assert len(hit["snippet"]["text"]) == 200
    assert "<b>needle</b> & Needle" in hit["snippet"]["text"]


def test_whole_words_come_before_parts_of_words(api: Client, mina: User) -> None:
    for text in ("cat", "cats", "concatenate"):
        say_alone(mina, text)

    assert found_texts(api, "cat") == ["cat", "cats", "concatenate"]


def test_text_with_more_terms_than_an_entry_holds_is_found(api: Client, mina: User) -> None:
    say_alone(mina, " ".join(f"{n:x}" for n in range(100_000)) + " 마지막말")

    (hit,) = search_for(api, "막말")["data"]

    assert marked(hit) == ["막말"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({}, "q"),
        ({"q": "  "}, "q"),
        ({"q": "a" * 201}, "q"),
        ({"q": "a b c d e f g h i j k"}, "q"),
        ({"q": "a", "after": "x1"}, "after"),
        ({"q": "a", "after": "m-1"}, "after"),
        ({"q": "a", "limit": 101}, "limit"),
        ({"q": "a", "role": "robot"}, "role"),
        ({"q": "a", "from": "yesterday"}, "from"),
        ({"q": "a", "from": "2026-02-01", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"q": "a", "sort": "date"}, "sort"),
    ],
    ids=str,
)
def test_bad_search_is_refused_with_the_name_of_the_field(
    api: Client, query: dict[str, str], param: str
) -> None:
    response = api.get("/api/conversations/search", query)

    assert error_of(response) == (400, "invalid_request", param)
