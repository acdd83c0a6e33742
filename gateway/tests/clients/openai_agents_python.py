"""openai-agents: its default model class speaks `/v1/responses`, its other one `/v1/chat/completions`."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from agents import (  # type: ignore[import-not-found]
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
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
set_tracing_disabled(True)
cities: list[str] = []


@function_tool(name_override=TOOL_NAME)  # type: ignore[untyped-decorator]
def get_weather(city: str) -> str:
    """The weather of a city."""
    cities.append(city)
    return TOOL_RESULT


def make_agent(
    *,
    kind: Any = OpenAIChatCompletionsModel,
    key: str = target.key,
    retries: int = 0,
    model: str = target.model,
    tools: Any = (),
    output_type: Any = None,
    **settings: Any,
) -> Any:
    session = openai.AsyncOpenAI(base_url=target.base_url, api_key=key, max_retries=retries)
    return Agent(
        name="Tester",
        model=kind(model=model, openai_client=session),
        model_settings=ModelSettings(**{"max_tokens": SENTENCE_TOKENS} | settings),
        tools=list(tools),
        output_type=output_type,
    )


def run(agent: Any, question: Any = "Hello") -> Any:
    return asyncio.run(Runner.run(agent, question))


async def read_stream(agent: Any) -> Any:
    running = Runner.run_streamed(agent, "Hello")
    async for _event in running.stream_events():
        pass
    return running


def chat() -> None:
    check(run(make_agent()).final_output, "a text")


def stream_usage() -> None:
    done = asyncio.run(read_stream(make_agent(include_usage=True)))

    usage = done.context_wrapper.usage
    check(done.final_output and usage.output_tokens == SENTENCE_TOKENS, "a text with usage", usage)


def tools_auto() -> None:
    cities.clear()
    done = run(make_agent(tools=[get_weather], max_tokens=200), TOOL_QUESTION)

    check(cities and TOOL_RESULT in done.final_output, "the tool's result", done.final_output)


def tools_required() -> None:
    cities.clear()
    done = run(make_agent(tools=[get_weather], tool_choice="required", max_tokens=200))

    check(cities and done.final_output, "a call", cities)


def json_schema() -> None:
    done = run(make_agent(output_type=Paint, max_tokens=200))

    check(isinstance(done.final_output, Paint), "an object", done.final_output)


def image() -> None:
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": PICTURE_URL, "detail": "auto"},
    ]
    done = run(make_agent(max_tokens=200), [{"role": "user", "content": parts}])

    check_picture_seen(done.final_output)


def responses() -> None:
    cities.clear()
    told = run(make_agent(kind=OpenAIResponsesModel, tools=[get_weather], max_tokens=200), TOOL_QUESTION)
    streamed = asyncio.run(read_stream(make_agent(kind=OpenAIResponsesModel)))

    check(len(cities) == 1 and TOOL_RESULT in told.final_output, "the tool's result", told.final_output)
    check(streamed.final_output, "a streamed text")


def errors() -> None:
    expect(openai.AuthenticationError, lambda: run(make_agent(key="wrong")))
    expect(openai.NotFoundError, lambda: run(make_agent(model="gpt-9")))
    bad = expect(openai.BadRequestError, lambda: run(make_agent(temperature=9)))

    check(bad.param == "temperature", "the field", bad)


def retry() -> None:
    agent = make_agent(key=target.busy_key, retries=2, max_tokens=BUSY_TOKENS)

    async def ask_both() -> Any:
        return await asyncio.gather(Runner.run(agent, "Hello"), Runner.run(agent, "Hello"))

    check(all(done.final_output for done in asyncio.run(ask_both())), "two answers")


def parallel() -> None:
    agent = make_agent()

    async def read_all() -> Any:
        return await asyncio.gather(*(read_stream(agent) for _ in range(PARALLEL_STREAMS)))

    check(all(done.final_output for done in asyncio.run(read_all())), f"{PARALLEL_STREAMS} texts")


run_cells(
    target,
    {
        Cell.CHAT: chat,
        Cell.STREAM_USAGE: stream_usage,
        Cell.TOOLS_AUTO: tools_auto,
        Cell.TOOLS_REQUIRED: tools_required,
        Cell.JSON_SCHEMA: json_schema,
        Cell.IMAGE: image,
        Cell.RESPONSES: responses,
        Cell.ERRORS: errors,
        Cell.RETRY: retry,
        Cell.PARALLEL: parallel,
    },
)
