"""openai-python."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai

from gateway.tests.clients.cells import (
    BUSY_TOKENS,
    PARALLEL_STREAMS,
    PARAMETERS,
    PICTURE_URL,
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
client = openai.OpenAI(base_url=target.base_url, api_key=target.key, max_retries=0)
TOOLS: Any = [{"type": "function", "function": {"name": TOOL_NAME, "parameters": PARAMETERS}}]


def hello(**more: Any) -> Any:
    """The fields of a short question."""
    messages = [{"role": "user", "content": "Hello"}]
    fields = {"model": target.model, "messages": messages, "max_tokens": SENTENCE_TOKENS, "temperature": 0}
    return fields | more


def list_models() -> None:
    ids = [model.id for model in client.models.list()]

    check(target.model in ids and client.models.retrieve(target.model).id == target.model, "the model", ids)


def chat() -> None:
    answer = client.chat.completions.create(**hello())

    check(answer.choices[0].message.content, "a text", answer)
    check(answer.usage and answer.usage.completion_tokens == SENTENCE_TOKENS, "its tokens", answer.usage)


def stream_usage() -> None:
    chunks = list(
        client.chat.completions.create(**hello(stream=True, stream_options={"include_usage": True}))
    )

    check(any(chunk.choices and chunk.choices[0].delta.content for chunk in chunks), "a text", chunks)
    usage = chunks[-1].usage
    check(
        usage and usage.completion_tokens == SENTENCE_TOKENS and not chunks[-1].choices, "usage", chunks[-1]
    )


def tools_auto() -> None:
    messages: list[Any] = [{"role": "user", "content": TOOL_QUESTION}]
    asked = client.chat.completions.create(model=target.model, messages=messages, tools=TOOLS)
    calls: list[Any] = list(asked.choices[0].message.tool_calls or ())
    check(len(calls) == 1 and "city" in calls[0].function.arguments, "one call", asked)

    result = {"role": "tool", "tool_call_id": calls[0].id, "content": TOOL_RESULT}
    messages += [asked.choices[0].message, result]
    told = client.chat.completions.create(model=target.model, messages=messages, tools=TOOLS)

    check(TOOL_RESULT in (told.choices[0].message.content or ""), "the tool's result", told)


def tools_required() -> None:
    ask = hello(tools=TOOLS, tool_choice="required", max_tokens=200)
    whole = client.chat.completions.create(**ask).choices[0].message.tool_calls
    with client.chat.completions.stream(**ask) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls

    for calls in (whole, streamed):
        check(
            calls and calls[0].function.name == TOOL_NAME and "city" in calls[0].function.arguments,
            "a call",
            calls,
        )


def json_schema() -> None:
    answer = client.chat.completions.parse(**hello(response_format=Paint, max_tokens=200))

    check(answer.choices[0].message.parsed, "an object", answer)


def image() -> None:
    part = {"type": "image_url", "image_url": {"url": PICTURE_URL}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}]
    answer = client.chat.completions.create(**hello(messages=messages, max_tokens=200))

    check_picture_seen(answer.choices[0].message.content)


def embeddings() -> None:
    # The SDK asks for base64 by itself, and decodes it.
    answer = client.embeddings.create(model=target.embedding_model, input=["a licence", "허락"])
    floats = client.embeddings.create(
        model=target.embedding_model, input="a licence", encoding_format="float"
    )

    first, second = (item.embedding for item in answer.data)
    check(len(first) == len(second) > 1 and first != second, "two vectors", answer)
    check(abs(floats.data[0].embedding[0] - first[0]) < 1e-5, "the same as floats", floats)


def responses() -> None:
    answer = client.responses.create(model=target.model, input="Hello", max_output_tokens=SENTENCE_TOKENS)
    check(answer.output_text and answer.usage, "a text with usage", answer)

    with client.responses.stream(
        model=target.model, input="Hello", max_output_tokens=SENTENCE_TOKENS
    ) as stream:
        events = list(stream)
        final = stream.get_final_response()
    check("response.output_text.delta" in {event.type for event in events}, "deltas", events)
    check(final.output_text, "the whole text", final)


def errors() -> None:
    stranger = openai.OpenAI(base_url=target.base_url, api_key="wrong", max_retries=0)
    bad_key = expect(openai.AuthenticationError, stranger.models.list)
    unknown = expect(openai.NotFoundError, lambda: client.chat.completions.create(**hello(model="gpt-9")))
    bad = expect(openai.BadRequestError, lambda: client.chat.completions.create(**hello(temperature=9)))

    codes = (bad_key.code, unknown.code, bad.code, bad.param)
    check(codes == ("invalid_api_key", "model_not_found", "invalid_request", "temperature"), "codes", codes)


def retry() -> None:
    busy = openai.OpenAI(base_url=target.base_url, api_key=target.busy_key)

    def ask(_number: int) -> Any:
        return busy.chat.completions.create(**hello(max_tokens=BUSY_TOKENS)).choices[0].message.content

    with ThreadPoolExecutor(2) as pool:
        check(all(pool.map(ask, range(2))), "two answers")


def parallel() -> None:
    async def read_all() -> list[str]:
        async with openai.AsyncOpenAI(base_url=target.base_url, api_key=target.key, max_retries=0) as session:

            async def read() -> str:
                stream = await session.chat.completions.create(**hello(stream=True))
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

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
        Cell.EMBEDDINGS: embeddings,
        Cell.RESPONSES: responses,
        Cell.ERRORS: errors,
        Cell.RETRY: retry,
        Cell.PARALLEL: parallel,
    },
)
