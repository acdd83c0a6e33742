"""Limits of the chat plane's requests that no engine answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import Person, register

CALLS, STREAMS = 300, 3


@pytest.fixture(scope="module")
def web(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    settings = {"REGISTRATION": "true", "REST_RATE": f"{CALLS}/h", "MAX_EVENT_STREAMS": str(STREAMS)}
    with start_gateway(stores, tmp_path_factory.mktemp("calls"), "", **settings) as gateway:
        yield gateway


@pytest.fixture
def person(web: GatewayProcess) -> Person:
    return register(web)


def test_calls_that_no_engine_answers_have_a_limit_of_their_own(web: GatewayProcess, person: Person) -> None:
    stop = f"/api/conversations/{uuid.uuid4()}/messages/{uuid.uuid4()}/cancel"
    with person.client(web) as client:
        statuses = [client.get("/v1/models").status_code for _ in range(CALLS)]
        refused = [client.get("/v1/models"), client.get("/api/models/events"), client.post(stop)]

    assert statuses == [200] * CALLS
    for answer in refused:
        assert (answer.status_code, error_of(answer)["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_event_streams_of_one_account_are_bounded(web: GatewayProcess, person: Person) -> None:
    with ExitStack() as listening:
        open_streams = [
            listening.enter_context(
                httpx.stream("GET", f"{web.url}/api/models/events", headers=person.headers)
            )
            for _ in range(STREAMS)
        ]

        with person.client(web) as client:
            refused = client.get("/api/models/events")
            open_streams[0].close()

            def listens() -> bool:
                with client.stream("GET", "/api/models/events") as again:
                    return again.status_code == 200

            assert (refused.status_code, error_of(refused)["code"]) == (429, "concurrency_limit_exceeded")
            assert [stream.status_code for stream in open_streams] == [200] * STREAMS
            assert wait_until(listens, what="the place of the stream that was closed")
