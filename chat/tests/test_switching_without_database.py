"""The database goes away while models are served and switched: what was known last goes on."""

from __future__ import annotations

import httpx
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from chat.tests.switching import FakeSwitcher, callers_of, database_of, running_on
from gateway.tests.databases import Stores
from gateway.tests.live import start_gateway, wait_until
from gateway.tests.services import start_services
from modelops.models import WebPresence
from modelops.simulator.process import start_simulator

pytestmark = [pytest.mark.services]


def test_engines_serve_while_the_database_is_away_and_switches_are_followed_afterwards(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    with (
        start_services() as services,
        start_simulator("--served-model-name", "a", "--sim-tokens-per-second", "20") as engine_a,
        start_simulator("--served-model-name", "b") as engine_b,
    ):
        stores = Stores(services.database_url, services.redis_url)
        with (
            start_gateway(stores, tmp_path_factory.mktemp("away"), "") as gateway,
            database_of(gateway, django_db_blocker),
            callers_of(gateway) as callers,
        ):
            switcher = FakeSwitcher.open(gateway, engine_a.base_url, engine_b.base_url)
            running = callers.stream("/v1/chat/completions", max_tokens=30)
            wait_until(lambda: running_on(engine_a.base_url) == 1, what="the answer to run")
            connection.close()

            services.stop_postgres()
            wait_until(lambda: gateway.log_events("database_failed"), what="the gateway to notice")
            health = httpx.get(f"{gateway.url}/health").json()["services"]
            services.start_postgres()
            seen_at = WebPresence.objects.get().seen_at
            wait_until(
                lambda: WebPresence.objects.get().seen_at > seen_at, what="the gateway to be heard of again"
            )
            switch = switcher.begin()
            waiting = callers.ask()
            switcher.await_counts(waiting=1)
            switcher.finish(switch, on=switcher.b)

            assert (health["postgres"]["status"], health["vllm"]["status"]) == ("unavailable", "ready")
            assert running.result(20).errors == []
            assert waiting.result(20).json()["model"] == "b"
