"""What is read in the log of a real vLLM, at a good start and at one that cannot work."""

import json
from pathlib import Path

import pytest

from modelops.domain.engine_log.failures import Cause, classify_failure
from modelops.domain.engine_log.startup_log import Phase, StartupLog

from .engine import KV_CACHE_GIB, EngineStartError, VllmEngine, start_vllm
from .install import Installation

pytestmark = pytest.mark.vllm

GIB = 1 << 30
POSITIONS = 1 << 22
"""Twice what the KV cache of these tests holds tokens. Each position takes a kilobyte of tables and more."""


def read_log(path: Path) -> tuple[StartupLog, list[Phase]]:
    """The whole log, line after line, and the phases it went through."""
    log, phases = StartupLog(0.0), [Phase.BOOT]
    for number, line in enumerate(path.read_text(errors="replace").replace("\r", "\n").splitlines()):
        log.feed(line, float(number))
        if log.phase is not phases[-1]:
            phases.append(log.phase)
    return log, phases


def find_newest_log(installation: Installation) -> Path:
    return max(installation.logs.glob("vllm-*.log"), key=lambda path: path.stat().st_mtime)


def test_log_of_a_good_start_tells_phases_and_sizes(vllm_engine: VllmEngine) -> None:
    log, phases = read_log(vllm_engine.log_path)

    # Weights that are made up are not loaded, and nothing is compiled or captured on a CPU.
    assert phases == [Phase.BOOT, Phase.DISTRIBUTED, Phase.DOWNLOAD, Phase.KV_CACHE, Phase.DONE]
    assert log.is_complete
    assert log.sizes.vllm_version is not None and log.sizes.vllm_version.startswith("0.")
    assert log.sizes.max_model_len == vllm_engine.max_model_len
    assert log.sizes.tensor_parallel_size == 1
    assert log.sizes.available_kv_bytes == KV_CACHE_GIB * GIB
    assert log.sizes.kv_cache_tokens is not None and log.sizes.max_concurrency is not None
    assert log.sizes.kv_cache_tokens == pytest.approx(
        log.sizes.max_concurrency * vllm_engine.max_model_len, rel=0.001
    )


def test_context_beyond_the_cache_is_named_with_a_length_that_works(vllm_installation: Installation) -> None:
    override = ("--hf-overrides", json.dumps({"max_position_embeddings": POSITIONS}))

    with (
        pytest.raises(EngineStartError),
        start_vllm(installation=vllm_installation, max_model_len=POSITIONS, extra=override),
    ):
        pytest.fail("its cache cannot hold one request")
    log, _ = read_log(find_newest_log(vllm_installation))
    cause = classify_failure(log.failure_lines(), exit_code=1, phase=log.phase)

    assert cause.code == Cause.CONTEXT_TOO_LONG
    assert cause.can_retry and cause.retry_max_model_len is not None
    with start_vllm(
        installation=vllm_installation, max_model_len=cause.retry_max_model_len, extra=override
    ) as engine:
        log, _ = read_log(engine.log_path)
        assert log.sizes.max_model_len == cause.retry_max_model_len
        assert log.sizes.max_concurrency is not None and log.sizes.max_concurrency >= 1.0
