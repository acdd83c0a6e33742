"""An engine that the switcher started is of use to the gateway alone."""

from __future__ import annotations

import httpx

from gateway.tests.live import wait_until
from modelops.tests.switcher.bench import SwitchBench


def test_engine_serves_the_gateway_and_no_neighbour_also_after_a_new_switcher_adopted_it(
    bench: SwitchBench,
) -> None:
    body = {"model": "current", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}
    bench.save_profile("a")
    bench.start_switcher()
    bench.switch_and_settle("a")
    before = bench.look()
    engine = before["engines"][-1]["base_url"]

    neighbour = httpx.post(f"{engine}/v1/chat/completions", json={**body, "model": "a"})
    bench.end_switcher(bench.switcher)
    bench.start_switcher()
    with bench.web_process() as gateway, gateway.client() as client:
        wait_until(lambda: client.post("/v1/chat/completions", json=body).status_code == 200)
        wait_until(lambda: is_probed_well(client))
    after = bench.look()

    assert neighbour.status_code == 401
    assert after["slot"]["active_engine_id"] == before["slot"]["active_engine_id"]
    assert [each["state"] for each in after["switches"]] == ["active"]


def is_probed_well(client: httpx.Client) -> bool:
    """The web process has asked the engine itself, with its key, what it serves."""
    return client.get("/health").json()["services"]["vllm"]["latency_ms"] is not None
