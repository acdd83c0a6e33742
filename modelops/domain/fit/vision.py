"""Approximate a vision tower's size from its section of config.json.

Towers differ in details (merger, rotary tables, position tables); these formulas are within a few
per cent of the published counts, and the checkpoint's own size always wins where it is known.
"""

from collections.abc import Mapping
from typing import Any

from modelops.domain.fit.config_reader import Config, get_int
from modelops.domain.fit.media import raises_batch, read_media
from modelops.domain.fit.towers import VisionTower

_DEPTH = ("depth", "num_hidden_layers", "layers", "num_layers")
_WIDTH = ("embed_dim", "hidden_size", "width")

_QWEN2_TOWER = {
    "depth": 32,
    "embed_dim": 1280,
    "intermediate_size": 5120,
    "patch_size": 14,
    "spatial_merge_size": 2,
}
_QWEN3_TOWER = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "deepstack_visual_indexes": [8, 16, 24],
}
_SIGLIP_TOWER = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "patch_size": 14,
    "image_size": 896,
}
FAMILY_TOWERS: dict[str, Mapping[str, Any]] = {
    "qwen2vl": _QWEN2_TOWER,
    "qwen25vl": {**_QWEN2_TOWER, "intermediate_size": 3420, "hidden_act": "silu"},
    "qwen3vl": _QWEN3_TOWER,
    "qwen3vlmoe": _QWEN3_TOWER,
    "gemma3": _SIGLIP_TOWER,
}
"""The tower that all (Qwen3-VL: nearly all) sizes of a family share, for a config cut down to the text."""

_GATED_FAMILIES = frozenset({"gemma4", "mistral3", "pixtral"})
"""Whose towers multiply with a gate, whatever the name of the activation (`PixtralHFMLP`, pixtral.py:1262;
`Gemma4VisionMLP`, transformers/models/gemma4/modeling_gemma4.py)."""
_REPLICATED_FAMILIES = frozenset({"gemma4"})
"""Whose towers are those of transformers, whole on every rank (`vision_tower`, gemma4_mm.py:1102)."""


def read_vision_tower(
    config: Config, text_hidden: int, *, model_type: str, is_expected: bool
) -> VisionTower | None:
    """Return the tower, with `parameters` None when one must exist but is not described."""
    section = config.get("vision_config") or config.get("visual")
    if isinstance(thinker := config.get("thinker_config"), Mapping):
        section = section or thinker.get("vision_config")
    if not isinstance(section, Mapping) or not section:
        if not is_expected:
            return None
        section = FAMILY_TOWERS.get(model_type)
        if section is None:
            return VisionTower(None, 0, 0, raises_batch=raises_batch(model_type), family=model_type)
    depth, width = get_int(section, _DEPTH), _read_width(section)
    if not depth or not width:
        return VisionTower(None, 0, 0, raises_batch=raises_batch(model_type), family=model_type)
    intermediate = get_int(section, "intermediate_size")
    if intermediate is None:
        intermediate = int(width * float(section.get("mlp_ratio") or 4))
    is_gated = str(section.get("hidden_act", "")) in ("silu", "swiglu") or model_type in _GATED_FAMILIES
    layer = 4 * width * width + (3 if is_gated else 2) * width * intermediate + 6 * width
    merge = get_int(section, "spatial_merge_size", 0) or 0
    patch = get_int(section, "patch_size", 14) or 14
    parameters = depth * layer + 3 * patch * patch * width + _count_positions(config, section) * width
    parameters += _count_projector(section, width, text_hidden, merge)
    return VisionTower(
        parameters,
        width,
        intermediate,
        is_gated=is_gated,
        media=read_media(model_type, config, section),
        output_levels=_count_levels(section),
        is_replicated=model_type in _REPLICATED_FAMILIES,
        raises_batch=raises_batch(model_type),
        family=model_type,
    )


def _read_width(section: Mapping[str, Any]) -> int | None:
    # Qwen2-VL names the tower's width embed_dim and the text's width hidden_size.
    return get_int(section, _WIDTH)


def _count_positions(config: Config, section: Mapping[str, Any]) -> int:
    """Rows of the position table of a tower whose images have one size."""
    size = section.get("image_size") or config.get("force_image_size")
    if not isinstance(size, int):
        return 0
    patch = get_int(section, "patch_size", 14) or 14
    tiles = get_int(config, "max_dynamic_patch", 1) or 1
    return (size // patch) ** 2 * tiles


def _count_levels(section: Mapping[str, Any]) -> int:
    """Widths of the text model that a row of output has (`deepstack_visual_indexes`, qwen3_vl.py)."""
    return 1 + len(section.get("deepstack_visual_indexes") or [])


def _count_projector(section: Mapping[str, Any], width: int, text_hidden: int, merge: int) -> int:
    merged = width * max(1, merge * merge)
    inner = merged if merge else text_hidden
    return _count_levels(section) * (merged * inner + inner * text_hidden)
