"""The form of API keys."""

from __future__ import annotations

import re

import pytest

from accounts.keys import is_digest_of, looks_like_key, make_key, prefix_of


def test_key_has_its_form_and_its_prefix_in_the_clear() -> None:
    made = make_key()

    assert re.fullmatch(r"sk-gw-[A-Za-z0-9]{8}-[A-Za-z0-9]{42}", made.key)
    assert (prefix_of(made.key), looks_like_key(made.key)) == (made.prefix, True)


def test_keys_do_not_repeat() -> None:
    assert len({make_key().key for _ in range(200)}) == 200


def test_stored_digest_tells_the_key_and_nothing_of_it() -> None:
    made, other = make_key(), make_key()

    assert is_digest_of(made.key, made.digest)
    assert not is_digest_of(other.key, made.digest)
    assert re.fullmatch(r"[0-9a-f]{64}", made.digest)
    assert made.key.rpartition("-")[2] not in repr(made)


@pytest.mark.parametrize("place", [6, 20, 50, 56])
def test_key_with_one_other_character_is_not_ours(place: int) -> None:
    key = make_key().key
    other = "a" if key[place] != "a" else "b"

    assert prefix_of(key[:place] + other + key[place + 1 :]) is None


@pytest.mark.parametrize("text", ["", "sk-", "sk-gw-", "sk-proj-abc", "sk-' OR 1=1 --", "sk-gw-" + "a" * 51])
def test_other_text_is_no_key(text: str) -> None:
    assert prefix_of(text) is None


def test_text_after_a_key_makes_it_another_one() -> None:
    assert [prefix_of(make_key().key + more) for more in ("a", "\n", " ")] == [None] * 3
