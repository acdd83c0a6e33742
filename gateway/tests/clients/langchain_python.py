"""langchain-openai."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
from langchain_core.messages import HumanMessage, ToolMessage  # type: ignore[import-not-found]
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # type: ignore[import-not-found]

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


def make_model(**more: Any) -> Any:
    settings = {"max_tokens": SENTENCE_TOKENS, "max_retries": 0, "api_key": target.key, "model": target.model}
    return ChatOpenAI(base_url=target.base_url, **settings | more)


def chat() -> None:
    answer = make_model().invoke("Hello")

    check(answer.content and answer.usage_metadata["output_tokens"] == SENTENCE_TOKENS, "a text", answer)


def stream_usage() -> None:
    chunks = list(make_model(stream_usage=True).stream("Hello"))

    usages = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    check("".join(chunk.content for chunk in chunks), "a text", chunks)
    check([usage["output_tokens"] for usage in usages] == [SENTENCE_TOKENS], "usage once", usages)


def tools_auto() -> None:
    model = make_model(max_tokens=200).bind_tools(TOOLS)
    messages: list[Any] = [HumanMessage(TOOL_QUESTION)]
    asked = model.invoke(messages)
    check(len(asked.tool_calls) == 1 and "city" in asked.tool_calls[0]["args"], "one call", asked)

    told = model.invoke([*messages, asked, ToolMessage(TOOL_RESULT, tool_call_id=asked.tool_calls[0]["id"])])

    check(TOOL_RESULT in told.content, "the tool's result", told)


def tools_required() -> None:
    model = make_model(max_tokens=200).bind_tools(TOOLS, tool_choice="required")
    calls = model.invoke("Hello").tool_calls
    *_, streamed = (sum_up for sum_up in add_up(model.stream("Hello")))

    check(calls and calls[0]["name"] == TOOL_NAME and "city" in calls[0]["args"], "a call", calls)
    check(streamed.tool_calls[0]["args"], "a streamed call", streamed)


def add_up(chunks: Any) -> Any:
    """The answer so far, after each chunk."""
    total = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
        yield total


def json_schema() -> None:
    model = make_model(max_tokens=200).with_structured_output(Paint, method="json_schema")

    check(isinstance(seen := model.invoke("Hello"), Paint), "an object", seen)


def image() -> None:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PICTURE_URL}},
    ]

    check_picture_seen(make_model(max_tokens=200).invoke([HumanMessage(content=parts)]).content)


def embeddings() -> None:
    # With the check of lengths it would count tokens as OpenAI's models do, and send those.
    model = OpenAIEmbeddings(
        base_url=target.base_url,
        api_key=target.key,
        model=target.embedding_model,
        check_embedding_ctx_length=False,
    )
    first, second = model.embed_documents(["a licence", "허락"])

    check(len(first) == len(second) > 1 and first != second, "two vectors")
    check(len(model.embed_query("a licence")) == len(first), "one more")


def responses() -> None:
    model = make_model(use_responses_api=True)
    answer = model.invoke("Hello")
    *_, streamed = add_up(model.stream("Hello"))

    check(answer.text and answer.usage_metadata["output_tokens"], "a text with usage", answer)
    check(streamed.text, "a streamed text", streamed)


def errors() -> None:
    expect(openai.AuthenticationError, lambda: make_model(api_key="wrong").invoke("Hello"))
    expect(openai.NotFoundError, lambda: make_model(model="gpt-9").invoke("Hello"))
    bad = expect(openai.BadRequestError, lambda: make_model(temperature=9).invoke("Hello"))

    check(bad.param == "temperature", "the field", bad)


def retry() -> None:
    model = make_model(api_key=target.busy_key, max_retries=2, max_tokens=BUSY_TOKENS)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(model.invoke, ["Hello", "Hello"]))

    check(all(answer.content for answer in answers), "two answers", answers)


def parallel() -> None:
    model = make_model()

    async def read() -> str:
        return "".join([chunk.content async for chunk in model.astream("Hello")])

    async def read_all() -> list[str]:
        return await asyncio.gather(*(read() for _ in range(PARALLEL_STREAMS)))

    check(all(texts := asyncio.run(read_all())), f"{PARALLEL_STREAMS} texts", texts)


run_cells(
    target,
    {
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
