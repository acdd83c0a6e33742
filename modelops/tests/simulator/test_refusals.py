"""Refused requests, against bodies recorded from vLLM 0.32."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from modelops.simulator.process import start_simulator
from modelops.tests.simulator.conftest import FAST
from modelops.tests.simulator.wire_helpers import CHAT, ask, chat_body

OVERFLOW = (
    "This model's maximum context length is 4096 tokens. However, your prompt contains at least 4097 input "
    "tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input "
    "prompt. (parameter=input_tokens, value=4097)"
)
TOOL = {"type": "function", "function": {"name": "f"}}
REFUSALS: list[tuple[dict[str, Any], str | None, str]] = [
    (chat_body("word " * 5000), "input_tokens", OVERFLOW),
    (chat_body("word " * 5000, stream=True), "input_tokens", OVERFLOW),
    (
        chat_body(temperature=-1),
        "temperature",
        "temperature must be non-negative, got -1.0. (parameter=temperature, value=-1.0)",
    ),
    (
        chat_body(temperature=9),
        "temperature",
        "temperature must be in [0, 2], got 9.0. (parameter=temperature, value=9.0)",
    ),
    (chat_body(top_p=2), "top_p", "top_p must be in (0, 1], got 2.0. (parameter=top_p, value=2.0)"),
    (
        chat_body(max_tokens=0),
        "max_tokens",
        "max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)",
    ),
    (
        chat_body(max_tokens=5000),
        "max_tokens",
        "max_tokens=5000 cannot be greater than max_model_len=4096. Please request fewer output tokens. "
        "(parameter=max_tokens, value=5000)",
    ),
    (chat_body(n=0), None, "n must be at least 1, got 0."),
    (
        chat_body(n=20000),
        None,
        "n must be at most 16384, got 20000. To increase this limit, set the VLLM_MAX_N_SEQUENCES "
        "environment variable.",
    ),
    (chat_body(n=2, temperature=0), None, "n must be 1 when using greedy sampling, got 2."),
    (
        chat_body(min_tokens=20, max_tokens=4),
        None,
        "min_tokens must be less than or equal to max_tokens=4, got 20.",
    ),
    (chat_body(stop=[""]), None, "stop cannot contain an empty string."),
    (
        {"messages": []},
        None,
        "Cannot apply chat template to an empty conversation. Provide at least one message.",
    ),
    (
        chat_body(stream_options={"include_usage": True}),
        "stream_options",
        "Stream options can only be defined when `stream=True`. (parameter=stream_options)",
    ),
    (
        chat_body(tools=[TOOL]),
        None,
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    ),
]


@pytest.mark.parametrize(("body", "param", "message"), REFUSALS)
async def test_a_refusal_reads_as_vllms(
    client: aiohttp.ClientSession, body: dict[str, Any], param: str | None, message: str
) -> None:
    status, answer = await ask(client, body)

    assert status == 400
    assert answer == {"error": {"message": message, "type": "BadRequestError", "param": param, "code": 400}}


async def test_an_unknown_model_is_404(client: aiohttp.ClientSession) -> None:
    status, answer = await ask(client, chat_body(model="nope"))

    message = "The model `nope` does not exist. Valid aliases: chat-a, chat-b."
    assert status == 404
    assert answer["error"] == {"message": message, "type": "NotFoundError", "param": "model", "code": 404}


@pytest.mark.parametrize(
    ("raw", "param", "fragment"),
    [
        (b'{"model":', "body.9", "'msg': 'JSON decode error'"),
        (b"", "body", "'type': 'missing', 'loc': 'body', 'msg': 'Field required', 'input': 'None'"),
        (b'{"model":"chat-a"}', "body.messages", "'loc': 'body.messages', 'msg': 'Field required'"),
        (b"[]", "body", "valid dictionary"),
        (b'{"messages":"\xff"}', "body.0", "JSON decode error"),
    ],
)
async def test_a_body_that_is_no_request_is_a_bad_request(
    client: aiohttp.ClientSession, raw: bytes, param: str, fragment: str
) -> None:
    async with client.post(CHAT, data=raw, headers={"Content-Type": "application/json"}) as response:
        error = (await response.json())["error"]

    assert (response.status, error["type"], error["param"], error["code"]) == (400, "Bad Request", param, 400)
    assert error["message"].startswith("1 validation error:\n")
    assert fragment in error["message"]


async def test_a_field_of_the_wrong_type_is_refused(client: aiohttp.ClientSession) -> None:
    wrong = {"max_tokens": "many", "temperature": [], "stream": "x", "stop": 5}
    for field, value in wrong.items():
        status, _ = await ask(client, chat_body() | {field: value})

        assert status == 400, field


async def test_unknown_paths_and_methods_are_not_openai_errors(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/nope") as response:
        assert (response.status, await response.json()) == (404, {"detail": "Not Found"})
    async with client.get(CHAT) as response:
        assert (response.status, await response.json()) == (405, {"detail": "Method Not Allowed"})
        assert response.headers["Allow"] == "POST"


async def test_unknown_fields_are_accepted(client: aiohttp.ClientSession) -> None:
    status, _ = await ask(client, chat_body(max_tokens=1, frobnicate=1, cache_salt="t", vllm_xargs={"a": 1}))

    assert status == 200


async def test_the_api_key_guards_v1_only() -> None:
    with start_simulator("--api-key", "sk-one", "sk-two", *FAST) as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            for token, expected in ((None, 401), ("wrong", 401), ("sk-one", 200), ("sk-two", 200)):
                headers = {"Authorization": f"Bearer {token}"} if token else {}
                async with session.get("/v1/models", headers=headers) as response:
                    assert response.status == expected
                    if expected == 401:
                        assert await response.read() == b'{"error":"Unauthorized"}'
            async with session.post("/tokenize", json={"prompt": "free"}) as response:
                assert response.status == 200
