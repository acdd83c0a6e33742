from __future__ import annotations

import pytest

from modelops.simulator import tokenizer

TEXTS = (
    "",
    "Hello there, simulated world!",
    "안녕하세요, GPU가 없어도 됩니다.",
    "  two  spaces\n\nand\ttabs ",
    "emoji 🙂🙃 and \x00 nul",
    "日本語とEnglishの混在 naïve",
)


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(tokenizer.split(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_ids_decode_to_the_text(text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_count_is_the_number_of_ids(text: str) -> None:
    assert tokenizer.count(text) == len(tokenizer.encode(text))


def test_each_cjk_character_is_one_token() -> None:
    assert tokenizer.count("안녕하세요") == 5


def test_ids_survive_readers_that_use_doubles() -> None:
    assert max(tokenizer.encode(" 🙂abcde 가 zzzzz")) < 2**53


def test_an_id_that_was_never_given_becomes_a_replacement_character() -> None:
    assert tokenizer.decode([-1, 2**60]) == "\N{REPLACEMENT CHARACTER}" * 2


def test_content_parts_are_rendered_like_text() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]

    assert tokenizer.render_chat(parts) == tokenizer.render_chat([{"role": "user", "content": "hi"}])
