"""The fit check's terms against what a real vLLM says of itself, as far as the CPU build tells."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import GIB

from .engine import VllmEngine
from .install import VLLM_VERSION, Installation
from .test_startup_log import read_log

pytestmark = pytest.mark.vllm

CACHE_CONFIG = re.compile(r"vllm:cache_config_info\{(?P<labels>[^}]*)\}")
COUNT_BYTES = """
import sys, torch
from transformers import LlamaConfig, LlamaForCausalLM
config = LlamaConfig.from_pretrained(sys.argv[1])
with torch.device("meta"):
    model = LlamaForCausalLM(config).to(torch.bfloat16)
positions = config.max_position_embeddings * config.head_dim
print(sum(each.numel() * each.element_size() for each in model.parameters()), 2 * positions)
"""
"""The weights as the model's own code makes them, for the CPU build prints no size of them, and the table of
rotations that vLLM keeps beside: a sine and a cosine in 16 bit for every position and half of a head."""


def read_cache_labels(client: httpx.Client) -> dict[str, str]:
    """What the engine's metrics tell of its cache: blocks, tokens of one block, and more."""
    found = CACHE_CONFIG.search(client.get("/metrics").text)
    assert found is not None
    return dict(re.findall(r'(\w+)="([^"]*)"', found["labels"]))


def ask_check(model: Path, sizes: EngineSizes, block_tokens: int, length: int) -> dict[str, Any]:
    """The report on a card with the engine's budget for its cache."""
    return answer_question(
        {
            "config": json.loads((model / "config.json").read_text()),
            "gpus": [{"name": "RTX 3090", "total_mib": 24135}],
            "vllm_version": sizes.vllm_version,
            "kv_cache_memory_bytes": sizes.available_kv_bytes,
            "block_size": block_tokens,
            "max_model_len": length,
            "enforce_eager": True,
        }
    )


def test_the_check_gives_the_cache_that_the_engine_prints(
    vllm_engine: VllmEngine, vllm_client: httpx.Client, vllm_installation: Installation
) -> None:
    log, _ = read_log(vllm_engine.log_path)
    labels = read_cache_labels(vllm_client)
    block_tokens, blocks = int(labels["block_size"]), int(labels["num_gpu_blocks"])

    report = ask_check(vllm_installation.model, log.sizes, block_tokens, vllm_engine.max_model_len)

    assert report["kv_cache_bytes"] == log.sizes.available_kv_bytes == GIB
    assert report["kv_cache_tokens"] == log.sizes.kv_cache_tokens == blocks * block_tokens
    # One block more than the request fills: from 0.29 on one of all blocks stays empty.
    per_token = GIB // (blocks * block_tokens)
    assert report["kv_bytes_per_request"] == (vllm_engine.max_model_len + block_tokens) * per_token
    assert report["max_concurrency"] == log.sizes.max_concurrency


def test_the_check_weighs_the_model_as_its_own_code_makes_it(vllm_installation: Installation) -> None:
    report = ask_check(vllm_installation.model, EngineSizes(vllm_version=VLLM_VERSION), 16, 1024)

    made = subprocess.run(
        [vllm_installation.python, "-c", COUNT_BYTES, vllm_installation.model],
        capture_output=True,
        check=True,
        text=True,
    )

    assert report["weights_bytes"] == pytest.approx(sum(map(int, made.stdout.split())), rel=0.02)
