"""Errors in the language that a caller's Accept-Language prefers, on REST and on the chat plane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.utils.translation import gettext, override

from chat.tests.streams import error_of
from gateway.caller_language import translator_for
from gateway.errors import ContextLengthExceeded, ModelNotFound, UpstreamTimeout, to_envelope
from gateway.http import send_error
from gateway.tests.live import GatewayProcess
from gateway.wording import fill_in

KOREAN_BROWSER = "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        yield session


def refuse_rest(client: httpx.Client, language: str | None) -> httpx.Response:
    headers = {"Accept-Language": language} if language else {}
    return client.get("/api/conversations/01a22b9c-9882-7763-ba69-142cac80e09a", headers=headers)


def refuse_chat(client: httpx.Client, language: str | None) -> httpx.Response:
    headers = {"Accept-Language": language} if language else {}
    body = {"model": "gpt-9", "messages": [{"role": "user", "content": "Hello"}]}
    return client.post("/v1/chat/completions", json=body, headers=headers)


@pytest.mark.parametrize("refuse", [refuse_rest, refuse_chat])
def test_message_alone_is_in_the_language_of_the_caller(client: httpx.Client, refuse: Any) -> None:
    english, korean = error_of(refuse(client, None)), error_of(refuse(client, KOREAN_BROWSER))

    assert english["message"].isascii()
    assert "없습니다" in korean["message"] or "제공하지 않습니다" in korean["message"]
    assert {**english, "message": ""} == {**korean, "message": ""}


@pytest.mark.parametrize("refuse", [refuse_rest, refuse_chat])
@pytest.mark.parametrize("language", ["en", "en,ko;q=0.5", "de", "*", "x" * 3000, "ko_KR_x;;q"])
def test_english_is_for_everybody_else(client: httpx.Client, refuse: Any, language: str) -> None:
    assert error_of(refuse(client, language))["message"].isascii()


def test_call_with_a_token_is_answered_as_it_asks_whatever_its_cookie_says(client: httpx.Client) -> None:
    client.cookies.set("django_language", "ko")

    assert error_of(refuse_rest(client, "en"))["message"].isascii()


def test_name_of_a_model_stands_in_the_translated_message() -> None:
    error = ModelNotFound(fill_in("The model `{model}` is not served.", model="qwen {x} 100%"), param="model")

    assert error.message == "The model `qwen {x} 100%` is not served."
    with override("ko"):
        translated = to_envelope(error, gettext)["error"]["message"]
    assert translated == "`qwen {x} 100%` 모델은 제공하지 않습니다."


def test_text_within_a_text_is_translated_too() -> None:
    problem = fill_in("The newest turn alone has {count} tokens.", count=9000)
    error = ContextLengthExceeded(
        fill_in("{what} The context of `{model}` is {tokens} tokens.", what=problem, model="m", tokens=8192)
    )

    with override("ko"):
        message = to_envelope(error, gettext)["error"]["message"]

    assert message == "마지막 대화만 9000토큰입니다. `m` 모델의 컨텍스트는 8192토큰입니다."


def test_translating_leaves_the_language_of_the_process_alone() -> None:
    translate = translator_for("ko")

    assert translate is not None
    assert translate("The engine took too long.") == "엔진의 응답이 너무 오래 걸립니다."
    assert gettext("The engine took too long.") == "The engine took too long."


def test_error_event_is_translated() -> None:
    from chat.sse import error_event

    event = error_event(UpstreamTimeout(), translator_for("ko")).decode()

    assert '"message":"엔진의 응답이 너무 오래 걸립니다."' in event
    assert '"code":"upstream_timeout"' in event


def test_error_before_any_plane_is_translated() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(send_error(send, UpstreamTimeout(), accept_language="ko"))

    assert "엔진의 응답이 너무 오래 걸립니다." in sent[1]["body"].decode()
