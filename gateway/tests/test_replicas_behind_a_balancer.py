"""The shape of more than one machine, for real: nginx, two web replicas, PgBouncer, and Redis with TLS.

Nothing is sticky: nginx deals requests out in turn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.tests.databases import Stores, own_database
from gateway.tests.live import OUT_OF_REACH, GatewayProcess
from gateway.tests.needs import NeedMissing, skip_loudly
from gateway.tests.pooler import start_pooler
from gateway.tests.proxies import Proxy, start_nginx
from gateway.tests.redis_server import SecuredRedis, running_redis
from modelops.simulator.process import start_simulator

pytestmark = pytest.mark.services

STREAMS = 3
"""Of each replica."""
REPLICAS = ("first", "second")
SETTINGS = {
    **OUT_OF_REACH,
    "LOG_FORMAT": "json",
    "AUTO_TITLES": "false",
    "SECURE_COOKIES": "true",
    "TRUSTED_PROXY_HOPS": "1",
    # PgBouncer 1.18 knows no prepared statements in this mode.
    "DATABASE_PREPARED_STATEMENTS": "false",
}


@dataclass(frozen=True)
class Scaled:
    replicas: list[GatewayProcess]
    proxy: Proxy

    def client(self) -> httpx.Client:
        """The demo user's, by way of the balancer."""
        headers = {"Authorization": f"Bearer {self.replicas[0].token()}"}
        return httpx.Client(base_url=self.proxy.url, verify=self.proxy.trust, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def scaled(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    folder = tmp_path_factory.mktemp
    flags = ["--served-model-name", "simulated", "--sim-tokens-per-second", "40"]
    try:
        with (
            start_pooler(stores.database_url, folder("pooler")) as pooler_port,
            running_redis(folder("redis"), SecuredRedis) as redis,
            own_database(stores, folder("scaled")) as common,
            start_simulator(*flags) as engine,
        ):
            database = urlsplit(common["DATABASE_URL"])
            pooled = database._replace(netloc=f"{database.username}@{database.hostname}:{pooler_port}")
            stores_there = {"DATABASE_URL": pooled.geturl(), "REDIS_URL": redis.url}
            environment = common | SETTINGS | stores_there | {"VLLM_BASE_URL": engine.base_url}
            replicas = [
                GatewayProcess(
                    environment | {"GATEWAY_DATA_DIR": str(folder(name))}, log_path=folder(name) / "log"
                )
                for name in REPLICAS
            ]
            try:
                for replica in replicas:
                    replica.start()
                ports = [replica.port for replica in replicas]
                with start_nginx(folder("balancer"), *ports) as proxy:
                    yield Scaled(replicas, proxy)
            finally:
                for replica in replicas:
                    if replica.process is not None:
                        replica.stop()
    except NeedMissing as exc:
        skip_loudly("with several web replicas behind a balancer", exc)


def count_chats(replica: GatewayProcess) -> int:
    return sum(line["path"] == "/api/chat" for line in replica.log_events("request"))


def read_events(answer: httpx.Response) -> Iterator[str]:
    """The data of its events. One that breaks off ends like one that is over."""
    with contextlib.suppress(httpx.HTTPError):
        for line in answer.iter_lines():
            if line.startswith("data: "):
                yield line.removeprefix("data: ")


def test_conversation_goes_on_at_whichever_replica_is_next(scaled: Scaled) -> None:
    with scaled.client() as client:
        first = client.post("/api/chat", json={"content": "one", "max_tokens": 3}).raise_for_status().json()
        place = f"/api/conversations/{first['conversation_id']}"
        for _ in range(5):
            body = {"content": "more", "max_tokens": 3, "conversation_id": first["conversation_id"]}
            client.post("/api/chat", json=body).raise_for_status()
        kept = client.get(place).json()

        assert client.delete(place).status_code == 204

    assert len(kept["messages"]) == 12
    assert all(count_chats(replica) for replica in scaled.replicas)


def test_stop_button_reaches_the_replica_that_generates(scaled: Scaled) -> None:
    first, second = scaled.replicas
    with first.client() as here, second.client() as there:
        with here.stream("POST", "/api/chat", json={"content": "Long story", "stream": True}) as answer:
            events = read_events(answer)
            next(events)
            message = "/api/conversations/{x-conversation-id}/messages/{x-message-id}"

            there.post(message.format_map(answer.headers) + "/cancel").raise_for_status()
            list(events)

        conversation = there.get(f"/api/conversations/{answer.headers['x-conversation-id']}").json()
    assert conversation["messages"][-1]["status"] == "cancelled"


def test_replica_that_is_killed_takes_only_its_own_streams_along(scaled: Scaled) -> None:
    killed = scaled.replicas[1]
    body = {"content": "Long story", "stream": True, "max_tokens": 60}
    with ExitStack() as stack, scaled.client() as client:
        answers = [
            stack.enter_context(client.stream("POST", "/api/chat", json=body)) for _ in range(2 * STREAMS)
        ]
        streams = [read_events(answer) for answer in answers]
        for events in streams:
            next(events)

        killed.kill()
        ends = [list(events)[-1] for events in streams]
        later = [
            client.post("/api/chat", json={"content": "x", "max_tokens": 2}).status_code
            for _ in range(4 * STREAMS)
        ]

    assert ends.count("[DONE]") == STREAMS
    assert later == [200] * len(later)
    killed.start()
    with killed.client() as client:
        assert client.post("/api/chat", json={"content": "x", "max_tokens": 2}).status_code == 200
