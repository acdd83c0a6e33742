"""kill -9 of a replica in the middle of fifty streams, seen from the clients."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from modelops.domain.engine_metrics import parse_metrics
from modelops.tests.switcher.bench import SwitchBench
from modelops.tests.switcher.test_replicas import serving, wait_for_replicas, workload_of

STREAMS = 50
TOKENS = 40
BODY = {"model": "current", "max_tokens": TOKENS}


@pytest.mark.parametrize("replica", [1, 0], ids=["follower", "leader"])
def test_only_the_streams_of_the_dead_replica_end_and_no_new_request_fails(
    replica_bench: SwitchBench, replica: int
) -> None:
    flags = {"sim-tokens-per-second": 8}
    replica_bench.save_profile("paced", replicas=2, flags=flags)
    replica_bench.switch_and_settle("paced")
    before = wait_for_replicas(replica_bench, 2)
    dead = serving(before)[replica]
    with replica_bench.web_process() as gateway, gateway.client() as client:
        begun = threading.Barrier(STREAMS + 1, timeout=60)
        with ThreadPoolExecutor(STREAMS) as pool:
            streams = [pool.submit(read_stream, client, number, begun) for number in range(STREAMS)]
            begun.wait()
            at_dead = count_running(dead["base_url"])
            replica_bench.kill_workload(workload_of(before, dead))
            asked = [ask(client, number) for number in range(20)]
            ends = [stream.result() for stream in streams]
        wait_for_replicas(replica_bench, 2, without=dead["name"])
        asked += [ask(client, number) for number in range(4)]

    failed = [end for end in ends if end["errors"]]
    assert 0 < at_dead < STREAMS
    assert len(failed) == at_dead
    assert {(len(end["errors"]), end["errors"][0]["code"]) for end in failed} == {(1, "upstream_unavailable")}
    assert all(end["is_done"] for end in ends)
    assert {end["tokens"] for end in ends if not end["errors"]} == {TOKENS}
    assert asked == [200] * len(asked)


def read_stream(client: httpx.Client, number: int, begun: threading.Barrier) -> dict[str, Any]:
    """One stream from its first token, of which `begun` is told, to its end."""
    body = {**BODY, "stream": True, "messages": [{"role": "user", "content": f"question {number}"}]}
    errors, tokens, is_done = [], 0, False
    with client.stream("POST", "/v1/chat/completions", json=body, timeout=60) as answer:
        for data in read_events(answer):
            if data == "[DONE]":
                is_done = True
                continue
            event = json.loads(data)
            if "error" in event:
                errors.append(event["error"])
                continue
            is_token = any(choice["delta"].get("content") for choice in event["choices"])
            tokens += is_token
            if is_token and tokens == 1:
                begun.wait()
    return {"errors": errors, "tokens": tokens, "is_done": is_done}


def read_events(answer: httpx.Response) -> Iterator[str]:
    return (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))


def ask(client: httpx.Client, number: int) -> int:
    """The status of a plain request that begins as no other does."""
    messages = [{"role": "user", "content": f"new {number}"}]
    body = {**BODY, "max_tokens": 1, "messages": messages}
    return client.post("/v1/chat/completions", json=body, timeout=60).status_code


def count_running(base_url: str) -> int:
    """The requests that the engine itself says it is answering."""
    counters = parse_metrics(httpx.get(f"{base_url}/metrics").text)
    assert counters is not None
    return int(counters.running)
