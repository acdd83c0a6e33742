"""Stores that are frozen: they answer nothing and close nothing, until all clients have their answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
from django.db import OperationalError, connection

from chat.tests.streams import error_of
from gateway.database.base import DatabaseWrapper, QueryTimeout
from gateway.database.bounds import bound_queries, connection_options
from gateway.tests.databases import USER_PASSWORD, Stores
from gateway.tests.forked import run_python
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.scrapes import Scrape
from gateway.tests.services import Services, start_services
from modelops.simulator.process import start_simulator

pytestmark = [pytest.mark.services]

PATIENCE_S = 60.0
"""More than any request may take here, and less than the freeze, which ends after it."""

READY_MS = 2000
"""What orchestrators and load balancers wait for a probe, as a rule."""
CHAT_MS = 5000
"""One wait for Redis is 3 s; two of them in a row would be a chat that hangs."""
CHAT = {"content": "x", "max_tokens": 2}


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


@contextlib.contextmanager
def frozen(services: Services, *names: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if "postgres" in names:
            stack.enter_context(services.frozen_postgres())
        if "redis" in names:
            stack.enter_context(services.frozen_redis())
        yield


def took_ms(gateway: GatewayProcess, path: str, request_id: str) -> float:
    """What the access log says of the time that a request took within the process."""

    def find() -> list[dict[str, Any]]:
        return [
            line
            for line in gateway.log_events("request")
            if (line["path"], line["request_id"]) == (path, request_id)
        ]

    return float(wait_until(find, what="the line of the access log")[0]["latency_ms"])


@pytest.mark.parametrize("names", [("postgres",), ("redis",), ("postgres", "redis")])
def test_readiness_is_refused_in_time_while_stores_are_frozen(
    services: Services, frail_gateway: GatewayProcess, names: tuple[str, ...]
) -> None:
    request_id = f"frozen-{'-'.join(names)}"
    with httpx.Client(base_url=frail_gateway.url, timeout=PATIENCE_S) as client:
        wait_until(lambda: client.get("/health/ready").status_code == 200, what="it to be ready")
        with frozen(services, *names):
            # The outcome of a probe counts for a second.
            wait_until(
                lambda: client.get("/health/ready", headers={"X-Request-Id": request_id}).status_code == 503,
                what="it to be refused",
            )
            health = client.get("/health").json()
            ready = client.get("/health/ready").json()
        wait_until(lambda: client.get("/health/ready").status_code == 200, timeout_s=30, what="its return")

    assert took_ms(frail_gateway, "/health/ready", request_id) < READY_MS
    assert {name: health["services"][name]["status"] for name in ("postgres", "redis")} == {
        name: "unavailable" if name in names else "ok" for name in ("postgres", "redis")
    }
    assert ready["checks"]["cache"] == ("unavailable" if "redis" in names else "ok")
    assert ready["checks"]["database"] == ("unavailable" if "postgres" in names else "ok")


def test_chats_and_log_ins_are_refused_in_time_while_redis_is_frozen(
    services: Services, frail_gateway: GatewayProcess
) -> None:
    login = {"username": "demo", "password": USER_PASSWORD}
    calls = [("/api/chat", CHAT)] * 6 + [("/api/auth/login", login)] * 2
    with frail_gateway.client() as client, ThreadPoolExecutor(len(calls)) as pool:
        client.timeout = httpx.Timeout(PATIENCE_S)

        def ask(numbered: tuple[int, tuple[str, dict[str, Any]]]) -> httpx.Response:
            number, (path, body) = numbered
            return client.post(path, json=body, headers={"X-Request-Id": f"redis-{number}"})

        with services.frozen_redis():
            answers = list(pool.map(ask, enumerate(calls)))
        wait_until(lambda: client.post("/api/chat", json=CHAT).status_code == 200, timeout_s=30, what="chats")

    assert [answer.status_code for answer in answers] == [503] * len(calls)
    assert {error_of(answer)["code"] for answer in answers} == {"dependency_unavailable"}
    times = [took_ms(frail_gateway, path, f"redis-{number}") for number, (path, _body) in enumerate(calls)]
    assert max(times) < CHAT_MS
    assert "exception was never retrieved" not in frail_gateway.log()


def test_doctor_says_which_store_hangs_and_checks_the_rest(
    services: Services, frail_gateway: GatewayProcess
) -> None:
    with frozen(services, "postgres", "redis"):
        done = run_python("manage.py", "doctor", "--json", environment=frail_gateway.environment)

    report = json.loads(done.stdout)
    verdicts = {check["id"]: check["verdict"] for check in report["checks"]}
    assert done.returncode == 1
    assert verdicts["database"] == verdicts["redis"] == "problem"
    assert verdicts["migrations"] == verdicts["switcher"] == "unknown"
    assert verdicts["disk.files"] == "ok"


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
