"""LlamaIndex, with its classes for servers that speak OpenAI's protocol."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock  # type: ignore[import-not-found]
from llama_index.core.tools import FunctionTool  # type: ignore[import-not-found]
from llama_index.embeddings.openai_like import OpenAILikeEmbedding  # type: ignore[import-not-found]
from llama_index.llms.openai_like import (  # type: ignore[import-not-found]
    OpenAILike,
    OpenAILikeResponses,
)

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
HELLO = [ChatMessage(role="user", content="Hello")]


def get_weather(city: str) -> str:
    """The weather of a city."""
    return TOOL_RESULT


TOOL = FunctionTool.from_defaults(get_weather, name=TOOL_NAME)


def make_model(**more: Any) -> Any:
    return OpenAILike(
        **{
            "model": target.model,
            "api_base": target.base_url,
            "api_key": target.key,
            "is_chat_model": True,
            "is_function_calling_model": True,
            "should_use_structured_outputs": True,
            "max_tokens": SENTENCE_TOKENS,
            "max_retries": 0,
        }
        | more
    )


def chat() -> None:
    answer = make_model().chat(HELLO)

    check(answer.message.content and answer.raw.usage.completion_tokens == SENTENCE_TOKENS, "a text", answer)


def stream_usage() -> None:
    model = make_model(additional_kwargs={"stream_options": {"include_usage": True}})
    chunks = list(model.stream_chat(HELLO))

    usages = [chunk.raw.usage for chunk in chunks if chunk.raw.usage]
    check("".join(chunk.delta or "" for chunk in chunks), "a text", chunks)
    check([usage.completion_tokens for usage in usages] == [SENTENCE_TOKENS], "usage once", usages)


def tools_auto() -> None:
    model = make_model(max_tokens=200)
    asked = model.chat_with_tools([TOOL], user_msg=TOOL_QUESTION)
    calls = model.get_tool_calls_from_response(asked)
    check(len(calls) == 1 and "city" in calls[0].tool_kwargs, "one call", asked)

    result = ChatMessage(
        role="tool", content=TOOL_RESULT, additional_kwargs={"tool_call_id": calls[0].tool_id}
    )
    question = ChatMessage(role="user", content=TOOL_QUESTION)
    told = model.chat_with_tools([TOOL], chat_history=[question, asked.message, result])

    check(TOOL_RESULT in told.message.content, "the tool's result", told)


def tools_required() -> None:
    model = make_model(max_tokens=200)
    answer = model.chat_with_tools([TOOL], user_msg="Hello", tool_required=True)
    calls = model.get_tool_calls_from_response(answer)

    check(calls[0].tool_name == TOOL_NAME and "city" in calls[0].tool_kwargs, "a call", answer)


def json_schema() -> None:
    answer = make_model(max_tokens=200).as_structured_llm(Paint).chat(HELLO)

    check(isinstance(answer.raw, Paint), "an object", answer)


def image() -> None:
    blocks = [TextBlock(text="What is it?"), ImageBlock(url=PICTURE_URL)]

    check_picture_seen(
        make_model(max_tokens=200).chat([ChatMessage(role="user", blocks=blocks)]).message.content
    )


def embeddings() -> None:
    model = OpenAILikeEmbedding(
        model_name=target.embedding_model, api_base=target.base_url, api_key=target.key
    )
    first, second = model.get_text_embedding_batch(["a licence", "허락"])

    check(len(first) == len(second) > 1 and first != second, "two vectors")


def responses() -> None:
    model = OpenAILikeResponses(
        model=target.model,
        api_base=target.base_url,
        api_key=target.key,
        max_output_tokens=SENTENCE_TOKENS,
        is_function_calling_model=True,
    )

    check(model.chat(HELLO).message.content, "a text")
    check("".join(chunk.delta or "" for chunk in model.stream_chat(HELLO)), "a streamed text")


def errors() -> None:
    expect(openai.AuthenticationError, lambda: make_model(api_key="wrong").chat(HELLO))
    expect(openai.NotFoundError, lambda: make_model(model="gpt-9").chat(HELLO))
    expect(openai.BadRequestError, lambda: make_model(additional_kwargs={"top_p": 9}).chat(HELLO))


def retry() -> None:
    model = make_model(api_key=target.busy_key, max_tokens=BUSY_TOKENS, max_retries=3)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(model.chat, [HELLO, HELLO]))

    check(all(answer.message.content for answer in answers), "two answers", answers)


def parallel() -> None:
    model = make_model()

    async def read() -> str:
        return "".join([chunk.delta or "" async for chunk in await model.astream_chat(HELLO)])

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
