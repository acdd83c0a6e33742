"""Asking an engine what it serves: a simulated vLLM that behaves, and servers that do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from modelops.serving.engine_client import EngineClient, EngineError, EngineRefusedConnection
from modelops.simulator.process import find_free_port, start_simulator

TestServer.__test__ = False  # aiohttp's, not a test of ours

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def client_of(base_url: str, **options: object) -> AsyncIterator[EngineClient]:
    client = EngineClient(base_url, **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def engine_that(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server that answers /v1/models in this way."""
    application = web.Application()
    application.router.add_get("/v1/models", answer)
    server = TestServer(application)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


async def models_error(answer: Answer, *, timeout_s: float = 3.0) -> EngineError:
    """The EngineError that this answer leads to."""
    async with engine_that(answer) as url, client_of(url, timeout_s=timeout_s) as client:
        with pytest.raises(EngineError) as caught:
            await client.list_models()
        return caught.value


def fixed(body: bytes, status: int = 200) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    return answer


async def test_served_models_are_listed_with_their_context_and_card(simulator: str) -> None:
    async with client_of(simulator) as client:
        models, latency_ms = await client.list_models()

    (model,) = models
    assert (model.name, model.max_model_len) == ("simulated", 4096)
    assert model.card["object"] == "model"
    assert 0 < latency_ms < 3000


async def test_key_is_sent_and_its_refusal_names_the_setting() -> None:
    with start_simulator("--api-key", "right", "--served-model-name", "locked") as engine:
        async with client_of(engine.base_url, api_key="right") as client:
            models, _latency_ms = await client.list_models()
        async with client_of(engine.base_url, api_key="wrong") as client:
            with pytest.raises(EngineError, match="VLLM_API_KEY") as caught:
                await client.list_models()

    assert [model.name for model in models] == ["locked"]
    assert "wrong" not in str(caught.value)


async def test_engine_that_does_not_listen_is_told_apart() -> None:
    async with client_of(f"http://127.0.0.1:{find_free_port()}") as client:
        with pytest.raises(EngineRefusedConnection):
            await client.list_models()


async def test_engine_that_serves_nothing_is_no_error() -> None:
    async with engine_that(fixed(b'{"object": "list", "data": []}')) as url, client_of(url) as client:
        models, _latency_ms = await client.list_models()

    assert models == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b'{"data": null}',
        b'{"data": 5}',
        b'{"data": [{}]}',
        b'{"data": ["name"]}',
        b'{"data": [{"id": "\xff"}]}',
        b'{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=[
        *("empty", "html", "null", "list", "number", "no data", "null data", "number data"),
        *("no id", "no card", "not utf-8", "deep"),
    ],
)
async def test_nonsense_is_an_engine_error(body: bytes) -> None:
    error = await models_error(fixed(body))

    assert "/v1/models" in str(error)


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_other_status_is_an_engine_error_that_names_it(status: int) -> None:
    error = await models_error(fixed(b"", status))

    assert str(status) in str(error)
    assert not isinstance(error, EngineRefusedConnection)


async def test_answer_that_is_broken_off_is_an_engine_error() -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"data": [')
        assert request.transport is not None
        request.transport.close()
        return response

    error = await models_error(break_off)

    assert not isinstance(error, EngineRefusedConnection)


async def test_answer_that_never_comes_is_given_up() -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    async with engine_that(hang) as url, client_of(url, timeout_s=0.1) as client:
        with pytest.raises(EngineError, match="in time"):
            await client.list_models()
        released.set()


async def test_answer_that_comes_in_drops_is_given_up_too() -> None:
    is_over = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not is_over.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    async with engine_that(drip) as url, client_of(url, timeout_s=0.1) as client:
        try:
            with pytest.raises(EngineError):
                async with asyncio.timeout(1):
                    await client.list_models()
        finally:
            is_over.set()
