"""The largest image, video or sound that a multimodal model is profiled with, family by family.

Each function follows the family's `ProcessingInfo` in vllm/model_executor/models (0.33): what
`get_mm_max_tokens_per_item` returns, or how many rows the tower makes of the dummy item. A family that is not
in the table has no items here, and the fit check says so.
"""

from collections.abc import Callable, Mapping
from typing import Any

from modelops.domain.fit.config_reader import Config, find_text_config, get_int, squash
from modelops.domain.fit.towers import MediaGrowth, MediaItem

_Section = Mapping[str, Any]

_QWEN2_MAX_PIXELS = 12_845_056
_QWEN3_MAX_PIXELS = 16_777_216
_QWEN3_MAX_VIDEO_PIXELS = 25_165_824
"""`max_pixels` and `longest_edge` in the preprocessor_config.json of the published models."""

_GEMMA4_FRAMES = 32
_GEMMA4_FRAME_ROWS = 70
_GEMMA4_FRAME_POSITIONS = 78
"""`_VIDEO_MAX_FRAMES` and `_VIDEO_MAX_SOFT_TOKENS` with 8 for each frame's marks, gemma4_mm.py:125."""
_GEMMA4_AUDIO_ROWS = 750
"""`audio_seq_length`, transformers/models/gemma4/processing_gemma4.py."""

_LLAMA4_TILES = 16
"""`max_patches`, transformers/models/llama4/image_processing_llama4.py."""

_INTERNVL_VIDEO_TEXTS = frozenset({"qwen2", "qwen3", "qwen3moe", "gptoss"})
"""Text models whose vocabulary has a video token (`ctx_video_token`, internvl.py:348)."""


