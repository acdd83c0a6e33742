"""Starting, failing to start, and ending: the real process."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time

import aiohttp
import pytest

from modelops.simulator.process import (
    RunningSimulator,
    SimulatorNotReadyError,
    find_free_port,
    start_simulator,
)
from modelops.tests.simulator.wire_helpers import (
    CHAT,
    chat_body,
    joined_content,
    stream_events,
    wait_for_metric,
)

PHASES = (
    "non-default args",
    "Resolved architecture",
    "Using max model len 2048",
    "world_size=2 rank=0",
    "vLLM is using nccl==",
    "Starting to load model",
    "Time spent downloading weights",
    "Loading safetensors checkpoint shards: 100% Completed | 4/4",
    "Loading weights took",
    "Model loading took",
    "Starting torch.compile",
    "Compiling a graph for compile range",
    "Initial profiling/warmup run took",
    "Estimated CUDA graph memory",
    "Available KV cache memory",
    "GPU KV cache size",
    "Capturing CUDA graphs",
    "Graph capturing finished in",
    "init engine (",
    "Application startup complete",
)
FAILURES = {
    "gpu_occupied": "Free memory on device",
    "cuda_oom": "CUDA out of memory",
    "no_kv_blocks": "No available memory for the cache blocks",
    "context_too_long_for_kv": "the estimated maximum model length is 2048",
    "heads_not_divisible": "attention heads (25) must be divisible",
    "context_beyond_positions": "max_model_len (8192) is greater than the derived max_model_len",
    "gated_repo": "Cannot access gated repo",
    "no_disk": "No space left on device",
    "no_shm": "Insufficient space in /dev/shm",
    "nccl_error": "ncclSystemError",
    "port_in_use": "Address already in use",
}


def fail_to_start(*flags: str, port: int | None = None) -> SimulatorNotReadyError:
    # One of the failures is to fill two gigabytes, which a busy machine takes its time for.
    with (
        pytest.raises(SimulatorNotReadyError) as error,
        start_simulator(*flags, port=port, timeout_s=60),
    ):
        pass
    return error.value


def test_every_phase_is_in_the_log_in_order() -> None:
    with start_simulator("--tensor-parallel-size", "2", "--max-model-len", "2048") as simulator:
        log = simulator.read_log()

    positions = [log.find(phase) for phase in PHASES]
    assert -1 not in positions, PHASES[positions.index(-1)]
    assert positions == sorted(positions)
    size, context, concurrency = _kv_cache_line(log)
    assert context == 2048
    assert concurrency == pytest.approx(size / context, abs=0.01)
    assert re.search(
        r"^\(APIServer pid=\d+\) INFO \d\d-\d\d \d\d:\d\d:\d\d \[\w+\.py:\d+\] ", log, re.MULTILINE
    )


def _kv_cache_line(log: str) -> tuple[int, int, float]:
    line = (
        r"GPU KV cache size: ([\d,]+) tokens, Maximum concurrency for ([\d,]+) tokens per request: ([\d.]+)x"
    )
    match = re.search(line, log)
    assert match is not None
    return int(match[1].replace(",", "")), int(match[2].replace(",", "")), float(match[3])


def test_it_refuses_connections_until_it_has_started() -> None:
    started = time.monotonic()
    with start_simulator(startup_s=1.0, wait_until_ready=False) as simulator:
        refused = 0
        while simulator.health_status() is None:
            refused += 1
            time.sleep(0.02)

        assert refused > 1
        assert time.monotonic() - started >= 1.0
        assert simulator.health_status() == 200


@pytest.mark.parametrize(("fault", "fragment"), FAILURES.items())
def test_a_failed_start_leaves_its_cause_in_the_log_and_exits_1(fault: str, fragment: str) -> None:
    error = fail_to_start("--sim-fault", fault, "--tensor-parallel-size", "2")

    assert error.returncode == 1
    assert fragment in error.log
    assert "Traceback (most recent call last)" in error.log
    assert "Application startup complete" not in error.log
    wrapped = "Engine core initialization failed" in error.log
    assert not wrapped or error.log.index(fragment) < error.log.index("Engine core initialization failed")


def test_a_context_up_to_the_estimate_starts() -> None:
    flags = ("--sim-fault", "context_too_long_for_kv", "--sim-limit", "3000")

    with start_simulator(*flags, "--max-model-len", "3000") as simulator:
        assert simulator.health_status() == 200
    assert "is 3000. Try increasing" in fail_to_start(*flags, "--max-model-len", "3001").log


def test_a_port_that_is_taken_is_a_real_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start_simulator(port=port, wait_until_ready=False) as simulator:
            assert simulator.process.wait(10) == 1
            assert "[Errno 98] Address already in use" in simulator.read_log()


@pytest.mark.parametrize("fault", ["killed", "fill_host_memory"])
def test_a_killed_start_ends_by_sigkill(fault: str) -> None:
    error = fail_to_start("--sim-fault", fault)

    assert error.returncode == -signal.SIGKILL
    assert "Starting to load model" in error.log


def test_a_hung_start_stays_at_the_weights_until_terminated() -> None:
    with start_simulator("--sim-fault", "hang_loading", wait_until_ready=False) as simulator:
        wait_for_log(simulator, "50% Completed")

        assert simulator.health_status() is None
        assert simulator.process.poll() is None
        simulator.process.terminate()
        assert simulator.process.wait(5) == 130
        assert "Loading weights took" not in simulator.read_log()


def wait_for_log(simulator: RunningSimulator, fragment: str) -> None:
    deadline = time.monotonic() + 10
    while fragment not in simulator.read_log():
        assert time.monotonic() < deadline, simulator.read_log()
        time.sleep(0.02)


async def test_sigterm_cuts_running_streams_and_exits_0() -> None:
    with start_simulator("--sim-first-token-seconds", "0") as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            body = chat_body(ignore_eos=True, stream=True)
            async with session.post(CHAT, json=body) as response:
                await response.content.readany()
                simulator.process.terminate()
                with pytest.raises(aiohttp.ClientError):
                    await response.read()

        assert await asyncio.to_thread(simulator.process.wait, 5) == 0
        assert simulator.health_status() is None


async def test_a_shutdown_timeout_lets_running_streams_finish_but_takes_no_more() -> None:
    flags = ("--shutdown-timeout", "10", "--sim-tokens-per-second", "20", "--sim-first-token-seconds", "0")
    with start_simulator(*flags) as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            stream = asyncio.create_task(stream_events(session, chat_body(max_tokens=20, ignore_eos=True)))
            await wait_for_metric(session, "vllm:num_requests_running", 1)
            simulator.process.terminate()
            await asyncio.to_thread(wait_for_log, simulator, "mode=drain")

            assert simulator.health_status() is None
            events = await stream

        assert events[-1]["choices"][0]["finish_reason"] == "length"
        assert joined_content(events).startswith("This is a simulated reply")
        assert await asyncio.to_thread(simulator.process.wait, 5) == 0


async def test_it_can_fall_silent_on_sigterm_and_stay_until_its_clients_leave() -> None:
    flags = ("--sim-fault", "hang_on_sigterm", "--sim-first-token-seconds", "0")
    with start_simulator(*flags) as simulator:
        async with aiohttp.ClientSession(simulator.base_url) as session:
            body = chat_body(ignore_eos=True, stream=True)
            async with session.post(CHAT, json=body) as response:
                await response.content.readany()
                simulator.process.terminate()
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1):
                        while await response.content.readany():
                            pass
                assert simulator.process.poll() is None

        assert await asyncio.to_thread(simulator.process.wait, 5) == 0


def test_an_unready_simulator_is_ended_when_the_block_is_left() -> None:
    with start_simulator(startup_s=60, port=find_free_port(), wait_until_ready=False) as simulator:
        assert simulator.process.poll() is None

    assert simulator.process.poll() is not None
