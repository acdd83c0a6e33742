"""A PostgreSQL that is frozen: it answers nothing and closes nothing, until all clients have their answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest
from django.db import OperationalError, connection

from chat.tests.streams import error_of
from gateway.database.base import DatabaseWrapper, QueryTimeout
from gateway.database.bounds import bound_queries, connection_options
from gateway.tests.databases import USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.scrapes import Scrape
from gateway.tests.services import Services, start_services
from modelops.simulator.process import start_simulator

pytestmark = [pytest.mark.services]

PATIENCE_S = 60.0
"""More than any request may take here, and less than the freeze, which ends after it."""


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    """Servers of this module's own: they get frozen."""
    with start_services() as started:
        yield started


@pytest.fixture(scope="module")
def frail_gateway(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    stores = Stores(services.database_url, services.redis_url)
    with (
        start_simulator("--served-model-name", "simulated", "--sim-tokens-per-second", "20") as engine,
        start_gateway(
            stores, tmp_path_factory.mktemp("frozen"), engine.base_url, DATABASE_TIMEOUT="2"
        ) as gateway,
    ):
        yield gateway


def test_every_request_is_answered_while_postgresql_is_frozen_and_served_afterwards(
    services: Services, frail_gateway: GatewayProcess
) -> None:
    calls = [
        *[("POST", "/api/chat", {"content": "x", "max_tokens": 2})] * 8,
        *[("POST", "/api/auth/login", {"username": "demo", "password": USER_PASSWORD})] * 2,
        *[("GET", "/api/conversations", None)] * 2,
        *[("GET", path, None) for path in ("/api/auth/me", "/health/ready", "/health", "/metrics")],
    ]
    with frail_gateway.client() as client, ThreadPoolExecutor(len(calls)) as pool:
        client.timeout = httpx.Timeout(PATIENCE_S)
        chat = {"content": "x", "max_tokens": 2}
        assert client.post("/api/chat", json=chat).status_code == 200

        with services.frozen_postgres():
            answers = list(pool.map(lambda call: client.request(call[0], call[1], json=call[2]), calls))

        *refused, health, metrics = answers
        assert {answer.status_code for answer in refused} == {503}
        assert {error_of(answer)["code"] for answer in refused[:-1]} == {"dependency_unavailable"}
        assert health.json()["status"] == "unhealthy"
        assert health.json()["services"]["postgres"]["status"] == "unavailable"
        stores = Scrape(metrics.text)
        assert stores.sum("gateway_store_up", store="redis") == 1
        assert stores.find("gateway_store_up", store="database")
        assert stores.sum("gateway_store_up", store="database") == 0
        wait_until(lambda: client.post("/api/chat", json=chat).status_code == 200, what="chats to be served")
        wait_until(lambda: client.get("/health/ready").status_code == 200, what="the process to be ready")


def test_stream_ends_with_one_event_while_postgresql_is_frozen_and_is_stored_afterwards(
    services: Services, frail_gateway: GatewayProcess
) -> None:
    body = {"content": "x", "max_tokens": 12, "stream": True}
    with frail_gateway.client() as client:
        client.timeout = httpx.Timeout(PATIENCE_S)
        with client.stream("POST", "/api/chat", json=body) as response:
            lines = response.iter_lines()
            next(lines)
            with services.frozen_postgres():
                rest = [line for line in lines if line]
        conversation = response.headers["x-conversation-id"]

        assert rest[-1] == "data: [DONE]"
        assert ["dependency_unavailable" in line for line in rest if '"error"' in line] == [True]
        answer = wait_until(
            lambda: [
                message
                for message in client.get(f"/api/conversations/{conversation}").json().get("messages", [])
                if message["status"] == "complete" and message["role"] == "assistant"
            ],
            timeout_s=30,
            what="the answer to be stored",
        )
        assert answer[0]["content"]


@pytest.fixture
def impatient() -> Iterator[DatabaseWrapper]:
    """A connection to this run's database that waits 0.3 s for an answer, and the server for ever."""
    settings = {**connection.settings_dict, "OPTIONS": connection_options(10) | {"query_timeout": 0.3}}
    wrapper = DatabaseWrapper(settings, "impatient")
    yield wrapper
    wrapper.close()


@pytest.mark.django_db(transaction=True)
def test_query_without_an_answer_is_given_up_with_its_connection(impatient: DatabaseWrapper) -> None:
    with impatient.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()

    with pytest.raises(OperationalError) as caught, impatient.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(600)")

    assert isinstance(caught.value.__cause__, QueryTimeout)
    assert not impatient.is_usable()
    impatient.close_if_unusable_or_obsolete()
    with impatient.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])


@pytest.mark.django_db(transaction=True)
def test_mistake_in_a_query_is_no_reason_to_give_its_connection_up(impatient: DatabaseWrapper) -> None:
    with pytest.raises(psycopg.Error) as caught, impatient.cursor() as cursor:
        cursor.connection.execute("SELECT nonsense")

    assert not isinstance(caught.value, QueryTimeout)
    assert impatient.is_usable()


@pytest.mark.django_db(transaction=True)
def test_server_gives_up_before_the_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    options = dict(connection.settings_dict["OPTIONS"])
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    monkeypatch.setattr("gateway.database.bounds.connections.settings", {"default": connection.settings_dict})

    bound_queries(10)

    wrapper = DatabaseWrapper(connection.settings_dict, "bounded")
    with wrapper.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("9s",)
    wrapper.close()
    assert options["query_timeout"] == 10


def test_peer_that_vanished_counts_as_gone_after_the_time_out() -> None:
    options = connection_options(10)

    assert options["tcp_user_timeout"] == 10_000
    assert options["connect_timeout"] == 5
    assert (options["keepalives"], options["keepalives_idle"]) == (1, 5)
