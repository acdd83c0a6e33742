"""What the engine answers through the gateway is what it answers without it, also to odd requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gateway.tests.live import GatewayProcess

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
HELLO: dict[str, Any] = {
    "model": "simulated",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 6,
    "seed": 7,
}
PROMPT: dict[str, Any] = {"model": "simulated", "prompt": "Hello", "max_tokens": 6, "seed": 7}
USAGE = {"include_usage": True}


def said(*contents: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]
    return {"messages": messages}


PART = {"type": "text", "text": "Hello"}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}

NULLS = (
    *("tools", "functions", "stop", "stream", "stream_options", "logit_bias", "user", "seed", "n"),
    *("temperature", "top_p", "response_format", "stop_token_ids", "chat_template_kwargs", "vllm_xargs"),
    *("documents", "metadata", "top_logprobs", "logprobs", "priority", "chat_template"),
)

CHATS: dict[str, dict[str, Any]] = {
    "nothing more": {},
    "number as a text": {"max_tokens": "6"},
    "number with a fraction": {"max_tokens": 6.0},
    "number as a text with a fraction": {"max_tokens": "6.0"},
    "number with blanks and underscores": {"max_tokens": " 1_0 "},
    "newer name of max_tokens": {"max_tokens": None, "max_completion_tokens": "5"},
    "both names": {"max_completion_tokens": 4},
    "seed as a text": {"seed": "7"},
    "n as a text": {"n": "2", "temperature": 0.7},
    "many choices": {"n": 20, "temperature": 1},
    "temperature zero": {"temperature": 0},
    "top_k of minus one": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    "every penalty": {"frequency_penalty": 0.5, "presence_penalty": -0.5, "length_penalty": 1.0},
    "null everywhere": dict.fromkeys(NULLS),
    "stream is no": {"stream": False},
    "stream is zero": {"stream": 0},
    "stop as a text": {"stop": "zzz"},
    "stop of none": {"stop": []},
    "empty stop": {"stop": ""},
    "stops": {"stop": ["zzz", "yyy"], "include_stop_str_in_output": True},
    "many stop tokens": {"stop_token_ids": list(range(64))},
    "bias by token": {"logit_bias": {"50256": -100, "11": 1.5}},
    "no tools": {"tools": [], "tool_choice": "none"},
    "tools that may be called": {"tools": [TOOL], "tool_choice": "none"},
    "user as a number": {"user": 5},
    "user as a text": {"user": "somebody", "safety_identifier": "s", "service_tier": "auto"},
    "unknown field": {"something_new": {"a": [1, 2.5, None, "x"]}, "another": True},
    "unknown field of an SDK": {"extra_headers": {"x": "y"}, "store": False, "metadata": {"a": "b"}},
    "nested template arguments": {"chat_template_kwargs": {"enable_thinking": False, "a": {"b": [{"c": 1}]}}},
    "arguments that are lists": {"vllm_xargs": {"a": [1, "b"], "c": 0.5}},
    "priority of nothing": {"priority": 0},
    "documents": {"documents": [{"title": "t", "text": "x" * 1000}]},
    "no cap": {"max_tokens": None},
    "ignored end": {"ignore_eos": True, "min_tokens": "2"},
    "content in parts": said([PART, PART]),
    "no content": said(""),
    "several turns": said("Hello", "Hi", "And now?"),
    "many turns": said(*["Hello"] * 41),
    "NUL": said("a\0b"),
    "astral, Korean and combining": said("😀 안녕하세요 e\u0301 \u202e"),
    "control characters": said("\x01\x7f\t\r\n\b"),
    "a system's word": {"messages": [{"role": "system", "content": "Be brief."}, *HELLO["messages"]]},
    "a developer's word": {"messages": [{"role": "developer", "content": "Brief."}, *HELLO["messages"]]},
    "a name": {"messages": [{"role": "user", "content": "Hello", "name": "Mina"}]},
    "a call and its result": {
        "messages": [
            *HELLO["messages"],
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
        ]
    },
    "reasoning of before": {
        "messages": [
            *HELLO["messages"],
            {"role": "assistant", "content": "Hi", "reasoning": "hm", "reasoning_content": "hm"},
            {"role": "user", "content": "Go on"},
        ]
    },
    "empty model": {"model": ""},
    "null model": {"model": None},
    "answer that goes on": {
        **said("Hello", "Hi there,"),
        "continue_final_message": True,
        "add_generation_prompt": False,
    },
    # Refused by the engine, and not before.
    "no messages": {"messages": []},
    "null messages": {"messages": None},
    "temperature of nine": {"temperature": 9},
    "no tokens": {"max_tokens": 0},
    "n of zero": {"n": 0},
    "options without a stream": {"stream_options": USAGE},
    "more tokens than the context": {"max_tokens": 100_000},
}

TEXTS: dict[str, dict[str, Any]] = {
    "text": {},
    "batch": {"prompt": ["a", "b", "c"]},
    "large batch": {"prompt": ["a"] * 256, "max_tokens": 1},
    "tokens": {"prompt": [1, 2, 3]},
    "tokens with fractions": {"prompt": [1.0, 2.0]},
    "batch of tokens": {"prompt": [[1, 2], [3]]},
    "echo": {"echo": True},
    "suffix of nothing": {"suffix": None, "best_of": None, "logprobs": None},
    "NUL in a text": {"prompt": "a\0b"},
    "choices of a batch": {"prompt": ["a", "b"], "n": 2, "temperature": 1},
    "empty prompt": {"prompt": ""},
}

CASES = {
    **{f"chat, {name}": (CHAT, HELLO | fields) for name, fields in CHATS.items()},
    **{f"text, {name}": (TEXT, PROMPT | fields) for name, fields in TEXTS.items()},
}

BYTES: dict[str, tuple[bytes, dict[str, str]]] = {
    "charset": (b"", {"Content-Type": "application/json; charset=utf-8"}),
    "charset in capitals": (b"", {"Content-Type": 'Application/JSON;charset="UTF-8"'}),
    "blanks around": (b" \n\t", {}),
    "byte order mark": (b"\xef\xbb\xbf", {}),
    "expectation": (b"", {"Expect": "100-continue"}),
    "accepted encodings": (b"", {"Accept-Encoding": "gzip, deflate, br, zstd"}),
    "accepted types": (b"", {"Accept": "text/event-stream"}),
    "no cookies that mean anything": (b"", {"Cookie": "a=b; c"}),
}


@pytest.fixture
def ours(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


@pytest.fixture
def theirs(simulator: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator, timeout=30) as client:
        yield client


def told(answer: httpx.Response) -> Any:
    """The status, and the answer without what no two of them share; of an error only the status."""
    if answer.is_error:
        assert set(answer.json()) == {"error"}
        return answer.status_code
    kind = answer.headers["content-type"].partition(";")[0]
    text = re.sub(r'"(id|created)":("[^"]+"|[0-9]+)', r'"\1":0', answer.text)
    if kind == "text/event-stream":
        return kind, sorted(text.split("\n\n"))
    return kind, json.loads(text)


@pytest.mark.parametrize("name", CASES)
def test_answer_is_the_engines_own(ours: httpx.Client, theirs: httpx.Client, name: str) -> None:
    path, body = CASES[name]

    assert told(ours.post(path, json=body)) == told(theirs.post(path, json=body))


STREAMED = ("chat, nothing more", "chat, many choices", "chat, tools that may be called", "text, batch")


@pytest.mark.parametrize("options", [{}, {"stream_options": USAGE}], ids=["plain", "with usage"])
@pytest.mark.parametrize("name", STREAMED)
def test_stream_is_the_engines_own(
    ours: httpx.Client, theirs: httpx.Client, name: str, options: dict[str, Any]
) -> None:
    path, body = CASES[name]
    body = body | {"stream": True} | options

    assert told(ours.post(path, json=body)) == told(theirs.post(path, json=body))


@pytest.mark.parametrize("is_chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("name", BYTES)
def test_form_of_a_request_changes_nothing(
    ours: httpx.Client, theirs: httpx.Client, name: str, is_chunked: bool
) -> None:
    before, headers = BYTES[name]
    content = before + json.dumps(HELLO).encode()

    answer = ours.post(
        CHAT,
        content=iter([content[:9], content[9:]]) if is_chunked else content,
        headers={"Content-Type": "application/json", **headers},
    )

    assert told(answer) == told(theirs.post(CHAT, json=HELLO))
