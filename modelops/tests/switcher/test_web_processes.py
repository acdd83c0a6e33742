"""Web processes that come and go while a switcher works."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.tests.databases import Stores
from gateway.tests.services import start_services
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_docker_switch import count_open, stream_one
from modelops.tests.switcher.test_failures import profile_of


@pytest.mark.parametrize("state", ["draining", "loading"])
def test_a_web_process_that_is_killed_and_restarted_changes_nothing_for_the_switch(
    bench: SwitchBench, state: str
) -> None:
    for slug in ("a", "b"):
        bench.save_profile(slug, flags={"sim-startup-seconds": 2, "sim-tokens-per-second": 20})
    bench.start_switcher()
    bench.switch_and_settle("a")
    with bench.web_process() as gateway, ThreadPoolExecutor(1) as pool:
        headers = {"Authorization": f"Bearer {gateway.token()}"}
        with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as client:
            if state == "draining":
                cut = pool.submit(stream_one, client, 1)
                bench.wait_until(lambda: count_open(gateway) == 1)
            switch_id = bench.request("b")
            bench.wait_for_state(state)

            gateway.kill()
            gateway.start()
            rows = bench.wait_until_settled()

            if state == "draining":
                assert isinstance(cut.exception(30), httpx.HTTPError)
            body = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
            answer = client.post("/v1/chat/completions", json=body)

    assert bench.find_switch(switch_id)["state"] == "active"
    assert profile_of(rows) == "b"
    assert (answer.status_code, answer.json()["model"]) == (200, "b")


@pytest.mark.services
def test_a_database_that_restarts_during_a_switch_neither_cuts_answers_nor_ends_the_switch(
    tmp_path: Path,
) -> None:
    with start_services() as services:
        stores = Stores(services.database_url, services.redis_url)
        with open_bench(stores, tmp_path, SWITCH_DRAIN_TIMEOUT="60") as bench:
            for slug in ("a", "b"):
                bench.save_profile(slug, flags={"sim-startup-seconds": 2, "sim-tokens-per-second": 20})
            bench.start_switcher()
            bench.switch_and_settle("a")
            with bench.web_process() as gateway, ThreadPoolExecutor(1) as pool:
                headers = {"Authorization": f"Bearer {gateway.token()}"}
                with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as client:
                    running = pool.submit(stream_one, client, 1)
                    bench.wait_until(lambda: count_open(gateway) == 1)
                    switch_id = bench.request("b")
                    bench.wait_for_state("draining")

                    services.restart_postgres()
                    answer = running.result(60)
                    bench.wait_for_state("loading")
                    services.restart_postgres()
                    rows = bench.wait_until_settled()

            switch = bench.find_switch(switch_id)

    assert (answer["status"], answer["errors"], answer["is_done"]) == (200, [], True)
    assert answer["models"] == {"a"}
    assert switch["state"] == "active"
    assert profile_of(rows) == "b"
