"""Environment variables that a profile may give its engine.

Only switches and numbers are listed. What names a file, a library to load or another host is not, and
neither are secrets; the values themselves cannot spell a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.wording import FilledText, Translatable, fill_in, fill_text
from modelops.domain.errors import FieldError
from modelops.domain.profiles.kinds import Kind, Problems, choice, describe, text

_VALUE = text(
    200,
    pattern=r"[A-Za-z0-9_.,:;^=+|-]+",
    like=fill_in("a plain value without spaces or slashes"),
    may_be_empty=False,
)
_BOOLEAN = choice("0", "1")
_PARTITION = text(
    200, pattern=r"[0-9]+(,[0-9]+)*", like=fill_in("numbers with commas, such as 16,32"), may_be_empty=False
)
_COUNT = text(12, pattern=r"[0-9]+", like=fill_in("a whole number in quotes"), may_be_empty=False)


@dataclass(frozen=True)
class Variable:
    name: str
    kind: Kind
    help: str


VARIABLES: tuple[Variable, ...] = (
    Variable("NCCL_P2P_DISABLE", _BOOLEAN, "1: no peer-to-peer between cards (two 3090s without NVLink)."),
    Variable("NCCL_P2P_LEVEL", _VALUE, "How far apart cards may be for peer-to-peer."),
    Variable("NCCL_SHM_DISABLE", _BOOLEAN, "1: no shared memory between ranks."),
    Variable("NCCL_IB_DISABLE", _BOOLEAN, "1: no InfiniBand."),
    Variable("NCCL_IB_HCA", _VALUE, "Which InfiniBand adapters."),
    Variable("NCCL_SOCKET_IFNAME", _VALUE, "Which network interfaces."),
    Variable("NCCL_DEBUG", choice("VERSION", "WARN", "INFO", "TRACE"), "How much NCCL logs."),
    Variable("NCCL_DEBUG_SUBSYS", _VALUE, "What it logs about."),
    Variable("NCCL_CUMEM_ENABLE", _BOOLEAN, "Memory by CUDA's cuMem interface."),
    Variable("NCCL_NVLS_ENABLE", _BOOLEAN, "NVLink SHARP."),
    Variable("NCCL_ALGO", _VALUE, "Which collective algorithms."),
    Variable("NCCL_PROTO", _VALUE, "Which protocols."),
    Variable("NCCL_MIN_NCHANNELS", _COUNT, "Fewest channels."),
    Variable("NCCL_MAX_NCHANNELS", _COUNT, "Most channels: fewer take less memory."),
    Variable("NCCL_BUFFSIZE", _COUNT, "Bytes of each channel's buffer."),
    Variable("CUDA_DEVICE_ORDER", choice("PCI_BUS_ID", "FASTEST_FIRST"), "How cards are numbered."),
    Variable("CUDA_MODULE_LOADING", choice("LAZY", "EAGER"), "When kernels are loaded."),
    Variable("CUDA_LAUNCH_BLOCKING", _BOOLEAN, "1: wait for each kernel (to find faults)."),
    Variable("PYTORCH_CUDA_ALLOC_CONF", _VALUE, "PyTorch's allocator, such as expandable_segments:True."),
    Variable("PYTORCH_ALLOC_CONF", _VALUE, "The same under its newer name."),
    Variable("TORCH_NCCL_ASYNC_ERROR_HANDLING", _COUNT, "What PyTorch does when a collective fails."),
    Variable("OMP_NUM_THREADS", _COUNT, "Threads of CPU work per process."),
    Variable("TOKENIZERS_PARALLELISM", choice("true", "false"), "Threads in the tokenizer."),
    Variable("HF_HUB_OFFLINE", _BOOLEAN, "1: use the cache alone, ask the hub nothing."),
    Variable("TRANSFORMERS_OFFLINE", _BOOLEAN, "1: the same for transformers."),
    Variable("HF_HUB_DISABLE_XET", _BOOLEAN, "1: download without Xet."),
    Variable("HF_HUB_DOWNLOAD_TIMEOUT", _COUNT, "Seconds to wait for the hub's data."),
    Variable("HF_HUB_ETAG_TIMEOUT", _COUNT, "Seconds to wait for the hub's answer about a file."),
    Variable("HF_HUB_DISABLE_TELEMETRY", _BOOLEAN, "1: no usage data to the hub."),
    Variable("VLLM_LOGGING_LEVEL", choice("DEBUG", "INFO", "WARNING", "ERROR"), "How much vLLM logs."),
    Variable("VLLM_LOG_STATS_INTERVAL", _COUNT, "Seconds between statistics in the log."),
    Variable("VLLM_NO_USAGE_STATS", _BOOLEAN, "1: no usage data to vLLM's project."),
    Variable("VLLM_DO_NOT_TRACK", _BOOLEAN, "1: the same under another name."),
    Variable("VLLM_WORKER_MULTIPROC_METHOD", choice("fork", "spawn"), "How workers are started."),
    Variable("VLLM_ATTENTION_BACKEND", _VALUE, "Attention kernels, in versions without the flag."),
    Variable(
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS",
        _BOOLEAN,
        "1: images of requests may come from where a host redirects to. 0 unless given.",
    ),
    Variable("VLLM_USE_FLASHINFER_SAMPLER", _BOOLEAN, "Sample with FlashInfer."),
    Variable("VLLM_USE_V1", _BOOLEAN, "0: the old engine, in versions that have both."),
    Variable("VLLM_PP_LAYER_PARTITION", _PARTITION, "Layers of each pipeline stage, such as 16,32."),
    Variable("VLLM_SKIP_P2P_CHECK", _BOOLEAN, "1: believe the driver about peer-to-peer."),
    Variable("VLLM_MARLIN_USE_ATOMIC_ADD", _BOOLEAN, "1: faster small batches of 4-bit weights."),
    Variable("VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS", _COUNT, "Longest time of one step."),
    Variable("VLLM_CPU_KVCACHE_SPACE", _COUNT, "GiB of KV cache of a CPU build."),
)

_BY_NAME = {variable.name: variable for variable in VARIABLES}

_LOADS_CODE: Translatable = "would load code into the engine"
_SECRET: Translatable = "is a secret, and a profile is no place for one"  # noqa: S105 - a reason, no password
REFUSED_VARIABLES: Mapping[str, Translatable] = {
    "LD_PRELOAD": _LOADS_CODE,
    "LD_LIBRARY_PATH": _LOADS_CODE,
    "PYTHONPATH": _LOADS_CODE,
    "PYTHONSTARTUP": _LOADS_CODE,
    "VLLM_PLUGINS": _LOADS_CODE,
    "NCCL_NET_PLUGIN": _LOADS_CODE,
    "PATH": "decides which programs run",
    "HF_TOKEN": _SECRET,
    "HUGGING_FACE_HUB_TOKEN": _SECRET,
    "VLLM_API_KEY": _SECRET,
    "HF_ENDPOINT": "is a setting of the deployment: the token would follow it",
    "CUDA_VISIBLE_DEVICES": "follows from gpu_selection",
    "VLLM_SERVER_DEV_MODE": "follows from enable_sleep_mode",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "would serve contexts that the model was not made for",
    "VLLM_ALLOW_INSECURE_SERIALIZATION": _LOADS_CODE,
}
"""Why some variables are not on the list; any other name is merely unknown."""


def explain_variable(name: str) -> FilledText:
    """Why a profile may not set this variable."""
    reason = REFUSED_VARIABLES.get(name.upper())
    if reason:
        return fill_in("cannot be set: it {reason}", reason=fill_text(reason, {}))
    return fill_in("is not on the list of variables that a profile may set")


def read_environment(field: str, value: Any, problems: Problems) -> dict[str, str]:
    """Read `{name: text}`; the result is sorted by name."""
    if not isinstance(value, Mapping):
        problems.append(FieldError(field, fill_in("must be an object, not {value}", value=describe(value))))
        return {}
    environment = {}
    for name in sorted(value, key=str):
        variable = _BY_NAME.get(name) if isinstance(name, str) else None
        if variable is None:
            problems.append(FieldError(f"{field}.{name}", explain_variable(str(name))))
            continue
        environment[name] = variable.kind.read(f"{field}.{name}", value[name], problems)
    return environment


ENVIRONMENT_KIND = Kind("object of environment variables, values in quotes", read_environment)
