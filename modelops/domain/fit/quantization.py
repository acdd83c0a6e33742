"""Read quantization_config in its many dialects, and say how many bytes a weight takes.

Sources: the `from_config` methods under vllm/model_executor/layers/quantization (0.32) and the
tensors their `create_weights` allocate.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from modelops.domain.fit.quantization_dialects import CHECKPOINT_NAMES, MXFP_BLOCK, read_dialect
from modelops.domain.fit.specs import Dtype, Quantization

_ALL_LINEAR = frozenset({"attention", "mlp", "experts"})
_LOAD_TIME_METHODS = {
    "fp8": 8,
    "fp8_per_tensor": 8,
    "fp8_per_block": 8,
    "fp8_per_channel": 8,
    "ptpc_fp8": 8,
    "experts_int8": 8,
    "int8_per_channel": 8,
    "int8_per_channel_weight_only": 8,
    "nvfp4_per_token": 4,
    "bitsandbytes": 4,
    "mxfp8": 8,
    "torchao": 8,
    "rtn": 8,
}
_LOAD_TIME_GROUPS = {"mxfp8": MXFP_BLOCK, "nvfp4_per_token": 16}
_USUAL_BITS = {"auto-round": 4, "awq": 4, "awq-marlin": 4, "gptq": 4, "gptq-marlin": 4, "int8": 8}
_USUAL_GROUP_SIZE = 128
_UNSIZED_METHODS = ("gguf", "exl2", "exl3", "aqlm", "quip", "squeezellm", "hqq", "vptq")


def parse_quantization(config: Mapping[str, Any], flag: str | None) -> Quantization | None:
    """Return how the checkpoint is quantized, or how `--quantization` will quantize it at load time."""
    raw = config.get("quantization_config") or config.get("compression_config")
    if isinstance(raw, Mapping) and raw:
        return _parse_checkpoint(raw)
    if flag is None or flag.lower() in ("none", "auto"):
        return None
    method = flag.lower().replace("_", "-") if flag.lower() == "compressed_tensors" else flag.lower()
    if method in _LOAD_TIME_METHODS:
        group = _LOAD_TIME_GROUPS.get(method)
        return _by_bits(method, _LOAD_TIME_METHODS[method], group, is_load_time=True)
    # The flag names a checkpoint format but the config says nothing of it: sizes by its usual form.
    return _parse_checkpoint({"quant_method": method})


def find_quantization_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a checkpoint says of its quantization, ModelOpt's nested section opened; empty for none."""
    raw = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(raw, Mapping):
        return {}
    nested = raw.get("quantization")
    return {**raw, **nested} if isinstance(nested, Mapping) else raw


def _parse_checkpoint(raw: Mapping[str, Any]) -> Quantization:
    method = str(raw.get("quant_method") or "").lower().replace("_", "-")
    if isinstance(raw.get("quantization"), Mapping):
        raw, method = {**raw, **raw["quantization"]}, method or "modelopt"
    method = CHECKPOINT_NAMES.get(method, method)
    kv_bits = _find_kv_bits(raw)
    if dialect := read_dialect(method, raw):
        return Quantization(
            dialect.method,
            dialect.bits,
            dialect.group_size,
            dialect.scale_bytes if dialect.group_size else 0.0,
            kv_cache_bits=kv_bits,
        )
    if method in ("compressed-tensors", "sparseml", "quark") or "config_groups" in raw:
        bits, group = _read_groups(raw)
        fmt = str(raw.get("format") or raw.get("type") or "").lower()
        bits = bits or _infer_bits(fmt)
        name = "compressed-tensors" if not _is_nvfp4(fmt, bits, group) else "nvfp4"
        return _by_bits(name, bits, group, kv_bits=kv_bits, block=_find_block(raw))
    if method.startswith("modelopt"):
        algorithm = str(raw.get("quant_algo") or raw.get("type") or method).upper()
        is_fp4 = "FP4" in algorithm or raw.get("bits") == 4
        name, bits = ("nvfp4", 4) if is_fp4 else ("modelopt", 8)
        return _by_bits(name, bits, 16 if is_fp4 else None, kv_bits=kv_bits)
    if method == "nvfp4":
        return _by_bits("nvfp4", 4, 16, kv_bits=kv_bits)
    if method == "mxfp4":
        return _by_bits("mxfp4", 4, 32, covers=frozenset({"experts"}), kv_bits=kv_bits)
    if method in ("fp8", "fbgemm-fp8"):
        return _by_bits("fp8", 8, None, kv_bits=kv_bits, block=_find_block(raw))
    if method in ("bitsandbytes", "bnb"):
        bits = 8 if raw.get("load_in_8bit") or raw.get("bits") == 8 else 4
        return _by_bits("bitsandbytes", bits, None)
    bits = _first_int(raw, ("bits", "w_bit", "num_bits", "weight_bits")) or _USUAL_BITS.get(method)
    group = _first_int(raw, ("group_size", "q_group_size"))
    if bits == 4 and group is None:
        group = _USUAL_GROUP_SIZE
    return _by_bits(
        method.replace("-", "_"),
        None if method in _UNSIZED_METHODS else bits,
        group,
        covers_lm_head=bool(raw.get("lm_head")),
    )


