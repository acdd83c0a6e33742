"""Two slots under one switcher, each on a card of its own: each is switched, drained and ended by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.tests.switching import MESSAGES, Callers, callers_of
from gateway.conf import BASE_DIR
from gateway.tests.databases import Stores
from gateway.tests.live import wait_until
from modelops.tests.hardware.conftest import machine, stub_library
from modelops.tests.hardware.stub import StubMachine
from modelops.tests.switcher.bench import SwitchBench, open_bench

__all__ = ["machine", "stub_library"]

STREAMS = 20
TOKENS = 200
SCRIPT = f"""#!/bin/sh
export PYTHONPATH={BASE_DIR}
exec {sys.executable} -m modelops.simulator "$@" --sim-startup-seconds 0.2 --sim-tokens-per-second 50
"""
"""A `vllm` that takes the real one's arguments, and cards from the switcher."""


@pytest.fixture
def gpu_bench(stores: Stores, tmp_path: Path, machine: StubMachine) -> Iterator[SwitchBench]:
    """Two RTX 3090s, and engines that are processes with a card each."""
    machine.set_state()
    program = tmp_path / "vllm"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    settings = {
        "LD_LIBRARY_PATH": str(machine.library),
        "NVML_STUB_STATE": str(machine.state),
        "VLLM_COMMAND": str(program),
    }
    with open_bench(stores, tmp_path, **settings) as bench:
        for slug in ("a", "b", "c"):
            bench.save_real_profile(slug, runtime="process", tensor_parallel_size=1)
        bench.start_switcher()
        bench.wait_for_gpus()
        yield bench


def divide(bench: SwitchBench) -> list[str]:
    """One slot per card; the cards of both."""
    [first] = bench.order("change_slot", name="default", gpus=["0"])["gpus"]
    bench.order("create_slot", name="second", gpus=["1"])
    [second] = bench.order("change_slot", name="second", gpus=["1"])["gpus"]
    return [first, second]


def test_two_models_chat_at_once_and_none_notices_a_switch_of_the_other(gpu_bench: SwitchBench) -> None:
    check_two_slots(gpu_bench)


def check_two_slots(bench: SwitchBench) -> None:
    """One slot per card; answers of the one stream to their end while the other one is switched."""
    cards = divide(bench)
    with pytest.raises(AssertionError, match="Slot second has GPU 1"):
        bench.order("create_slot", name="third", gpus=["1"])
    bench.switch_and_settle("a")
    bench.switch_and_settle("b", slot="second")

    with bench.web_process() as web, callers_of(web) as callers:
        served = {model["id"] for model in callers.client.get("/v1/models").json()["data"]}
        both = {model: ask(callers, model) for model in ("current", "a", "b")}
        streams = [
            callers.stream("/v1/chat/completions", "a", max_tokens=TOKENS, ignore_eos=True)
            for _ in range(STREAMS)
        ]
        wait_for_running(bench, STREAMS)
        switch = bench.switch_and_settle("c", slot="second")
        replies = [stream.result(60) for stream in streams]
        wait_until(lambda: ask(callers, "c") == "c", what="the other slot's new model")
        gone = callers.client.post("/v1/chat/completions", json={**MESSAGES, "model": "b"})

    assert {"a", "b", "current"} <= served
    assert both == {"current": "a", "a": "a", "b": "b"}
    assert switch["state"] == "active"
    for reply in replies:
        assert (reply.status, reply.is_done, reply.errors) == (200, True, [])
        assert {event["model"] for event in reply.events} == {"a"}
        assert sum(len(event["choices"]) for event in reply.events) >= TOKENS
    assert gone.status_code == 404
    assert cards_of(bench, "default") == cards[:1]
    assert cards_of(bench, "second") == cards[1:] * 2


def ask(callers: Callers, model: str) -> str:
    """The model that answered; why not where none did."""
    answer = callers.client.post("/v1/chat/completions", json={**MESSAGES, "model": model, "max_tokens": 2})
    content: dict[str, Any] = answer.json()
    return str(content.get("model") or content["error"]["message"])


def wait_for_running(bench: SwitchBench, count: int) -> None:
    bench.wait_until(lambda: bench.order("count_open", slot="default")["open"] == count)


def cards_of(bench: SwitchBench, slot: str) -> list[str]:
    """The cards of each engine that was started in the slot, the oldest first."""
    return [card for engine in bench.look(slot)["engines"] for card in engine["gpus"]]


def test_slot_that_is_retired_has_its_engine_ended_and_the_other_one_serves_on(bench: SwitchBench) -> None:
    for slug in ("a", "b"):
        bench.save_profile(slug)
    bench.start_switcher()
    bench.order("create_slot", name="second", has_gpus=False)
    here = bench.switch_and_settle("a")
    there = bench.switch_and_settle("b", slot="second")
    before = bench.look()

    bench.order("retire_slot", name="second")
    bench.wait_until(lambda: bench.look("second")["slot"]["retired_at"])
    retired, after = bench.look("second"), bench.look()

    assert (here["state"], there["state"]) == ("active", "active")
    assert retired["workloads"] == []
    assert [each["end_reason"] for each in retired["engines"]] == ["its slot was retired"]
    assert retired["slot"]["active_engine_id"] is None
    assert after["slot"]["active_engine_id"] == before["slot"]["active_engine_id"]
    assert [each["state"] for each in after["workloads"]] == ["running"]
