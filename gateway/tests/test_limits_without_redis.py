"""LIMITS_WITHOUT_REDIS, both ways, with a Redis that is really stopped while the gateway runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from chat.tests.streams import error_of
from gateway.tests.databases import USER_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.redis_server import RedisServer, running_redis
from modelops.simulator.process import start_simulator

pytestmark = pytest.mark.services

REQUESTS = 6
SHORT = {"content": "hello", "max_tokens": 1, "store": False}
LOG_IN = {"username": "demo", "password": USER_PASSWORD}


@contextmanager
def gateway_that(
    stores: Stores, policy: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, RedisServer, httpx.Client]]:
    folder = tmp_path_factory.mktemp(policy)
    with (
        start_simulator("--served-model-name", "simulated", "--sim-tokens-per-second", "20") as engine,
        running_redis(folder) as redis,
        start_gateway(
            stores,
            folder,
            engine.base_url,
            REDIS_URL=redis.url,
            LIMITS_WITHOUT_REDIS=policy,
            RATE_LIMIT_REQUESTS=str(REQUESTS),
            RATE_LIMIT_WINDOW="3600",
            MAX_CONCURRENT_STREAMS="2",
            LOGIN_RATE="5/h",
        ) as gateway,
        gateway.client() as client,
    ):
        yield gateway, redis, client


def chat(client: httpx.Client) -> httpx.Response:
    return client.post("/api/chat", json=SHORT)


def test_refuse_answers_503_until_redis_is_back(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway_that(stores, "refuse", tmp_path_factory) as (gateway, redis, client):
        assert chat(client).status_code == 200

        redis.stop()
        refused = [
            chat(client),
            client.get("/api/auth/me"),
            httpx.post(f"{gateway.url}/api/auth/login", json=LOG_IN),
        ]

        for answer in refused:
            assert answer.status_code == 503
            assert error_of(answer)["code"] == "dependency_unavailable"
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        nonsense = {"Authorization": "Bearer nonsense"}
        assert httpx.post(f"{gateway.url}/api/chat", headers=nonsense).status_code == 401
        redis.start()
        wait_until(lambda: chat(client).status_code == 200, what="Redis to be used again")
        assert client.get("/api/auth/me").status_code == 200


def test_allow_goes_on_with_limits_that_the_process_counts(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway_that(stores, "allow", tmp_path_factory) as (gateway, redis, client):
        in_redis = [chat(client).status_code for _ in range(REQUESTS + 1)]

        redis.stop()
        without = [chat(client) for _ in range(REQUESTS + 1)]
        log_ins = [httpx.post(f"{gateway.url}/api/auth/login", json=LOG_IN).status_code for _ in range(6)]
        me = client.get("/api/auth/me")
        # A change that other processes would not hear of is refused all the same.
        change = client.patch("/api/auth/me", json={"locale": "ko"})
        redis.start()
        wait_until(lambda: chat(client).headers["x-ratelimit-remaining-requests"] != "0", what="Redis")

        expected = [200] * REQUESTS + [429]
        assert in_redis == expected
        assert [answer.status_code for answer in without] == expected
        assert without[0].headers["x-ratelimit-remaining-requests"] == str(REQUESTS - 1)
        assert log_ins == [200] * 5 + [429]
        assert me.status_code == 200
        assert (change.status_code, error_of(change)["code"]) == (503, "dependency_unavailable")


def test_answers_at_a_time_are_limited_without_redis_too(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    story = {"content": "Long story", "stream": True, "store": False}
    with gateway_that(stores, "allow", tmp_path_factory) as (_gateway, redis, client):
        with client.stream("POST", "/api/chat", json=story) as begun:
            lines = (line for line in begun.iter_lines() if line)
            next(lines)
            redis.stop()
            with (
                client.stream("POST", "/api/chat", json=story) as one,
                client.stream("POST", "/api/chat", json=story) as two,
            ):
                statuses = [one.status_code, two.status_code, chat(client).status_code]
            rest = list(lines)

        assert statuses == [200, 200, 429]
        assert rest[-1] == "data: [DONE]"
        assert not [line for line in rest if '"error"' in line]
        wait_until(lambda: chat(client).status_code == 200, what="the places to be free again")


def cut_off(gateway: GatewayProcess) -> GatewayProcess:
    """The same deployment, as it is seen from where Redis cannot be reached."""
    environment = gateway.environment | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    return GatewayProcess(environment, log_path=gateway.log_path)


def test_revocation_that_is_not_forced_changes_nothing_without_redis(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway_that(stores, "allow", tmp_path_factory) as (gateway, _redis, client):
        with pytest.raises(RuntimeError, match="With --force it is done all the same"):
            cut_off(gateway).manage("revoke_sessions", "demo", "--keys")

        assert chat(client).status_code == 200


def test_forced_revocation_is_announced_by_whoever_reaches_redis(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway_that(stores, "allow", tmp_path_factory) as (gateway, _redis, client):
        key = gateway.manage("create_api_key", "demo", "--quiet").strip()
        with httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {key}"}) as by_key:
            assert [chat(client).status_code, chat(by_key).status_code] == [200, 200]

            said = cut_off(gateway).manage("revoke_sessions", "demo", "--keys", "--force")

            wait_until(lambda: gateway.log_events("forced_changes_announced"), what="the announcement")
            assert "sessions ended, 1 API keys revoked" in said
            assert [chat(client).status_code, chat(by_key).status_code] == [401, 401]


def test_forced_revocation_holds_without_redis_and_when_it_is_back(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway_that(stores, "allow", tmp_path_factory) as (gateway, redis, client):
        assert chat(client).status_code == 200

        redis.stop()
        gateway.manage("revoke_sessions", "demo", "--force")

        assert chat(client).status_code == 401
        redis.start()
        wait_until(lambda: gateway.log_events("forced_changes_announced"), what="the announcement")
        assert chat(client).status_code == 401