def _by_bits(
    method: str,
    bits: int | None,
    group: int | None,
    *,
    covers: frozenset[str] = _ALL_LINEAR,
    covers_lm_head: bool = False,
    kv_bits: int | None = None,
    block: tuple[int, int] | None = None,
    is_load_time: bool = False,
) -> Quantization:
    grouped = group if group and group > 0 else None
    scale = 0.0
    if method in ("mxfp4", "mxfp8", "nvfp4", "nvfp4_per_token"):
        scale = 1.0
    elif method == "bitsandbytes" and bits == 4:
        grouped, scale = 64, 4.0
    elif block is not None:
        grouped, scale = block[0] * block[1], 4.0
    elif bits is not None and grouped is not None and bits < 16:
        zero_points = 0.0 if method == "compressed-tensors" else bits / 8
        scale = 2.0 + zero_points
    covered = frozenset({"experts"}) if method == "experts_int8" else covers
    return Quantization(method, bits, grouped, scale, covered, covers_lm_head, block, kv_bits, is_load_time)


def get_bytes_per_weight(quantization: Quantization | None, part: str, dtype: Dtype) -> Fraction:
    """Return the exact bytes one weight of `part` takes, its share of scales and zero points included.

    Raises ValueError for a format without fixed width (check `bits` first).
    """
    if quantization is None or part not in quantization.covers:
        return Fraction(dtype.size_bytes)
    own = dict(quantization.part_widths).get(part)
    if own is not None:
        return own
    if quantization.bits is None:
        raise ValueError(f"{quantization.method} has no fixed width")
    width = Fraction(quantization.bits, 8)
    if quantization.group_size:
        width += Fraction(quantization.scale_bytes_per_group) / quantization.group_size
    return width


def parse_weights(base: Quantization, settings: Mapping[str, Any]) -> Quantization:
    """Return the quantization of modules with settings of their own; what these leave out is as in `base`."""
    bits = _first_int(settings, ("num_bits", "bits")) or base.bits
    own = _first_int(settings, ("group_size",))
    is_group = settings.get("strategy") in (None, "group", "tensor_group")
    group = own if own is not None else base.group_size if is_group and bits == base.bits else None
    name = "nvfp4" if base.method == "nvfp4" and bits == 4 and group == 16 else base.method
    if name == "nvfp4" and bits != 4:
        name = "compressed-tensors"
    return _by_bits(name, bits, group)


def _read_groups(raw: Mapping[str, Any]) -> tuple[int | None, int | None]:
    groups = raw.get("config_groups")
    if isinstance(groups, Mapping):
        for group in groups.values():
            weights = group.get("weights") if isinstance(group, Mapping) else None
            if isinstance(weights, Mapping):
                return _to_int(weights.get("num_bits")), _to_int(weights.get("group_size"))
    return _to_int(raw.get("bits", raw.get("num_bits"))), _to_int(raw.get("group_size"))


def _infer_bits(fmt: str) -> int | None:
    """Return the width a compressed-tensors format implies, None where it implies none."""
    if "nvfp4" in fmt or "pack-quantized" in fmt:
        return 4
    is_eight = any(name in fmt for name in ("float8", "fp8", "float-quantized", "int-quantized", "int8"))
    return 8 if is_eight else None


def _is_nvfp4(fmt: str, bits: int | None, group: int | None) -> bool:
    return "nvfp4" in fmt or (bits == 4 and group == 16)


def _find_block(raw: Mapping[str, Any]) -> tuple[int, int] | None:
    block = raw.get("weight_block_size")
    if block is None and isinstance(groups := raw.get("config_groups"), Mapping):
        for group in groups.values():
            weights = group.get("weights") if isinstance(group, Mapping) else None
            if isinstance(weights, Mapping) and weights.get("strategy") == "block":
                block = weights.get("block_structure")
    if isinstance(block, list | tuple) and len(block) == 2:
        return int(block[0]), int(block[1])
    return None


def _find_kv_bits(raw: Mapping[str, Any]) -> int | None:
    scheme = raw.get("kv_cache_scheme")
    if isinstance(scheme, Mapping):
        return _to_int(scheme.get("num_bits"))
    return 8 if str(raw.get("kv_cache_quant_algo") or "").upper() == "FP8" else None


def _first_int(raw: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    found = (_to_int(raw.get(name)) for name in names)
    return next((value for value in found if value is not None), None)


def _to_int(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
