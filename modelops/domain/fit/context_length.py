"""The longest context a model's positions allow, as vLLM derives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelops.domain.fit.config_reader import Config, get_int

_LENGTH_FIELDS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_ALREADY_SCALED = ("su", "longrope", "llama3", "mrope", "default", "proportional")
_FALLBACK_LENGTH = 2048
_ENDLESS = 10**12


@dataclass(frozen=True)
class ContextLimits:
    """`longest` is the most that may be asked for, `default` what the engine takes when nothing is asked."""

    longest: int
    default: int
    rotary_positions: int


def derive_context_limits(config: Config) -> ContextLimits:
    """Derive the context limits of a text config.

    Source: `derive_max_model_len_and_key` (model_arch_config_convertor.py) and
    `_get_and_verify_max_len` (vllm/config/model.py), 0.32. YaRN checkpoints name the length before
    scaling as `original_max_position_embeddings`; older engines multiply that, newer ones take
    max_position_embeddings as scaled already. Both agree on well-formed configs.
    """
    lengths = [length for name in _LENGTH_FIELDS if (length := _get_length(config, name))]
    positions = min(lengths) if lengths else _FALLBACK_LENGTH
    scaling = _find_scaling(config)
    kind = str(scaling.get("rope_type") or scaling.get("type") or "default")
    factor = scaling.get("factor")
    field = "original_max_position_embeddings"
    original = scaling.get(field) or config.get(field)
    scaled = positions
    is_gemma3 = "gemma3" in str(config.get("model_type", ""))
    if isinstance(factor, int | float) and kind not in _ALREADY_SCALED and not is_gemma3:
        if "yarn" in kind:
            scaled = max(positions, int(factor * original)) if isinstance(original, int) else positions
        else:
            scaled = int(positions * factor)
    longest = max(scaled, get_int(config, "model_max_length") or 0)
    default = longest
    if kind == "longrope" and isinstance(original, int):
        default = original
    return ContextLimits(longest, default, rotary_positions=scaled)


def _get_length(config: Config, name: str) -> int | None:
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < _ENDLESS else None


def _find_scaling(config: Config) -> Mapping[str, Any]:
    """Return the rope settings; newer configs hold one per layer type, of which any that scales counts."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(scaling, Mapping):
        return {}
    nested = [item for item in scaling.values() if isinstance(item, Mapping)]
    return next((item for item in nested if item.get("factor")), nested[0]) if nested else scaling
