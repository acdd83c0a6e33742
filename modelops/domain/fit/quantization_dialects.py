"""Ways of naming and describing quantized weights that are not those of AWQ, GPTQ or FP8.

Sources: `from_config` of the classes under vllm/model_executor/layers/quantization (0.33), and torchao's and
Quark's own configs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CHECKPOINT_NAMES: Mapping[str, str] = {
    "auto-awq": "awq",
    "auto-gptq": "gptq",
    "gpt-oss-mxfp4": "mxfp4",
    "inc": "auto-round",
    "moe-wna16": "gptq",
}
"""Names of `--quantization` for a checkpoint that usually goes by another."""

MXFP_BLOCK = 32
"""Weights that share one scale of one byte (OCP Microscaling Formats 1.0)."""


@dataclass(frozen=True)
class Dialect:
    """What one description says of the weights: `bits` None for a width that varies from layer to layer."""

    method: str
    bits: int | None
    group_size: int | None = None
    scale_bytes: float = 0.0


def read_dialect(method: str, raw: Mapping[str, Any]) -> Dialect | None:
    """Return what `raw` says, None for a description that is not among these."""
    if _is_mxfp8(method, raw):
        return Dialect("mxfp8", 8, MXFP_BLOCK, 1.0)
    if "mxfp4" in str(raw.get("format") or ""):
        return Dialect("compressed-tensors", 4, MXFP_BLOCK, 1.0)
    if method.startswith("modelopt") and "MIXED" in str(raw.get("quant_algo") or method).upper():
        return Dialect("modelopt", None)
    if method == "quark":
        return _read_quark(raw)
    if method == "torchao":
        return _read_torchao(raw)
    return None


def _is_mxfp8(method: str, raw: Mapping[str, Any]) -> bool:
    algorithm = str(raw.get("quant_algo") or "").upper()
    is_block = raw.get("weight_block_size") == [1, MXFP_BLOCK]
    return method in ("mxfp8", "modelopt-mxfp8") or algorithm == "MXFP8" or is_block


_QUARK_BITS = {"fp4": 4, "int4": 4, "uint4": 4, "fp8": 8, "int8": 8, "uint8": 8, "fp6": 6}


def _read_quark(raw: Mapping[str, Any]) -> Dialect | None:
    """Quark's weights by the type that all layers share; `layer_quant_config` makes them vary."""
    shared = raw.get("global_quant_config")
    weight = shared.get("weight") if isinstance(shared, Mapping) else None
    if not isinstance(weight, Mapping):
        return None
    dtype = str(weight.get("dtype") or "")
    bits = next((size for name, size in _QUARK_BITS.items() if dtype.startswith(name)), None)
    if bits is None or raw.get("layer_quant_config"):
        return Dialect("quark", None)
    group = weight.get("group_size")
    scale = 1.0 if dtype.startswith(("fp4", "fp6")) else 2.0
    return Dialect("quark", bits, group if isinstance(group, int) else None, scale)


def _read_torchao(raw: Mapping[str, Any]) -> Dialect | None:
    """torchao's weights by the name of its config class, such as Int4WeightOnlyConfig."""
    kinds = raw.get("quant_type")
    default = kinds.get("default") if isinstance(kinds, Mapping) else None
    if not isinstance(default, Mapping):
        return None
    name, data = str(default.get("_type") or ""), default.get("_data")
    if name.startswith("Int4"):
        group = data.get("group_size") if isinstance(data, Mapping) else None
        # A scale and a zero point in bfloat16 for each group.
        return Dialect("torchao", 4, group if isinstance(group, int) else 128, 4.0)
    return Dialect("torchao", 8 if name.startswith(("Int8", "Float8")) else None)
