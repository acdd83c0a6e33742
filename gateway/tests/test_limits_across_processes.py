"""Several web processes on one Redis and PostgreSQL share every limit, and a crash leaves no place taken."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from chat.tests.streams import error_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import Person, admin_pages, register
from modelops.simulator.process import start_simulator

pytestmark = pytest.mark.services

CRASHES = int(os.environ.get("GATEWAY_TEST_CRASHES", "3"))
LEASE_S = 2
REQUESTS, STREAMS = 40, 3
STORY = {"content": "Long story", "stream": True, "store": False}


@pytest.fixture(scope="module")
def first(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    settings = {
        "REGISTRATION": "true",
        "RATE_LIMIT_REQUESTS": str(REQUESTS),
        "RATE_LIMIT_WINDOW": "3600",
        "MAX_CONCURRENT_STREAMS": str(STREAMS),
        "STREAM_LEASE": str(LEASE_S),
    }
    with (
        start_simulator("--served-model-name", "simulated", "--sim-tokens-per-second", "2") as engine,
        start_gateway(stores, tmp_path_factory.mktemp("processes"), engine.base_url, **settings) as gateway,
    ):
        yield gateway


@pytest.fixture(scope="module")
def second(first: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("second")
    environment = first.environment | {"GATEWAY_DATA_DIR": str(folder)}
    other = GatewayProcess(environment, log_path=folder / "gateway.log")
    other.start()
    yield other
    other.stop()


def refused_for_its_body(client: httpx.Client) -> str:
    """The cheapest request: it is counted, and no engine hears of it. Answers the error's code."""
    answer = client.post("/api/chat", json={"content": "x", "temperature": 99})
    code: str = error_of(answer)["code"]
    return code


def open_stream(stack: ExitStack, client: httpx.Client) -> httpx.Response:
    response = stack.enter_context(client.stream("POST", "/api/chat", json=STORY))
    if response.status_code != 200:
        response.read()
    return response


def held_places(person: Person) -> int:
    return len(read_leases(person)[1])


def read_leases(person: Person) -> tuple[float, dict[bytes, float]]:
    """Redis's own time, and when each lease of the person ends, in milliseconds."""
    with Redis.from_url(os.environ["REDIS_URL"]) as redis, redis.pipeline() as pipeline:
        pipeline.time()
        pipeline.zrange(f"gateway:limit:account:{person.id}:streams:0", 0, -1, withscores=True)
        (seconds, microseconds), leases = pipeline.execute()
    return seconds * 1000 + microseconds / 1000, dict(leases)


def test_limit_of_n_lets_exactly_n_through(first: GatewayProcess, second: GatewayProcess) -> None:
    person = register(first)
    with (
        person.client(first) as one,
        person.client(second) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        codes = list(pool.map(refused_for_its_body, [one, other] * 50))

    # Eight ask at a time, and three may be answered: whom that refuses counts as a request too.
    assert codes.count("invalid_request") + codes.count("concurrency_limit_exceeded") == REQUESTS
    assert codes.count("rate_limit_exceeded") == 100 - REQUESTS


def test_answers_at_a_time_are_counted_together(first: GatewayProcess, second: GatewayProcess) -> None:
    person = register(first)
    with person.client(first) as one, person.client(second) as other, ExitStack() as stack:
        responses = [open_stream(stack, client) for client in [one, other] * STREAMS]

        assert [r.status_code for r in responses] == [200] * STREAMS + [429] * STREAMS
        assert error_of(responses[-1])["code"] == "concurrency_limit_exceeded"
        assert held_places(person) == STREAMS
    wait_until(lambda: held_places(person) == 0, what="the places to be free again")


def test_answer_that_outlives_its_lease_keeps_its_place(
    first: GatewayProcess, second: GatewayProcess
) -> None:
    person = register(first)
    with person.client(first) as one, person.client(second) as other, ExitStack() as stack:
        responses = [open_stream(stack, one) for _ in range(STREAMS)]
        lines = responses[0].iter_lines()
        started = time.monotonic()
        while time.monotonic() < started + 2 * LEASE_S:
            next(lines)

        assert open_stream(stack, other).status_code == 429


def test_limit_set_on_one_process_counts_on_the_other(first: GatewayProcess, second: GatewayProcess) -> None:
    person = register(first)
    with admin_pages(first) as pages, person.client(second) as other:
        pages.set_limit(subject="user", user=person.id, kind="requests", value=0, window_s=60)

        def is_lifted() -> bool:
            headers = other.post("/api/chat", json={"content": "x", "temperature": 99}).headers
            return "x-ratelimit-limit-requests" not in headers

        wait_until(is_lifted, what="the limit to be lifted")


def test_crashes_in_mid_stream_free_their_places_when_the_leases_end(
    first: GatewayProcess, second: GatewayProcess
) -> None:
    """kill -9, as often as GATEWAY_TEST_CRASHES says; each time every place was taken."""
    with admin_pages(second) as pages:
        pages.set_limit(subject="default", kind="requests", value=0, window_s=60)
    person = register(second)
    for _crash in range(CRASHES):
        with person.client(first) as dying, person.client(second) as living, ExitStack() as stack:
            opened = [open_stream(stack, dying) for _ in range(STREAMS)]
            assert [r.status_code for r in opened] == [200] * STREAMS
            # Held, as an iterator that is dropped hangs up.
            lines = [response.iter_lines() for response in opened]
            assert all(next(of_one).startswith("data: {") for of_one in lines)
            assert ask(living).status_code == 429

            _, taken = read_leases(person)
            first.kill()
            crashed_ms, left = read_leases(person)
            ends_ms = taken | left  # renewed in between, if at all

            wait_until(
                lambda living=living: ask(living).status_code == 200,
                timeout_s=LEASE_S + 10,
                what="the places of the crashed process to be free",
            )
            freed_ms, _ = read_leases(person)
            with contextlib.suppress(httpx.HTTPError):
                stack.close()
        assert (len(taken), set(left) <= set(taken)) == (STREAMS, True)
        assert max(ends_ms.values()) <= crashed_ms + LEASE_S * 1000
        assert min(ends_ms.values()) <= freed_ms  # no place was free before a lease had ended
        wait_until(lambda: held_places(person) == 0, what="every place to be free")
        first.start()


def ask(client: httpx.Client) -> httpx.Response:
    body: dict[str, Any] = {"content": "hi", "max_tokens": 1, "store": False}
    return client.post("/api/chat", json=body)