def read_limits(limits: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Return how many items of each modality a prompt may hold, from `limit_mm_per_prompt`.

    A limit is a number, or an object whose `count` may be missing (vllm/config/multimodal.py).
    """
    counts = {
        name: limit.get("count") if isinstance(limit, Mapping) else limit for name, limit in limits.items()
    }
    return tuple(sorted((name, int(count)) for name, count in counts.items() if count is not None))


def read_max_pixels(kwargs: Mapping[str, Any]) -> int | None:
    """Return the most pixels of an item that `mm_processor_kwargs` allow.

    `max_pixels` wins over `size.longest_edge` (`_get_vision_size`, qwen2_vl.py:960).
    """
    size = kwargs.get("size")
    edge = size.get("longest_edge") if isinstance(size, Mapping) else None
    pixels = kwargs.get("max_pixels", edge)
    return int(pixels) if pixels is not None else None


def list_unread(limits: Mapping[str, Any], kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of the two settings say more than is read here: sizes of dummy items, frames, crops."""
    names = []
    if any(isinstance(limit, Mapping) and set(limit) - {"count"} for limit in limits.values()):
        names.append("limit_mm_per_prompt")
    if set(kwargs) - {"min_pixels", "max_pixels", "size", "do_resize"}:
        names.append("mm-processor-kwargs")
    return tuple(names)


def read_media(family: str, config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """Return the largest item of each modality; nothing for a family that is not understood."""
    reader = _READERS.get(family)
    return reader(config, section) if reader is not None else ()


def raises_batch(family: str) -> bool:
    """Whether a whole item has to fit into one step, so that the engine raises the step to it.

    Source: `_get_min_mm_batched_tokens`, vllm/engine/arg_utils.py:3114 (0.33): models that see an image as a
    whole and know their items' sizes beforehand. The step itself is raised from 0.22 on.
    """
    return family in ("gemma4", "gemma4unified")


def _read_qwen2(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """A video is pairs of frames as large as images (`get_max_video_tokens`, qwen2_vl.py:1183)."""
    side, merge = _read_grid(section)
    rows = _QWEN2_MAX_PIXELS // (side * side)
    image = MediaItem("image", rows, rows * merge * merge, pixels_per_row=side * side)
    return image, MediaItem(
        "video",
        rows,
        rows * merge * merge,
        pixels_per_row=side * side,
        growth=MediaGrowth.FRAME_PAIRS,
    )


def _read_qwen3(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """`Qwen3VLProcessingInfo.get_max_video_tokens`, qwen3_vl.py: all frames of a video share one budget."""
    side, merge = _read_grid(section)
    rows, video = _QWEN3_MAX_PIXELS // (side * side), _QWEN3_MAX_VIDEO_PIXELS // (2 * side * side)
    return (
        MediaItem("image", rows, rows * merge * merge, pixels_per_row=side * side),
        MediaItem(
            "video",
            video,
            video * merge * merge,
            pixels_per_row=2 * side * side,
            has_timestamps=True,
        ),
    )


def _read_grid(section: _Section) -> tuple[int, int]:
    """Return the side in pixels of what becomes one row, and how many patches that is."""
    merge = get_int(section, "spatial_merge_size", 2) or 2
    return merge * (get_int(section, "patch_size", 14) or 14), merge


def _read_gemma3(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """Every image is scaled to one size (`get_num_image_tokens`, gemma3_mm.py:197), without pan and scan."""
    rows = get_int(config, "mm_tokens_per_image", 256) or 256
    return (MediaItem("image", rows, _count_patches(section, image_size=896)),)


def _read_gemma4(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """`get_mm_max_tokens_per_item`, gemma4_mm.py:272."""
    pooled = (get_int(section, "pooling_kernel_size", 3) or 3) ** 2
    rows = get_int(section, ("default_output_length", "num_soft_tokens"), 280) or 280
    frames = _GEMMA4_FRAMES * _GEMMA4_FRAME_ROWS
    items = [
        MediaItem("image", rows, rows * pooled),
        MediaItem("video", frames, frames * pooled, positions=_GEMMA4_FRAMES * _GEMMA4_FRAME_POSITIONS),
    ]
    if config.get("audio_config"):
        items.append(MediaItem("audio", _GEMMA4_AUDIO_ROWS, 0))
    return tuple(items)


def _read_pixtral(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """`PixtralHFEncoderInfo`, pixtral.py:1210: the largest square image."""
    merge = get_int(config, "spatial_merge_size", get_int(section, "spatial_merge_size", 1)) or 1
    size = get_int(section, "image_size", 1024) or 1024
    side = size // ((get_int(section, "patch_size", 16) or 16) * merge)
    return (MediaItem("image", side * side, (side * merge) ** 2),)


def _read_square(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """One image of the tower's own size: a row for each patch (llava.py, paligemma.py)."""
    patches = _count_patches(section, image_size=336)
    return (MediaItem("image", patches, patches),)


def _read_llava_next(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """The grid with most rows: its tiles, a mark at each line's end, and the whole image once more.

    Source: `get_num_image_tokens`, llava_next.py:108.
    """
    size = get_int(section, "image_size", 336) or 336
    side = size // (get_int(section, "patch_size", 14) or 14)
    grids = config.get("image_grid_pinpoints") or [
        [336, 672],
        [672, 336],
        [672, 672],
        [1008, 336],
        [336, 1008],
    ]
    best = (0, 0)
    for height, width in grids:
        tiles_high, tiles_wide = -(-int(height) // size), -(-int(width) // size)
        rows = side * tiles_high * (side * tiles_wide + 1) + side * side
        best = max(best, (rows, (tiles_high * tiles_wide + 1) * side * side))
    return (MediaItem("image", *best),)


def _read_internvl(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """Tiles with a thumbnail, and a video of one tile a frame, as long as the context.

    Source: `InternVLProcessingInfo.get_num_frames_with_most_features`, internvl.py:393.
    """
    patches = _count_patches(section, image_size=get_int(config, "force_image_size", 448) or 448)
    ratio = float(config.get("downsample_ratio") or 0.5)
    tile = int(patches * ratio * ratio)
    tiles = get_int(config, "max_dynamic_patch", 12) or 12
    tiles += 1 if config.get("use_thumbnail", True) and tiles > 1 else 0
    image = MediaItem("image", tiles * tile, tiles * patches)
    text = squash(str(find_text_config(config).get("model_type") or ""))
    if text not in _INTERNVL_VIDEO_TEXTS:
        return (image,)
    video = MediaItem("video", tile, patches, growth=MediaGrowth.FRAMES, beside_rows=image.rows)
    return image, video


def _read_llama4(config: Config, section: _Section) -> tuple[MediaItem, ...]:
    """All tiles and the whole image once more (`get_patch_per_chunk`, mllama4.py:565)."""
    patches = _count_patches(section, image_size=336)
    ratio = float(section.get("pixel_shuffle_ratio") or 0.5)
    tiles = _LLAMA4_TILES + 1
    return (MediaItem("image", tiles * int(patches * ratio * ratio), tiles * patches),)


def _count_patches(section: _Section, *, image_size: int) -> int:
    size = get_int(section, "image_size", image_size) or image_size
    side: int = size // (get_int(section, "patch_size", 14) or 14)
    return side * side


_READERS: Mapping[str, Callable[[Config, _Section], tuple[MediaItem, ...]]] = {
    "qwen2vl": _read_qwen2,
    "qwen25vl": _read_qwen2,
    "qwen3vl": _read_qwen3,
    "qwen3vlmoe": _read_qwen3,
    "qwen35": _read_qwen3,
    "qwen35moe": _read_qwen3,
    "gemma3": _read_gemma3,
    "gemma4": _read_gemma4,
    "mistral3": _read_pixtral,
    "pixtral": _read_pixtral,
    "llava": _read_square,
    "paligemma": _read_square,
    "llavanext": _read_llava_next,
    "internvlchat": _read_internvl,
    "llama4": _read_llama4,
}
