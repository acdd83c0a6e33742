"""What people are told while a switch drains, and how an operator hurries it, with a real switcher."""

from __future__ import annotations

import httpx
import pytest

from gateway.tests.live import wait_until
from modelops.tests.switcher.bench import SwitchBench


@pytest.fixture
def ready_bench(bench: SwitchBench) -> SwitchBench:
    """A serves, B has served before, and a switcher runs."""
    for slug in ("a", "b"):
        bench.save_profile(slug)
    bench.start_switcher()
    for slug in ("b", "a"):
        assert bench.switch_and_settle(slug)["state"] == "active", bench.switcher_log()[-3000:]
    return bench


@pytest.mark.parametrize("seconds", [15, 40])
def test_retry_after_of_a_draining_switch_is_what_the_profile_usually_takes(
    ready_bench: SwitchBench, seconds: int
) -> None:
    ready_bench.order("remember_start", profile="b", seconds=seconds)
    with (
        ready_bench.web_process(SWITCH_WAIT="0.2") as gateway,
        gateway.client() as client,
        ready_bench.busy_web_process(),
    ):
        ready_bench.request("b", drain_timeout_s=0, drain_policy="wait")
        ready_bench.wait_for_state("draining")

        def ask() -> httpx.Response | None:
            answer = client.post("/api/chat", json={"content": "hi", "model": "current", "max_tokens": 1})
            return answer if answer.is_error else None

        refused: httpx.Response = wait_until(ask, what="the web process to see the closed gate")
        status = client.get("/api/models/status").json()
        ready_bench.order("cancel")
        ready_bench.wait_until_settled()

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_switching")
    assert int(refused.headers["Retry-After"]) in (seconds - 1, seconds)
    assert status["eta_s"] in (seconds - 1, seconds)


def test_asking_again_with_another_policy_hurries_a_switch_that_drains(ready_bench: SwitchBench) -> None:
    with ready_bench.busy_web_process():
        switch_id = ready_bench.request("b", drain_timeout_s=3600, drain_policy="wait")
        ready_bench.wait_for_state("draining")

        joined = ready_bench.request("b", drain_timeout_s=0, drain_policy="cut")
        ready_bench.wait_until_settled()

    assert joined == switch_id
    assert ready_bench.find_switch(switch_id)["state"] == "active"
