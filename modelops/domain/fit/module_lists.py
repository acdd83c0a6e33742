"""Apply a quantization's lists of modules to the layers that were counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from modelops.domain.fit.kept_modules import ModuleNames, find_widths, read_kept, read_width_rules
from modelops.domain.fit.quantization import get_bytes_per_weight, parse_weights
from modelops.domain.fit.specs import Layer, LayerKind, ModelArchitecture, Quantization

_PART_OF_FIELD = {
    "attention": "attention",
    "key_value": "attention",
    "replicated": "attention",
    "mlp": "mlp",
    "experts": "experts",
}
_STATE_INPUTS = ("in_proj_qkvz", "in_proj_qkv", "in_proj")
_FUSED = ("qkv_proj", "query_key_value", "W_pack", "c_attn")


@dataclass(frozen=True)
class _Module:
    """A share of one of a layer's weights, under the names that families give it."""

    field: str
    share: Fraction
    names: tuple[str, ...]


def apply_module_lists(model: ModelArchitecture, raw: Mapping[str, Any]) -> ModelArchitecture:
    """Return the model with the modules kept in 16 bit moved there, and parts of another width marked."""
    quantization = model.quantization
    if quantization is None or quantization.is_load_time:
        return model
    layers, covers, has_kept = _keep_modules(model, quantization, read_kept(raw))
    widths = _find_part_widths(model, quantization, raw)
    if not has_kept and not widths:
        return model
    changed = replace(quantization, covers=covers, part_widths=widths, is_uneven=True)
    return replace(model, layers=layers, quantization=changed)


def _keep_modules(
    model: ModelArchitecture, quantization: Quantization, kept: ModuleNames
) -> tuple[tuple[Layer, ...], frozenset[str], bool]:
    """The layers, the parts that any weight of is still quantized, and whether anything was kept."""
    if not kept:
        return model.layers, quantization.covers, False
    shares = [_find_kept_shares(model, layer, index, kept) for index, layer in enumerate(model.layers)]
    whole = frozenset(part for part in quantization.covers if _is_whole(model, shares, part))
    covers = quantization.covers - whole
    layers = tuple(
        _move(layer, {field: share for field, share in found.items() if _PART_OF_FIELD[field] in covers})
        for layer, found in zip(model.layers, shares, strict=True)
    )
    return layers, covers, bool(whole) or layers != model.layers


def _is_whole(model: ModelArchitecture, shares: Sequence[Mapping[str, Fraction]], part: str) -> bool:
    """Whether all weights of a part are kept, in every layer that has some."""
    fields = [field for field, owner in _PART_OF_FIELD.items() if owner == part]
    held = [
        found.get(field, Fraction(0))
        for layer, found in zip(model.layers, shares, strict=True)
        for field in fields
        if getattr(layer.weights, field)
    ]
    return bool(held) and all(share == 1 for share in held)


def _find_kept_shares(
    model: ModelArchitecture, layer: Layer, index: int, kept: ModuleNames
) -> dict[str, Fraction]:
    shares: dict[str, Fraction] = {}
    for module in _list_modules(model, layer, index):
        if any(kept.has(name) for name in module.names):
            shares[module.field] = shares.get(module.field, Fraction(0)) + module.share
    return shares


def _move(layer: Layer, shares: Mapping[str, Fraction]) -> Layer:
    """The layer with these shares of its weights in 16 bit."""
    if not shares:
        return layer
    weights = layer.weights
    moved = {field: int(getattr(weights, field) * share) for field, share in shares.items()}
    left = {field: getattr(weights, field) - count for field, count in moved.items()}
    return replace(
        layer,
        weights=replace(
            weights,
            **left,
            plain=weights.plain + moved.get("replicated", 0),
            plain_sharded=weights.plain_sharded + moved.get("attention", 0) + moved.get("mlp", 0),
            plain_key_value=weights.plain_key_value + moved.get("key_value", 0),
            plain_experts=weights.plain_experts + moved.get("experts", 0),
        ),
    )


