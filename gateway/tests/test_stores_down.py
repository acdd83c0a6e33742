"""What clients are told while the database or Redis is away, and that they are served again afterwards."""

from __future__ import annotations

import httpx
import pytest

from chat.tests.streams import error_of, read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import start_gateway, wait_until
from gateway.tests.services import start_services
from modelops.simulator.process import start_simulator

pytestmark = [pytest.mark.services]


def test_redis_away_is_a_503_that_passes(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> None:
    with start_gateway(
        stores, tmp_path_factory.mktemp("noredis"), simulator, REDIS_URL="redis://127.0.0.1:1/0"
    ) as gateway:
        login = httpx.post(
            f"{gateway.url}/api/auth/login", json={"username": "demo", "password": "whatever it is"}
        )
        token = gateway.manage(
            "shell",
            "--no-imports",
            "-c",
            "from accounts.models import User; from accounts.tokens import issue_pair; "
            "print(issue_pair(User.objects.get(username='demo')).access_token)",
        ).strip()
        chat = httpx.post(
            f"{gateway.url}/api/chat",
            json={"content": "x"},
            headers={"Authorization": f"Bearer {token}"},
        )
        health = httpx.get(f"{gateway.url}/health").json()
        ready = httpx.get(f"{gateway.url}/health/ready")

    for answer in (login, chat):
        assert answer.status_code == 503
        assert error_of(answer)["code"] == "dependency_unavailable"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert health["status"] == "unhealthy"
    assert health["services"]["redis"]["status"] == "unavailable"
    assert ready.status_code == 503


def test_an_answer_survives_a_database_that_goes_away_in_the_middle(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """PostgreSQL restarts while an answer streams: the answer is kept whole, later calls work."""
    with (
        start_services() as services,
        start_simulator("--served-model-name", "simulated", "--sim-tokens-per-second", "20") as engine,
    ):
        stores = Stores(services.database_url, services.redis_url)
        with (
            start_gateway(
                stores,
                tmp_path_factory.mktemp("restart"),
                engine.base_url,
                MESSAGE_LEASE="1",
                CHECKPOINT_INTERVAL="0.2",
            ) as gateway,
            gateway.client() as client,
        ):
            with client.stream("POST", "/api/chat", json={"content": "x", "stream": True}) as response:
                lines = response.iter_lines()
                next(lines)
                services.restart_postgres()
                rest = [line for line in lines if line]
            conversation = response.headers["x-conversation-id"]

            assert rest[-1] == "data: [DONE]"
            assert not [line for line in rest if '"error"' in line]
            answer = wait_until(
                lambda: client.get(f"/api/conversations/{conversation}").json().get("messages"),
                what="the database to be back",
            )[1]
            assert answer["status"] == "complete"
            assert read_stream(client, "/api/chat", {"content": "again", "max_tokens": 2}).is_done
