"""Further vLLM flags that a profile may set, each with the kind of value it takes.

A flag is listed when it can neither read a file, load code, open a port, weaken access nor take more
GPUs than planned. What has a field of its own is not repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.wording import Translatable, fill_in, fill_text
from modelops.domain.errors import FieldError
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
from modelops.domain.profiles.syntax import REPOSITORY, REVISION

SIMULATOR_PREFIX = "sim-"


@dataclass(frozen=True)
class ExtraFlag:
    name: str
    kind: Kind
    help: str


_SWITCH = boolean()

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
REFUSED_FLAGS: Mapping[str, Translatable] = {
    "trust-remote-code": "would run code from the model's repository",
    "tool-parser-plugin": _RUNS_CODE,
    "reasoning-parser-plugin": _RUNS_CODE,
    "logits-processors": _RUNS_CODE,
    "middleware": _RUNS_CODE,
    "worker-cls": _RUNS_CODE,
    "worker-extension-cls": _RUNS_CODE,
    "scheduler-cls": _RUNS_CODE,
    "compilation-config": _RUNS_CODE,
    "allowed-local-media-path": _READS_FILES,
    "allowed-media-domains": "would let requests reach other hosts",
    "config": _READS_FILES,
    "download-dir": _READS_FILES,
    "hf-config-path": _READS_FILES,
    "lora-modules": _READS_FILES,
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
    "enable-log-requests": "would write what users say to the log",
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
    if reason := REFUSED_FLAGS.get(plain):
        return fill_in("cannot be set: it {reason}", reason=fill_text(reason, {}))
    return fill_in("is not on the list of flags that a profile may set")


FLAGS_KIND = Kind("object of further flags", read_extra_flags)
