"""What an engine's log tells of its memory, per GPU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from modelops.domain.fit.specs import GIB

_DEFAULT_BLOCK_TOKENS = 16


@dataclass(frozen=True)
class EngineSizes:
    """None where the log does not tell. Bytes per GPU, as rounded as they were printed (0.01 GiB).

    Of several ranks the largest weights, activation and graphs count, and the smallest KV cache.
    """

    vllm_version: str | None = None
    tensor_parallel_size: int | None = None
    max_model_len: int | None = None
    weights_bytes: int | None = None
    activation_bytes: int | None = None
    """Peak of one step, CUDA graphs left out."""
    non_torch_bytes: int | None = None
    graph_estimate_bytes: int | None = None
    """What was set aside for CUDA graphs before they were captured (from 0.21 on)."""
    graph_bytes: int | None = None
    """What they took when captured."""
    available_kv_bytes: int | None = None
    kv_cache_tokens: int | None = None
    max_concurrency: float | None = None
    load_seconds: float | None = None
    card_total_bytes: int | None = None
    """As the engine sees it."""
    start_free_bytes: int | None = None
    """What it found free of that, its own CUDA context and what is set up before the reading taken off."""
    is_cold: bool | None = None
    """It compiled its graphs; False where it found those of an earlier start."""
    is_wsl: bool | None = None


def serialise_sizes(sizes: EngineSizes) -> dict[str, Any]:
    """Plain JSON values; what is not known is left out."""
    values = {each.name: getattr(sizes, each.name) for each in fields(sizes)}
    return {name: value for name, value in values.items() if value is not None}


def parse_sizes(values: Mapping[str, Any]) -> EngineSizes:
    """The opposite of `serialise_sizes`; what it does not know is passed over."""
    known = {each.name for each in fields(EngineSizes)}
    return EngineSizes(**{name: value for name, value in values.items() if name in known})


# Every wording that was found, from 0.6 to 0.33. The first engine (V0) wrote GB and meant GiB.
_GIB = r"(-?[\d.]+) ?Gi?B"
_BYTES_MOST = {
    "weights_bytes": (
        rf"(?:Model loading|Loading model weights) took {_GIB}",
        rf"model weights take\s+{_GIB}",
        rf"Actual usage is {_GIB} for weight",
    ),
    "activation_bytes": (
        rf"activation peak memory(?: takes)?\s+{_GIB}",
        rf"{_GIB} for peak activation",
    ),
    "non_torch_bytes": (rf"non_torch_memory(?: takes)?\s+{_GIB}", rf"{_GIB} for non-torch"),
    "graph_estimate_bytes": (rf"Estimated CUDA graph memory: {_GIB} total",),
    "graph_bytes": (
        rf"Graph capturing finished in .*took {_GIB}",
        rf"CUDA graph pool memory: {_GIB} \(actual\)",
    ),
}
_BYTES_LEAST = {
    "available_kv_bytes": (
        rf"Available KV cache memory: {_GIB}",
        rf"reserved for KV Cache is {_GIB}",
        rf"available_kv_cache_memory\s+{_GIB}",
        rf"reserved {_GIB} memory for KV Cache",
        r"(?:Explicitly|Auto) set \((-?[\d.]+)/[\d.]+\) GiB for KV cache",
    ),
}
_COUNTS = {
    "max_model_len": (
        r"Using max model len (\d+)",
        r"max_seq_len=(\d+)",
        r"Auto-fit max_model_len: reduced from \d+ to (\d+)",
        r"Auto-fit max_model_len: full model context length (\d+)",
        r"Maximum concurrency for ([\d,]+) tokens",
    ),
    "tensor_parallel_size": (r"LLM engine .*\btensor_parallel_size=(\d+)",),
}


def _compile(patterns: Mapping[str, tuple[str, ...]]) -> dict[str, re.Pattern[str]]:
    """One pattern for each size, the figure in whichever group matched."""
    return {name: re.compile("|".join(each)) for name, each in patterns.items()}


_MOST, _LEAST, _LAST = _compile(_BYTES_MOST), _compile(_BYTES_LEAST), _compile(_COUNTS)
_VERSION = re.compile(r"LLM engine \(v([\w.+-]+)\)|API server version v?([\w.+-]+)|█ +version ([\w.+-]+)")
_TOKENS = re.compile(r"\bKV cache size: ([\d,]+) tokens")
_BLOCKS = re.compile(r"# (?:GPU|cuda) blocks: (\d+)", re.IGNORECASE)
_CONCURRENCY = re.compile(r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]+)x")
_LOAD_TIME = re.compile(r"Model loading took .* and ([\d.]+) seconds|Loading weights took ([\d.]+) seconds")
_START = re.compile(r"Free memory on device(?: \S+)? \(([\d.]+)/([\d.]+) GiB\) on startup")
_FIRST_TOTAL = re.compile(r"total_gpu_memory \(([\d.]+)GiB\)")
# `vllm/compilation/backends.py` and `decorators.py`, from 0.9 to 0.33.
_COMPILED = re.compile(r"Compiling a graph for")
_COMPILED_BEFORE = re.compile(r"Directly load (?:the compiled graph|AOT compilation)")
_WSL = "WSL is detected"
_CONSUMED = re.compile(rf"Actual usage is {_GIB} for consumed memory.*?{_GIB} for peak activation")


def read_sizes(sizes: EngineSizes, text: str) -> EngineSizes:
    """The sizes with what one line of the log (without its prefix) adds to them."""
    found: dict[str, Any] = {}
    for name, pattern in _MOST.items():
        if match := pattern.search(text):
            found[name] = _most(getattr(sizes, name), _to_bytes(match))
    for name, pattern in _LEAST.items():
        if match := pattern.search(text):
            found[name] = _least(getattr(sizes, name), _to_bytes(match))
    for name, pattern in _LAST.items():
        if match := pattern.search(text):
            found[name] = _to_count(match)
    if match := _VERSION.search(text):
        found["vllm_version"] = match[match.lastindex or 1]
    if match := _LOAD_TIME.search(text):
        found["load_seconds"] = max(sizes.load_seconds or 0.0, float(match[match.lastindex or 1]))
    if match := _CONCURRENCY.search(text):
        found["max_concurrency"] = float(match[1])
    if match := _TOKENS.search(text):
        found["kv_cache_tokens"] = _least(sizes.kv_cache_tokens, _to_count(match))
    elif match := _BLOCKS.search(text):
        found["kv_cache_tokens"] = _least(sizes.kv_cache_tokens, _to_count(match) * _DEFAULT_BLOCK_TOKENS)
    if match := _CONSUMED.search(text):
        consumed, peak = (round(float(figure) * GIB) for figure in match.groups())
        found |= _split_consumed(sizes, consumed, peak)
    found |= _read_circumstances(sizes, text)
    return replace(sizes, **found) if found else sizes


def _read_circumstances(sizes: EngineSizes, text: str) -> dict[str, Any]:
    """What of the card and the state of its caches the sizes go by."""
    found: dict[str, Any] = {}
    if match := _START.search(text):
        found["start_free_bytes"] = _least(sizes.start_free_bytes, round(float(match[1]) * GIB))
        found["card_total_bytes"] = _least(sizes.card_total_bytes, round(float(match[2]) * GIB))
    elif match := _FIRST_TOTAL.search(text):
        found["card_total_bytes"] = _least(sizes.card_total_bytes, _to_bytes(match))
    if _COMPILED.search(text):
        found["is_cold"] = True
    elif sizes.is_cold is None and _COMPILED_BEFORE.search(text):
        found["is_cold"] = False
    if _WSL in text:
        found["is_wsl"] = True
    return found


def _split_consumed(sizes: EngineSizes, consumed: int, peak: int) -> dict[str, int]:
    """What 0.32 sums up: weights with what is outside PyTorch, and a peak that holds the graphs' estimate."""
    activation = max(0, peak - (sizes.graph_estimate_bytes or 0))
    parts = {"activation_bytes": _most(sizes.activation_bytes, activation)}
    if sizes.weights_bytes is not None:
        parts["non_torch_bytes"] = _most(sizes.non_torch_bytes, max(0, consumed - sizes.weights_bytes))
    return parts


def _to_bytes(match: re.Match[str]) -> int:
    return round(float(match[match.lastindex or 1]) * GIB)


def _to_count(match: re.Match[str]) -> int:
    return int(match[match.lastindex or 1].replace(",", ""))


def _most(before: int | None, now: int) -> int:
    return now if before is None else max(before, now)


def _least(before: int | None, now: int) -> int:
    return now if before is None else min(before, now)
