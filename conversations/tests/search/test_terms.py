"""Pieces find at least what the texts have, and searches exactly that."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from conversations.models import Conversation, Message, MessageEntry, SearchBucket
from conversations.search.queries import SearchQuery, parse_words
from conversations.search.searching import search
from conversations.search.snippets import find_words
from conversations.search.terms import TOO_LONG, fold, make_terms, select_pieces
from conversations.tests.rest import add
from gateway.errors import InvalidRequest

LETTERS = "abABçÉ가각힣한글漢字かナ_->(:'\"#%*\\.\u0301ᄀ\u1161🎉İΣς \n\t\u3000"
texts = st.text(alphabet=LETTERS, max_size=40)
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(text=texts | anything, data=st.data())
def test_every_part_of_a_word_is_covered_by_the_terms_of_its_text(text: str, data: st.DataObject) -> None:
    words = fold(text).split()
    if not words:
        return
    word = data.draw(st.sampled_from(words))
    start = data.draw(st.integers(0, len(word) - 1))
    part = word[start : data.draw(st.integers(start + 1, len(word)))]

    pieces, beginning = select_pieces(part)

    terms = make_terms(text)
    assert set(pieces) <= terms
    assert any(term.startswith(beginning) for term in terms)
    assert pieces or beginning


@given(text=texts | anything)
def test_terms_are_single_words_to_every_parser(text: str) -> None:
    for term in make_terms(text):
        assert term.split() == [term]
        assert not {chr(code) for code in range(0x80) if not chr(code).isalnum()} & set(term)


@given(text=texts | anything)
def test_folding_keeps_the_places_of_characters(text: str) -> None:
    assert len(fold(text)) == len(unicodedata.normalize("NFC", text))
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("word", "pieces", "beginning"),
    [
        ("검색", [], "검색"),
        ("데이터베이스", ["데이터", "베이스"], ""),
        ("검색엔진이", ["검색엔", "엔진이"], ""),
        ("gpu", [], "gpu"),
        ("people", ["peop", "ople"], ""),
        ("aaaaaaaa", ["aaaa"], ""),
        ("gpu가", ["gpu가"], ""),
    ],
)
def test_long_words_are_several_pieces_and_short_ones_the_beginning_of_one(
    word: str, pieces: list[str], beginning: str
) -> None:
    assert select_pieces(word) == (pieces, beginning)


def test_text_with_too_many_terms_has_one_that_says_so() -> None:
    assert make_terms(" ".join(f"{n:x}" for n in range(100_000))) == {TOO_LONG}


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(corpus=st.lists(texts, min_size=1, max_size=12), data=st.data(), limit=st.integers(1, 5))
def test_search_finds_what_reading_every_text_would_find(
    mina: User, monkeypatch: pytest.MonkeyPatch, corpus: list[str], data: st.DataObject, limit: int
) -> None:
    monkeypatch.setattr("conversations.search.store.BUCKET_ENTRIES", 3)
    for model in (MessageEntry, Message, Conversation, SearchBucket):
        model.objects.all().delete()
    conversation = add(mina)
    rows = [Message(conversation=conversation, owner=mina, role="user", content=text) for text in corpus]
    Message.objects.bulk_create(rows)
    source = data.draw(st.sampled_from(corpus))
    start = data.draw(st.integers(0, len(source)))
    q = source[start : data.draw(st.integers(start, len(source)))]
    try:
        words = parse_words(q)
    except InvalidRequest:
        return

    found = read_every_page(SearchQuery(owner_id=mina.id, words=words), limit)

    assert sorted(found) == sorted(str(row.pk) for row in rows if find_words(row.content, words))


def read_every_page(query: SearchQuery, limit: int) -> list[str]:
    ids: list[str] = []
    after = ""
    while True:
        page = search(query, limit=limit, after=after)
        assert page.is_complete
        ids += [str(hit.message_id) for hit in page.hits]
        if page.next is None:
            return ids
        after = page.next