def _find_part_widths(
    model: ModelArchitecture, quantization: Quantization, raw: Mapping[str, Any]
) -> tuple[tuple[str, Fraction], ...]:
    """Bytes per weight of the parts whose modules have another width, going by a layer in the middle."""
    rules = read_width_rules(raw)
    if not rules or (len(rules) == 1 and rules[0].is_rest):
        return ()
    # Without a group for all linear modules, those that no group names are not quantized.
    is_complete = "config_groups" in raw and not any(rule.is_rest for rule in rules)
    index = len(model.layers) // 2
    widths: dict[str, Fraction] = {}
    for module in _list_modules(model, model.layers[index], index):
        settings = find_widths(rules, module.names)
        part = _PART_OF_FIELD[module.field]
        if part not in quantization.covers:
            continue
        if settings is not None:
            own = parse_weights(quantization, settings)
            if own.bits is not None:
                widths.setdefault(part, get_bytes_per_weight(own, part, model.dtype))
        elif is_complete:
            widths.setdefault(part, Fraction(model.dtype.size_bytes))
    usual = get_bytes_per_weight(quantization, "mlp", model.dtype) if quantization.bits is not None else None
    return tuple(sorted((part, width) for part, width in widths.items() if width != usual))


def _list_modules(model: ModelArchitecture, layer: Layer, index: int) -> list[_Module]:
    at = f"layers.{index}"
    is_beside = model.model_type == "gemma4"
    has_experts = layer.weights.experts > 0
    dense = ("mlp", "feed_forward")
    shared = ("mlp.shared_expert", "mlp.shared_experts", "feed_forward.shared_expert")
    experts = ("mlp.experts", "block_sparse_moe.experts", "feed_forward.experts", "moe.experts")
    return [
        *_list_attention(layer, at),
        *_list_mlp("mlp", [f"{at}.{name}" for name in (shared if has_experts and not is_beside else dense)]),
        *_list_mlp(
            "experts",
            [f"{at}.{name}.0" for name in (("experts", "moe.experts") if is_beside else experts)],
        ),
    ]


def _list_mlp(field: str, places: Sequence[str]) -> list[_Module]:
    third = Fraction(1, 3)
    kinds = (("gate_proj", "gate_up_proj", "w1"), ("up_proj", "gate_up_proj", "w3"), ("down_proj", "w2"))
    return [
        _Module(field, third, tuple(f"{place}.{name}" for place in places for name in names))
        for names in kinds
    ]


def _list_attention(layer: Layer, at: str) -> list[_Module]:
    """Of a state's projections, three quarters go in; of latent attention, each third is one projection."""
    if layer.cache.kind is LayerKind.LINEAR:
        places = [f"{at}.{name}" for name in ("linear_attn", "mamba", "mixer")]
        going_in = [f"{place}.{name}" for place in places for name in _STATE_INPUTS]
        return [
            _Module("attention", Fraction(3, 4), tuple(going_in)),
            _Module("attention", Fraction(1, 4), tuple(f"{place}.out_proj" for place in places)),
        ]
    here = f"{at}.self_attn"
    if layer.cache.kind is LayerKind.MLA:
        third = Fraction(1, 3)
        return [
            _Module("attention", third, (f"{here}.q_b_proj", f"{here}.q_proj")),
            _Module("attention", third, (f"{here}.kv_b_proj",)),
            _Module("attention", third, (f"{here}.o_proj",)),
            _Module("replicated", Fraction(1), (f"{here}.kv_a_proj_with_mqa",)),
        ]
    half, fused = Fraction(1, 2), tuple(f"{here}.{name}" for name in _FUSED)
    return [
        _Module("attention", half, (f"{here}.q_proj", *fused)),
        _Module("attention", half, (f"{here}.o_proj",)),
        _Module("key_value", half, (f"{here}.k_proj", *fused)),
        _Module("key_value", half, (f"{here}.v_proj", *fused)),
    ]
