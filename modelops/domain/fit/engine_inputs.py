"""The engine's flags that are more than one number or word, as the fit check takes them."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.config_reader import Config, get_int
from modelops.domain.fit.specs import GIB, Adapters, CheckpointFacts, EngineSettings, Speculation
from modelops.domain.fit.speculation import parse_speculation

_OLDER_NAMES = {
    "model": ("speculative_model", "spec_model"),
    "method": ("speculative_method", "spec_method"),
    "num_speculative_tokens": ("num_speculative_tokens", "spec_tokens"),
    "draft_tensor_parallel_size": ("speculative_draft_tensor_parallel_size",),
    "quantization": ("speculative_model_quantization",),
}
"""Flags of one key of `speculative_config` each: those before 0.8.3, and the short ones from 0.22 on."""

_DEFAULT_RANK = 16


def read_inputs(flags: Mapping[str, Any], draft_facts: CheckpointFacts | None = None) -> dict[str, Any]:
    """Read the settings of `EngineSettings` that `flags` spell in several parts. Raises FieldError.

    `draft_config` among them is the config.json of what `speculative_config` names.
    """
    speculative = dict(read_object(flags, "speculative_config"))
    for key, names in _OLDER_NAMES.items():
        found = next((flags[name] for name in names if flags.get(name) is not None), None)
        if found is not None:
            speculative.setdefault(key, found)
    draft_config = read_object(flags, "draft_config") or None
    return {
        "speculation": parse_speculation(speculative, draft_config, draft_facts),
        "adapters": _read_adapters(flags),
        "cpu_offload_bytes": _read_offload(flags),
    }


def write_inputs(settings: EngineSettings) -> dict[str, Any]:
    """The flags that `read_inputs` reads as these settings; a draft's shape is left out."""
    written: dict[str, Any] = {}
    if settings.speculation is not None:
        written["speculative_config"] = _write_speculation(settings.speculation)
    if settings.adapters is not None:
        written["enable_lora"] = True
        written["max_loras"] = settings.adapters.slots
        written["max_lora_rank"] = settings.adapters.rank
        written["fully_sharded_loras"] = settings.adapters.is_fully_sharded
    if settings.cpu_offload_bytes:
        written["cpu_offload_gb"] = settings.cpu_offload_bytes / GIB
    return written


def _write_speculation(speculation: Speculation) -> dict[str, Any]:
    written: dict[str, Any] = {"method": speculation.method, "num_speculative_tokens": speculation.tokens}
    if speculation.model:
        written["model"] = speculation.model
    if speculation.draft_tensor_parallel_size is not None:
        written["draft_tensor_parallel_size"] = speculation.draft_tensor_parallel_size
    if speculation.keeps_probabilities:
        written["draft_sample_method"] = "probabilistic"
    return written


def read_object(flags: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object, given as such or as JSON text; empty where nothing is given."""
    value = flags.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as exc:
            raise FieldError(name, fill_in("is not JSON: {problem}", problem=exc)) from exc
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise FieldError(name, fill_in("must be an object, not {value}", value=repr(value)))
    return value


def override_config(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Return the config.json as the engine reads it with `hf_overrides`.

    Objects are replaced as a whole, those of a part of the model (such as text_config) key by key:
    `ModelConfig._apply_dict_overrides` (vllm/config/model.py).
    """
    return {**config, **{name: _merge(name, config.get(name), value) for name, value in overrides.items()}}


def _merge(name: str, stored: Any, value: Any) -> Any:
    is_part = name.endswith("_config") and isinstance(stored, Mapping) and isinstance(value, Mapping)
    return {**stored, **value} if is_part else value


def _read_adapters(flags: Mapping[str, Any]) -> Adapters | None:
    if not flags.get("enable_lora"):
        return None
    return Adapters(
        slots=_read_count(flags, "max_loras") or 1,
        rank=_read_count(flags, "max_lora_rank") or _DEFAULT_RANK,
        is_fully_sharded=bool(flags.get("fully_sharded_loras")),
    )


def _read_count(flags: Mapping[str, Any], name: str) -> int | None:
    try:
        count = get_int(flags, name)
    except FieldError as exc:
        raise FieldError(name, exc.wording) from exc
    if count is not None and count <= 0:
        raise FieldError(name, fill_in("must be above zero, not {value}", value=count))
    return count


def _read_offload(flags: Mapping[str, Any]) -> int:
    size = flags.get("cpu_offload_gb") or 0
    if isinstance(size, bool) or not isinstance(size, int | float) or size < 0:
        raise FieldError("cpu_offload_gb", fill_in("must be a number of GiB, not {value}", value=repr(size)))
    return int(size * GIB)
