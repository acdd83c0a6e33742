"""LiteLLM as a library, by its provider `openai`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import litellm  # type: ignore[import-not-found]

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
TOOLS = [{"type": "function", "function": {"name": TOOL_NAME, "parameters": PARAMETERS}}]
litellm.suppress_debug_info = True


def hello(**more: Any) -> dict[str, Any]:
    """The fields of a short question."""
    return {
        "model": f"openai/{target.model}",
        "api_base": target.base_url,
        "api_key": target.key,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": SENTENCE_TOKENS,
        "max_retries": 0,
    } | more


def list_models() -> None:
    names = litellm.get_valid_models(
        check_provider_endpoint=True,
        custom_llm_provider="openai",
        api_base=target.url,
        api_key=target.key,
    )

    check(any(name.endswith(target.model) for name in names), "the model", names)


def chat() -> None:
    answer = litellm.completion(**hello())

    check(answer.choices[0].message.content, "a text", answer)
    check(answer.usage.completion_tokens == SENTENCE_TOKENS, "its tokens", answer.usage)


def stream_usage() -> None:
    chunks = list(litellm.completion(**hello(stream=True, stream_options={"include_usage": True})))

    usages = [usage for chunk in chunks if (usage := getattr(chunk, "usage", None))]
    check(any(chunk.choices and chunk.choices[0].delta.content for chunk in chunks), "a text", chunks)
    check([usage.completion_tokens for usage in usages] == [SENTENCE_TOKENS], "usage once", usages)


def tools_auto() -> None:
    messages: list[Any] = [{"role": "user", "content": TOOL_QUESTION}]
    asked = litellm.completion(**hello(messages=messages, tools=TOOLS, max_tokens=200)).choices[0].message
    check(len(asked.tool_calls or []) == 1, "one call", asked)

    messages += [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": TOOL_RESULT}]
    told = litellm.completion(**hello(messages=messages, tools=TOOLS, max_tokens=200))

    check(TOOL_RESULT in told.choices[0].message.content, "the tool's result", told)


def tools_required() -> None:
    ask = hello(tools=TOOLS, tool_choice="required", max_tokens=200)
    calls = litellm.completion(**ask).choices[0].message.tool_calls
    streamed = litellm.stream_chunk_builder(list(litellm.completion(**ask, stream=True)))

    for seen in (calls, streamed.choices[0].message.tool_calls):
        check(
            seen and seen[0].function.name == TOOL_NAME and "city" in seen[0].function.arguments,
            "a call",
            seen,
        )


def json_schema() -> None:
    answer = litellm.completion(**hello(response_format=Paint, max_tokens=200))

    Paint.model_validate_json(answer.choices[0].message.content)


def image() -> None:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PICTURE_URL}},
    ]
    answer = litellm.completion(**hello(messages=[{"role": "user", "content": parts}], max_tokens=200))

    check_picture_seen(answer.choices[0].message.content)


def embeddings() -> None:
    answer = litellm.embedding(
        model=f"openai/{target.embedding_model}",
        api_base=target.base_url,
        api_key=target.key,
        input=["a licence", "허락"],
    )

    first, second = (item["embedding"] for item in answer.data)
    check(len(first) == len(second) > 1 and first != second, "two vectors", answer)


def responses() -> None:
    ask = {
        "model": f"openai/{target.model}",
        "api_base": target.base_url,
        "api_key": target.key,
        "input": "Hello",
        "max_output_tokens": SENTENCE_TOKENS,
    }
    answer = litellm.responses(**ask)
    types = [str(getattr(event, "type", "")) for event in litellm.responses(**ask, stream=True)]

    check(answer.output[-1].content[0].text, "a text", answer)
    check(any("completed" in name.lower() or "incomplete" in name.lower() for name in types), "an end", types)


def errors() -> None:
    expect(litellm.AuthenticationError, lambda: litellm.completion(**hello(api_key="wrong")))
    expect(litellm.NotFoundError, lambda: litellm.completion(**hello(model="openai/gpt-9")))
    bad = expect(litellm.BadRequestError, lambda: litellm.completion(**hello(temperature=9)))

    check("temperature" in str(bad), "the field", bad)


def retry() -> None:
    ask = hello(api_key=target.busy_key, max_retries=2, max_tokens=BUSY_TOKENS)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(litellm.completion, **ask) for _ in range(2)]

    check(all(one.result().choices[0].message.content for one in asked), "two answers")


def parallel() -> None:
    async def read() -> str:
        stream = await litellm.acompletion(**hello(stream=True))
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def read_all() -> list[str]:
        return await asyncio.gather(*(read() for _ in range(PARALLEL_STREAMS)))

    check(all(texts := asyncio.run(read_all())), f"{PARALLEL_STREAMS} texts", texts)


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
