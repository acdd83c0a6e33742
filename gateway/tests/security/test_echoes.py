"""What is sent comes back in an error only so far as it takes to recognise it."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from chat.upstream import error_from_answer
from gateway.errors import InvalidRequest, NotFound, to_envelope
from gateway.shortening import shorten

LONG = "쫑" * 3000
"""A letter that no message of ours has."""
HELLO = [{"role": "user", "content": "hello"}]

ECHOES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/chat/completions", {"model": LONG, "messages": HELLO}),
    ("POST", "/v1/chat/completions", {"messages": HELLO, LONG: 1}),
    ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": [{LONG: {"url": "x"}}]}]}),
    ("POST", "/v1/chat/completions", {"messages": HELLO, "chat_template_kwargs": {LONG: 1}}),
    ("POST", "/api/chat", {"content": "hello", LONG: 1}),
    ("POST", "/api/chat", {"content": "hello", f"a`{LONG}'b": 1}),
    ("POST", "/api/chat", {"content": "hello", "on_disconnect": LONG}),
    ("POST", "/api/chat", {"content": "hello", "on_disconnect": f"'{LONG[:1500]}' - at '{LONG[:1500]}"}),
    ("POST", "/api/chat", {"messages": [{"role": "user", "content": "a", LONG: 1}]}),
    ("POST", "/api/conversations", {LONG: 1}),
    ("POST", "/api/conversations", {"title": LONG}),
    ("POST", "/api/auth/login", {"username": "a", "password": "b", LONG: 1}),
    ("POST", "/api/auth/login", {"username": LONG, "password": "b"}),
    ("PATCH", "/api/auth/me", {"email": LONG}),
    ("POST", "/api/keys", {"name": "k", "scopes": [LONG]}),
    ("POST", "/api/keys", {"name": "k", "scopes": [f'"{LONG[:1500]}"{LONG[:1500]}"']}),
    ("POST", "/api/keys", {"name": "k", "scopes": ["chat"], "expires_at": LONG}),
    ("POST", "/api/keys", {"name": "k", "scopes": {LONG: 1}}),
    ("POST", "/api/models/switch", {"profile_id": LONG}),
    ("POST", "/api/models/switch", {"profile_id": "x", "slot": LONG}),
    ("GET", f"/v1/models/{LONG}", {}),
    ("GET", f"/v1/{LONG}", {}),
    ("GET", f"/api/{LONG}", {}),
    ("GET", f"/api/conversations?after={LONG}", {}),
    ("GET", f"/api/conversations?{LONG}=1", {}),
    ("GET", f"/api/models/events?{LONG}=1", {}),
    ("GET", f"/api/models/hardware-recommendations?hardware={LONG}", {}),
    ("GET", f"/api/models/profiles?{LONG}=1", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), ECHOES)
def test_error_repeats_no_more_than_200_characters_of_what_was_sent(
    fort_admin: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = fort_admin.request(method, path, json=body or None)

    assert 200 <= answer.status_code < 500
    assert str(answer.json()).count("쫑") <= 200
    assert len(answer.content) < 1500 or answer.status_code < 300


@pytest.fixture
def fort_admin(fort: Any) -> Any:
    with fort.client("admin") as client:
        yield client


def test_what_the_engine_repeats_is_shortened() -> None:
    wrong = {"message": f"1 validation error: {{'input': '{LONG}'}} {LONG}", "param": LONG}

    error = to_envelope(error_from_answer(400, msgspec.json.encode({"error": wrong})))["error"]

    assert error["message"].startswith("1 validation error: {'input': '쫑")
    assert len(error["message"]) <= 500
    assert len(error["param"]) <= 100


def test_ordinary_messages_are_whole() -> None:
    context = (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4000 in the "
        "messages, 1000 in the completion). Please reduce the length of the messages or completion."
    )
    error = error_from_answer(400, msgspec.json.encode({"error": {"message": context}}))

    assert to_envelope(error)["error"]["message"] == context


def test_both_ends_of_what_is_too_long_are_kept() -> None:
    text = "begin" + "x" * 5000 + "end"

    assert shorten("x" * 100) == "x" * 100
    assert len(shorten(text)) == 100
    assert shorten(text).startswith("begin")
    assert shorten(text).endswith("end")


@pytest.mark.parametrize("quote", ["`", '"', "'"])
def test_whoever_quotes_need_not_remember_to_shorten(quote: str) -> None:
    envelope = to_envelope(NotFound(f"There is no {quote}{LONG}{quote} here."))

    assert envelope["error"]["message"].startswith(f"There is no {quote}쫑")
    assert envelope["error"]["message"].endswith(f"쫑{quote} here.")
    assert envelope["error"]["message"].count("쫑") < 100


def test_message_that_begins_with_its_field_repeats_it_shortened() -> None:
    error = to_envelope(InvalidRequest(f"{LONG}: expected a number.", param=LONG))["error"]

    assert error["message"] == f"{error['param']}: expected a number."
    assert len(error["param"]) == 100
