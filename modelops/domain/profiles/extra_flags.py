"""Further vLLM flags that a profile may set, each with the kind of value it takes.

A flag is listed when it can neither read a file, load code, open a port, weaken access nor take more
GPUs than planned. What has a field of its own is not repeated here. The tables name flags of vLLM 0.32
(vllm/engine/arg_utils.py, vllm/entrypoints/launchers/cli_args.py) with their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.wording import Translatable, fill_in, fill_text
from modelops.domain.errors import FieldError
from modelops.domain.profiles.json_flags import (
    COMPILATION_CONFIG,
    MEDIA_IO_KWARGS,
    MM_PROCESSOR_KWARGS,
    POOLER_CONFIG,
)
from modelops.domain.profiles.kinds import (
    Kind,
    Problems,
    boolean,
    choice,
    describe,
    number,
    text,
    whole,
    words,
)
from modelops.domain.profiles.setting import Setting, list_settings
from modelops.domain.profiles.syntax import REPOSITORY, REVISION

SIMULATOR_PREFIX = "sim-"


@dataclass(frozen=True)
class ExtraFlag:
    name: str
    kind: Kind
    help: str


_SWITCH = boolean()
_NAME = text(40, pattern=r"[a-z][a-z0-9_]*", like=fill_in("the name of a back-end, such as marlin"))
_STATE_TYPE = choice("auto", "float32", "float16", "bfloat16")
_HASH = choice("sha256", "sha256_cbor", "xxhash", "xxhash_cbor")
_LOGPROBS = choice("raw_logits", "raw_logprobs", "processed_logits", "processed_logprobs")


def _read_never(field: str, value: Any, problems: Problems) -> bool:
    if _SWITCH.read(field, value, problems):
        problems.append(FieldError(field, fill_in("must be false: the log would hold what users say")))
    return False


_NEVER = Kind("`false`", _read_never, is_switch=True)

EXTRA_FLAGS: tuple[ExtraFlag, ...] = (
    ExtraFlag("enable-prefix-caching", _SWITCH, "Reuse the KV cache of equal beginnings."),
    ExtraFlag("enable-chunked-prefill", _SWITCH, "Cut long prompts into pieces between decode steps."),
    ExtraFlag("disable-custom-all-reduce", _SWITCH, "Use NCCL alone: cards without peer-to-peer need it."),
    ExtraFlag("async-scheduling", _SWITCH, "Plan the next step while this one runs."),
    ExtraFlag("enable-expert-parallel", _SWITCH, "Spread whole experts instead of slicing each."),
    ExtraFlag("language-model-only", _SWITCH, "Leave the vision tower of a multimodal model out."),
    ExtraFlag("disable-sliding-window", _SWITCH, "Cap the context at the window instead."),
    ExtraFlag("disable-cascade-attn", _SWITCH, "Never share attention over a common beginning."),
    ExtraFlag("disable-uvicorn-access-log", _SWITCH, "No line per request in the log."),
    ExtraFlag("enable-prompt-tokens-details", _SWITCH, "Report cached prompt tokens in the usage."),
    ExtraFlag("enable-server-load-tracking", _SWITCH, "Count running requests at /load."),
    ExtraFlag("enable-force-include-usage", _SWITCH, "Put the usage on every stream."),
    ExtraFlag("disable-log-stats", _SWITCH, "No line of statistics in the log every few seconds."),
    ExtraFlag("enable-log-requests", _NEVER, "Requests in the log: never, as it would hold what users say."),
    ExtraFlag("enable-per-request-metrics", _SWITCH, "Timings in every answer."),
    ExtraFlag("exclude-tools-when-tool-choice-none", _SWITCH, "No tools in prompts that may call none."),
    ExtraFlag("return-tokens-as-token-ids", _SWITCH, "Log probabilities name tokens by their numbers."),
    ExtraFlag("interleave-mm-strings", _SWITCH, "Images stand within the text where they were given."),
    ExtraFlag("skip-mm-profiling", _SWITCH, "No trial of the largest images at the start."),
    ExtraFlag("disable-chunked-mm-input", _SWITCH, "Never cut an image between two steps."),
    ExtraFlag("disable-hybrid-kv-cache-manager", _SWITCH, "One size of KV cache for all layers."),
    ExtraFlag("fully-sharded-loras", _SWITCH, "Split the whole of an adapter over the cards."),
    ExtraFlag("enable-flashinfer-autotune", _SWITCH, "Try FlashInfer's kernels out at the start."),
    ExtraFlag("max-cpu-loras", whole(1, 4096), "Adapters kept in host memory."),
    ExtraFlag("lora-dtype", choice("auto", "float16", "bfloat16"), "Type of the adapters."),
    ExtraFlag("optimization-level", whole(0, 3), "How much is compiled at the start: -O0 to -O3."),
    ExtraFlag("compilation-config", COMPILATION_CONFIG, "Compilation and CUDA graphs one by one."),
    ExtraFlag("pooler-config", POOLER_CONFIG, "How a pooling model makes its answer."),
    ExtraFlag("mm-processor-kwargs", MM_PROCESSOR_KWARGS, "How images are prepared."),
    ExtraFlag("media-io-kwargs", MEDIA_IO_KWARGS, "How images and videos are read."),
    ExtraFlag("mm-encoder-tp-mode", choice("weights", "data"), "How the vision tower is split."),
    ExtraFlag("mm-processor-cache-type", choice("lru", "shm"), "Where processed images are kept."),
    ExtraFlag("performance-mode", choice("balanced", "interactivity", "throughput"), "What to tune for."),
    ExtraFlag("moe-backend", _NAME, "Which kernels of a mixture of experts."),
    ExtraFlag("linear-backend", _NAME, "Which kernels of linear layers."),
    ExtraFlag("mamba-cache-dtype", _STATE_TYPE, "Type of the state of Mamba layers."),
    ExtraFlag("mamba-ssm-cache-dtype", _STATE_TYPE, "The same for their SSM state alone."),
    ExtraFlag("mamba-cache-mode", choice("align", "all", "none"), "Which states are kept for reuse."),
    ExtraFlag("prefix-caching-hash-algo", _HASH, "How equal beginnings are found."),
    ExtraFlag("model-impl", choice("auto", "vllm", "transformers"), "Whose implementation of the model."),
    ExtraFlag("safetensors-load-strategy", choice("lazy", "eager", "prefetch"), "How weights are read."),
    ExtraFlag("logprobs-mode", _LOGPROBS, "What a log probability is of."),
    ExtraFlag("stream-interval", whole(1, 1000), "Tokens in one piece of a stream."),
    ExtraFlag("max-num-queued-reqs", whole(1, 1_000_000), "Requests that may wait in the engine."),
    ExtraFlag("kv-offloading-size", number(0, 4096), "GiB of host memory for the KV cache."),
    ExtraFlag("num-gpu-blocks-override", whole(1, 10**8), "Blocks of the KV cache, whatever fits."),
    ExtraFlag("block-size", whole(1, 1024), "Tokens per block of the KV cache."),
    ExtraFlag("seed", whole(0, 2**31 - 1), "Seed of the engine's random numbers."),
    ExtraFlag("kv-cache-memory-bytes", whole(2**20, 2**43), "Size of the KV cache per GPU, in bytes."),
    ExtraFlag("cpu-offload-gb", number(0, 1024), "GiB of weights per GPU kept in host memory."),
    ExtraFlag("max-logprobs", whole(0, 1000), "Most log probabilities a request may ask for."),
    ExtraFlag("long-prefill-token-threshold", whole(0, 10**7), "From how many tokens a prompt is long."),
    ExtraFlag("max-cudagraph-capture-size", whole(1, 4096), "Largest batch with a CUDA graph."),
    ExtraFlag("mm-processor-cache-gb", number(0, 256), "GiB of host memory for processed images."),
    ExtraFlag("scheduling-policy", choice("fcfs", "priority"), "Order of waiting requests."),
    ExtraFlag("distributed-executor-backend", choice("mp", "ray"), "What starts the workers."),
    ExtraFlag("tokenizer", REPOSITORY, "Repository of the tokenizer, where it is another."),
    ExtraFlag("tokenizer-revision", REVISION, "Its branch, tag or commit."),
    ExtraFlag("tokenizer-mode", choice("auto", "hf", "slow", "mistral"), "Which tokenizer library."),
    ExtraFlag(
        "load-format",
        choice("auto", "safetensors", "dummy"),
        "Format of the weights; pickles are not on offer.",
    ),
    ExtraFlag("config-format", choice("auto", "hf", "mistral"), "Format of the configuration."),
    ExtraFlag("generation-config", choice("auto", "vllm"), "Sampling defaults of the model, or vLLM's."),
    ExtraFlag("runner", choice("auto", "generate", "pooling"), "Generate text, or embed and classify."),
    ExtraFlag("convert", choice("auto", "none", "embed", "classify"), "Adapter for a pooling model."),
    ExtraFlag(
        "attention-backend",
        text(40, pattern=r"[A-Z][A-Z0-9_]*", like=fill_in("the name of a back-end, such as FLASH_ATTN")),
        "Which attention kernels.",
    ),
    ExtraFlag("chat-template-content-format", choice("auto", "string", "openai"), "How contents are given."),
    ExtraFlag("uvicorn-log-level", choice("debug", "info", "warning", "error"), "Log level of the server."),
    ExtraFlag("sim-startup-seconds", number(0, 3600), "Simulated engine: time to ready."),
    ExtraFlag("sim-tokens-per-second", number(0, 10**6), "Simulated engine: pace of a stream, 0 for most."),
    ExtraFlag("sim-first-token-seconds", number(0, 600), "Simulated engine: time to the first token."),
    ExtraFlag(
        "sim-fault",
        words(text(64, pattern=r"[a-z0-9_]+", like=fill_in("the name of a fault")), 8),
        "Simulated engine: failures to act out.",
    ),
    ExtraFlag("sim-limit", whole(1, 10**9), "Simulated engine: the number a start-up failure names."),
)

_BY_NAME = {extra.name: extra for extra in EXTRA_FLAGS}

_RUNS_CODE: Translatable = "would run code that is not part of the engine"
_READS_FILES: Translatable = "names a path"
_IS_OURS: Translatable = "is set by the gateway"
_OBSOLETE: Translatable = "does nothing in newer versions of vLLM: leave it out"
_REACHES_HOSTS: Translatable = "would connect the engine to other hosts"
REFUSED_FLAGS: Mapping[str, Translatable] = {
    "tool-parser-plugin": _RUNS_CODE,
    "reasoning-parser-plugin": _RUNS_CODE,
    "logits-processors": _RUNS_CODE,
    "middleware": _RUNS_CODE,
    "worker-cls": _RUNS_CODE,
    "worker-extension-cls": _RUNS_CODE,
    "scheduler-cls": _RUNS_CODE,
    "io-processor-plugin": _RUNS_CODE,
    "tool-server": "would let the engine run tools",
    "additional-config": _RUNS_CODE,
    "code-revision": "would run code from another revision: pin the repository's by revision",
    "allowed-local-media-path": _READS_FILES,
    "config": _READS_FILES,
    "download-dir": _READS_FILES,
    "hf-config-path": _READS_FILES,
    "model-loader-extra-config": _READS_FILES,
    "logging-config": _READS_FILES,
    "ssl-keyfile": _READS_FILES,
    "ssl-certfile": _READS_FILES,
    "log-config-file": _READS_FILES,
    "hf-token": "is a secret: give HF_TOKEN to the engine's host",
    "api-key": _IS_OURS,
    "host": _IS_OURS,
    "port": _IS_OURS,
    "uds": _IS_OURS,
    "root-path": _IS_OURS,
    "allowed-origins": _IS_OURS,
    "enable-auto-tool-choice": "follows from tool_call_parser",
    "data-parallel-size": "would take more GPUs than the fit check counts",
    "enable-log-outputs": "would write answers to the log",
    "kv-transfer-config": "would connect the engine to other hosts, or load a connector's code: leave it "
    "out; kv-offloading-size keeps more of the KV cache in host memory",
    "kv-events-config": _REACHES_HOSTS,
    "ec-transfer-config": _REACHES_HOSTS,
    "otlp-traces-endpoint": _REACHES_HOSTS,
    "master-addr": _REACHES_HOSTS,
    "nnodes": "would take more machines than the fit check counts",
    "swap-space": _OBSOLETE,
    "num-scheduler-steps": _OBSOLETE,
    "use-v2-block-manager": _OBSOLETE,
    "max-seq-len-to-capture": "is not known to newer versions: use max-cudagraph-capture-size",
    "enable-reasoning": "follows from reasoning_parser",
    "task": "is written runner (generate or pooling) and convert (embed or classify)",
    "rope-scaling": "is written hf_overrides, under the key rope_scaling",
    "rope-theta": "is written hf_overrides, under the key rope_theta",
    "guided-decoding-backend": "is written structured_outputs_config, under the key backend",
    "disable-log-requests": "is the default: leave it out, or write enable-log-requests: false",
    "override-pooler-config": "is written pooler-config",
}
"""Why some flags are not on the list; any other name is merely unknown."""


def read_extra_flags(field: str, value: Any, problems: Problems) -> dict[str, Any]:
    """Read `{flag name without dashes in front: value}`; the result is sorted by name."""
    if not isinstance(value, Mapping):
        problems.append(FieldError(field, fill_in("must be an object, not {value}", value=describe(value))))
        return {}
    flags: dict[str, Any] = {}
    for name in sorted(value, key=str):
        extra = _BY_NAME.get(name) if isinstance(name, str) else None
        if extra is None:
            problems.append(FieldError(f"{field}.{name}", explain_flag(str(name))))
            continue
        read = extra.kind.read(f"{field}.{name}", value[name], problems)
        flags[name] = list(read) if isinstance(read, tuple) else read
    return flags


def explain_flag(name: str) -> str:
    """Why a profile may not set this flag, named with or without its dashes."""
    plain = name.lstrip("-").replace("_", "-")
    if plain in _BY_NAME:
        return fill_in("is written {name}", name=repr(plain))
    if field := _find_field(plain):
        return fill_in("has a field of its own: {field}", field=field)
    positive = plain.removeprefix("no-")
    if positive != plain and _is_switch(positive):
        return fill_in("is written {name}: false", name=_find_field(positive) or positive)
    if reason := REFUSED_FLAGS.get(plain):
        return fill_in("cannot be set: it {reason}", reason=fill_text(reason, {}))
    return fill_in("is not on the list of flags that a profile may set")


def _find_field(flag: str) -> str | None:
    """The field of a profile that becomes this flag."""
    setting = list_flag_fields().get(flag)
    return None if setting is None else setting.name


def _is_switch(flag: str) -> bool:
    setting = list_flag_fields().get(flag)
    kind = setting.kind if setting is not None else _BY_NAME[flag].kind if flag in _BY_NAME else None
    return kind is not None and kind.is_switch


@cache
def list_flag_fields() -> Mapping[str, Setting]:
    """The settings of a profile that are flags of the engine, by the flags' names."""
    # Imported late: the profile is declared with the kind that is declared here.
    from modelops.domain.profiles.spec import ProfileSpec

    return {each.flag.name: each for each in list_settings(ProfileSpec) if each.flag is not None}


FLAGS_KIND = Kind("object of further flags", read_extra_flags)
