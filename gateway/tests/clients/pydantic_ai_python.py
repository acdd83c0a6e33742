"""pydantic-ai, with its models for OpenAI."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import openai
from pydantic_ai import Agent, BinaryContent, Embedder, NativeOutput  # type: ignore[import-not-found]
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel  # type: ignore[import-not-found]
from pydantic_ai.exceptions import ModelHTTPError  # type: ignore[import-not-found]
from pydantic_ai.models.openai import (  # type: ignore[import-not-found]
    OpenAIChatModel,
    OpenAIResponsesModel,
)
from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]

from gateway.tests.clients.cells import (
    BUSY_TOKENS,
    PARALLEL_STREAMS,
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
cities: list[str] = []


def get_weather(city: str) -> str:
    """The weather of a city."""
    cities.append(city)
    return TOOL_RESULT


def make_provider(*, key: str = target.key, retries: int = 0) -> Any:
    return OpenAIProvider(
        openai_client=openai.AsyncOpenAI(base_url=target.base_url, api_key=key, max_retries=retries)
    )


def make_agent(
    *, kind: Any = OpenAIChatModel, model: str = target.model, provider: Any = None, **more: Any
) -> Any:
    settings = {"max_tokens": SENTENCE_TOKENS} | more.pop("settings", {})
    return Agent(kind(model, provider=provider or make_provider()), model_settings=settings, **more)


async def read_stream(agent: Any) -> tuple[str, Any]:
    async with agent.run_stream("Hello") as running:
        return str(await running.get_output()), running.usage


def chat() -> None:
    done = make_agent().run_sync("Hello")

    check(done.output, "a text", done)


def stream_usage() -> None:
    text, usage = asyncio.run(read_stream(make_agent()))

    usage = usage() if callable(usage) else usage
    check(text and usage.output_tokens == SENTENCE_TOKENS, "a text with usage", usage)


def tools_auto() -> None:
    cities.clear()
    done = make_agent(tools=[get_weather], settings={"max_tokens": 200}).run_sync(TOOL_QUESTION)

    check(cities and TOOL_RESULT in done.output, f"the result of {TOOL_NAME}", done.output)


def tools_required() -> None:
    # A tool as the form of the output is what this library requires a call for.
    done = make_agent(output_type=Paint, settings={"max_tokens": 200}).run_sync("Hello")

    check(isinstance(done.output, Paint), "the arguments of a call", done.output)


def json_schema() -> None:
    agent = make_agent(output_type=NativeOutput(Paint), settings={"max_tokens": 200})

    check(isinstance(seen := agent.run_sync("Hello").output, Paint), "an object", seen)


def image() -> None:
    agent = make_agent(settings={"max_tokens": 200})

    check_picture_seen(agent.run_sync(["What is it?", BinaryContent.from_data_uri(PICTURE_URL)]).output)


def embeddings() -> None:
    embedder = Embedder(OpenAIEmbeddingModel(target.embedding_model, provider=make_provider()))
    first, second = embedder.embed_documents_sync(["a licence", "허락"]).embeddings

    check(len(first) == len(second) > 1 and first != second, "two vectors")


def responses() -> None:
    cities.clear()
    agent = make_agent(kind=OpenAIResponsesModel, tools=[get_weather], settings={"max_tokens": 200})
    told = agent.run_sync(TOOL_QUESTION)
    text, _usage = asyncio.run(read_stream(make_agent(kind=OpenAIResponsesModel)))

    check(len(cities) == 1 and TOOL_RESULT in told.output, "the tool's result", told.output)
    check(text, "a streamed text")


def errors() -> None:
    stranger = make_agent(provider=make_provider(key="wrong"))
    unknown = make_agent(model="gpt-9")
    bad = make_agent(settings={"temperature": 9.0})

    seen = [expect(ModelHTTPError, partial(agent.run_sync, "Hello")) for agent in (stranger, unknown, bad)]
    check([error.status_code for error in seen] == [401, 404, 400], "statuses", seen)
    check(seen[2].body["param"] == "temperature", "the field", seen[2].body)


def retry() -> None:
    agent = make_agent(
        provider=make_provider(key=target.busy_key, retries=2), settings={"max_tokens": BUSY_TOKENS}
    )

    async def ask_both() -> Any:
        return await asyncio.gather(agent.run("Hello"), agent.run("Hello"))

    check(all(done.output for done in asyncio.run(ask_both())), "two answers")


def parallel() -> None:
    agent = make_agent()

    async def read_all() -> Any:
        return await asyncio.gather(*(read_stream(agent) for _ in range(PARALLEL_STREAMS)))

    check(all(text for text, _usage in asyncio.run(read_all())), f"{PARALLEL_STREAMS} texts")


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
