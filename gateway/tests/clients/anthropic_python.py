"""Anthropic's SDK for Python, on `/v1/messages`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic  # type: ignore[import-not-found]

from gateway.tests.clients.cells import (
    BUSY_TOKENS,
    PARALLEL_STREAMS,
    PARAMETERS,
    PICTURE_BASE64,
    SENTENCE_TOKENS,
    TOOL_NAME,
    TOOL_QUESTION,
    TOOL_RESULT,
    Cell,
    check,
    check_picture_seen,
    expect,
    read_target,
    run_cells,
)
from gateway.tests.clients.paint import Paint

target = read_target()
client = anthropic.Anthropic(base_url=target.url, api_key=target.key, max_retries=0)
TOOLS = [{"name": TOOL_NAME, "description": "The weather of a city.", "input_schema": PARAMETERS}]


def hello(**more: Any) -> dict[str, Any]:
    """The fields of a short question."""
    messages = [{"role": "user", "content": "Hello"}]
    fields: dict[str, Any] = {"model": target.model, "messages": messages, "max_tokens": SENTENCE_TOKENS}
    # The SDK itself has no such argument any more.
    fields["extra_body"] = {"temperature": 0}
    return fields | more


def text_of(answer: Any) -> str:
    return "".join(block.text for block in answer.content if block.type == "text")


def calls_of(answer: Any) -> list[Any]:
    return [block for block in answer.content if block.type == "tool_use"]


def list_models() -> None:
    ids = [model.id for model in client.models.list()]

    check(target.model in ids, "the model", ids)


def chat() -> None:
    answer = client.messages.create(**hello())
    counted = client.messages.count_tokens(model=target.model, messages=hello()["messages"])

    check(text_of(answer) and answer.usage.output_tokens == SENTENCE_TOKENS, "a text with usage", answer)
    check(counted.input_tokens == answer.usage.input_tokens, "the same tokens counted", counted)


def stream_usage() -> None:
    with client.messages.stream(**hello()) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()

    check("".join(pieces) == text_of(final) != "", "the whole text", pieces)
    check(final.usage.output_tokens == SENTENCE_TOKENS and final.usage.input_tokens, "usage", final.usage)


def tools_auto() -> None:
    messages: list[Any] = [{"role": "user", "content": TOOL_QUESTION}]
    asked = client.messages.create(**hello(messages=messages, tools=TOOLS, max_tokens=200))
    calls = calls_of(asked)
    check(len(calls) == 1 and "city" in calls[0].input and asked.stop_reason == "tool_use", "one call", asked)

    result = {"type": "tool_result", "tool_use_id": calls[0].id, "content": TOOL_RESULT}
    messages += [{"role": "assistant", "content": asked.content}, {"role": "user", "content": [result]}]
    told = client.messages.create(**hello(messages=messages, tools=TOOLS, max_tokens=200))

    check(TOOL_RESULT in text_of(told), "the tool's result", told)


def tools_required() -> None:
    ask = hello(tools=TOOLS, tool_choice={"type": "any"}, max_tokens=200)
    whole = calls_of(client.messages.create(**ask))
    with client.messages.stream(**ask) as stream:
        streamed = calls_of(stream.get_final_message())

    for calls in (whole, streamed):
        check(calls and calls[0].name == TOOL_NAME and "city" in calls[0].input, "a call", calls)


def json_schema() -> None:
    answer = client.messages.parse(**hello(output_format=Paint, max_tokens=200))

    check(isinstance(answer.parsed_output, Paint), "an object", answer)


def image() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": PICTURE_BASE64}
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
    answer = client.messages.create(**hello(messages=[{"role": "user", "content": parts}], max_tokens=200))

    check_picture_seen(text_of(answer))


def errors() -> None:
    stranger = anthropic.Anthropic(base_url=target.url, api_key="wrong", max_retries=0)
    bad_key = expect(anthropic.AuthenticationError, lambda: stranger.messages.create(**hello()))
    unknown = expect(anthropic.NotFoundError, lambda: client.messages.create(**hello(model="gpt-9")))
    bad = expect(anthropic.BadRequestError, lambda: client.messages.create(**hello(messages=[])))

    types = [error.body["error"]["type"] for error in (bad_key, unknown, bad)]
    check(types == ["authentication_error", "not_found_error", "invalid_request_error"], "types", types)


def retry() -> None:
    busy = anthropic.Anthropic(base_url=target.url, api_key=target.busy_key)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(busy.messages.create, **hello(max_tokens=BUSY_TOKENS)) for _ in range(2)]

    check(all(text_of(one.result()) for one in asked), "two answers")


def parallel() -> None:
    async def read_all() -> list[str]:
        async with anthropic.AsyncAnthropic(
            base_url=target.url, api_key=target.key, max_retries=0
        ) as session:

            async def read() -> str:
                async with session.messages.stream(**hello()) as stream:
                    return "".join([piece async for piece in stream.text_stream])

            return await asyncio.gather(*(read() for _ in range(PARALLEL_STREAMS)))

    texts = asyncio.run(read_all())
    check(len(texts) == PARALLEL_STREAMS and all(texts), f"{PARALLEL_STREAMS} texts", texts)


run_cells(
    target,
    {
        Cell.LIST: list_models,
        Cell.CHAT: chat,
        Cell.STREAM_USAGE: stream_usage,
        Cell.TOOLS_AUTO: tools_auto,
        Cell.TOOLS_REQUIRED: tools_required,
        Cell.JSON_SCHEMA: json_schema,
        Cell.IMAGE: image,
        Cell.ERRORS: errors,
        Cell.RETRY: retry,
        Cell.PARALLEL: parallel,
    },
)
