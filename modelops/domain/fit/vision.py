"""Approximate a vision tower's size from its section of config.json.

Towers differ in details (merger, rotary tables, position tables); these formulas are within a few
per cent of the published counts, and the checkpoint's own size always wins where it is known.
"""

from collections.abc import Mapping
from typing import Any

from modelops.domain.fit.calibration import MAX_VISION_PATCHES
from modelops.domain.fit.config_reader import Config, get_int
from modelops.domain.fit.specs import VisionTower

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
            return VisionTower(None, 0, 0, 0, 0)
    depth, width = get_int(section, _DEPTH), _read_width(section)
    if not depth or not width:
        return VisionTower(None, 0, 0, 0, 0)
    intermediate = get_int(section, "intermediate_size")
    if intermediate is None:
        intermediate = int(width * float(section.get("mlp_ratio") or 4))
    is_gated = str(section.get("hidden_act", "")) in ("silu", "swiglu")
    layer = 4 * width * width + (3 if is_gated else 2) * width * intermediate + 6 * width
    merge = get_int(section, "spatial_merge_size", 0) or 0
    patches, tokens = _find_max_patches(config, section, merge)
    patch = get_int(section, "patch_size", 14) or 14
    table = patches * width if _find_image_size(config, section) else 0
    parameters = depth * layer + 3 * patch * patch * width + table
    parameters += _count_projector(section, width, text_hidden, merge)
    return VisionTower(parameters, width, intermediate, patches, tokens)


def _read_width(section: Mapping[str, Any]) -> int | None:
    # Qwen2-VL names the tower's width embed_dim and the text's width hidden_size.
    return get_int(section, _WIDTH)


def _find_image_size(config: Config, section: Mapping[str, Any]) -> int | None:
    size = section.get("image_size") or config.get("force_image_size")
    return int(size) if isinstance(size, int) else None


def _find_max_patches(config: Config, section: Mapping[str, Any], merge: int) -> tuple[int, int]:
    """Return the patches and text tokens of the largest image."""
    patch = get_int(section, "patch_size", 14) or 14
    size = _find_image_size(config, section)
    if size is None:
        return MAX_VISION_PATCHES, MAX_VISION_PATCHES // max(1, merge * merge)
    patches = (size // patch) ** 2
    tiles = get_int(config, "max_dynamic_patch", 1) or 1
    return patches * tiles, patches * tiles // max(1, merge * merge)


def _count_projector(section: Mapping[str, Any], width: int, text_hidden: int, merge: int) -> int:
    merged = width * max(1, merge * merge)
    inner = merged if merge else text_hidden
    levels = 1 + len(section.get("deepstack_visual_indexes") or [])
    return levels * (merged * inner + inner * text_hidden)
