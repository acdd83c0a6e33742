"""What an engine that is our child gets to see of our environment: what it needs, and none of our secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.conf_engines import EngineConfig
from modelops.runtimes.base import Workload
from modelops.runtimes.weights import is_served_from_cache

_ROOT = Path(__file__).resolve().parents[2]
# A list of what may pass, so that a secret nobody thought of stays behind.
_NAMES = frozenset({"PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SHELL", "VIRTUAL_ENV"})
_PREFIXES = (
    *(
        "LC_",
        "LD_",
        "XDG_",
        "SSL_",
        "HF_",
        "HUGGING",
        "TRANSFORMERS_",
        "VLLM_",
        "TORCH",
        "PYTORCH_",
        "TRITON_",
    ),
    *("CUDA", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "RAY_", "ROCM_", "HIP_"),
)
_OURS = frozenset({"VLLM_API_KEY", "VLLM_BASE_URL", "VLLM_COMMAND"})
_SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "KEY")
_PATHS_OF_SECRETS = frozenset({"HF_TOKEN_PATH"})


def build_engine_environment(
    config: EngineConfig, workload: Workload, ours: Mapping[str, str]
) -> dict[str, str]:
    """Without the hub's token, and where everything was fetched already without the hub."""
    environment = _build(config, workload, {name: ours[name] for name in ours.keys() - _PATHS_OF_SECRETS})
    if is_served_from_cache(workload, is_folder=os.path.isdir):
        environment["HF_HUB_OFFLINE"] = "1"
    return environment | dict(workload.secret_environment)


def build_download_environment(
    config: EngineConfig, workload: Workload, ours: Mapping[str, str]
) -> dict[str, str]:
    """With the hub's token, and without the key of the engine."""
    return _build(config, workload, ours) | dict(workload.hub_environment)


def _build(config: EngineConfig, workload: Workload, ours: Mapping[str, str]) -> dict[str, str]:
    """Tokens and keys come from the workload alone, which says what is secret."""
    environment = {name: value for name, value in ours.items() if _may_pass(name)}
    if config.huggingface_cache.startswith("/"):
        environment["HF_HOME"] = config.huggingface_cache
    if config.vllm_cache.startswith("/"):
        environment["VLLM_CACHE_ROOT"] = config.vllm_cache
    if workload.is_simulated:
        environment["PYTHONPATH"] = str(_ROOT)
    return {
        **environment,
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(workload.gpu_uuids),
        **workload.environment,
    }


def find_hub_cache(config: EngineConfig, ours: Mapping[str, str]) -> Path:
    """The folder that engines download weights to; it need not exist yet."""
    if config.huggingface_cache.startswith("/"):
        return Path(config.huggingface_cache)
    return Path(ours.get("HF_HOME", "~/.cache/huggingface")).expanduser()


def _may_pass(name: str) -> bool:
    is_known = name in _NAMES or name.startswith(_PREFIXES) or name.lower().endswith("_proxy")
    is_secret = any(word in name for word in _SECRET_WORDS) and name not in _PATHS_OF_SECRETS
    return is_known and not is_secret and name not in _OURS
