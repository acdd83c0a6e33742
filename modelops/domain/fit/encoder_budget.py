"""What the engine runs through a multimodal model's tower while it profiles itself, and what of it is kept.

Sources: `compute_mm_encoder_budget` (vllm/v1/core/encoder_cache_manager.py:333), `MultiModalBudget`
(vllm/multimodal/encoder_budget.py) and `profile_encoder_cache` (vllm/v1/worker/gpu/mm/encoder_runner.py:111),
0.33; the same in earlier releases, but for what `eras` says.
"""

from dataclasses import dataclass

from modelops.domain.fit.eras import KeptOutputs
from modelops.domain.fit.specs import ModelArchitecture, ResolvedSettings
from modelops.domain.fit.towers import MediaGrowth, MediaItem, VisionTower

_FRAMES_OF_A_PAIR = 2


@dataclass(frozen=True)
class EncoderProfile:
    """One batch of items of the modality whose largest item takes most tokens.

    `kept_rows` are those of the outputs that stay alive while the text model is profiled, `patches` what
    goes through the tower at once.
    """

    modality: str
    budget_tokens: int
    items: int
    kept_rows: int
    patches: int


def profile_encoder(model: ModelArchitecture, settings: ResolvedSettings) -> EncoderProfile | None:
    """Return what the tower is profiled with; None where nothing is, or the family is not known."""
    tower = model.vision
    if tower is None or not runs_tower(tower, settings):
        return None
    media = [
        _measure(item, settings, context=settings.max_model_len)
        for item in tower.media
        if settings.allows_media(item.modality)
    ]
    if not media:
        return None
    largest = max(media, key=lambda each: (each.tokens, each.item.modality))
    budget = max(settings.max_num_batched_tokens, largest.tokens)
    items = _count_items(budget, largest.tokens, settings)
    built = largest
    if not settings.era.builds_media_by_context:
        built = _measure(largest.item, settings, context=settings.max_num_batched_tokens)
    return EncoderProfile(
        modality=largest.item.modality,
        budget_tokens=budget,
        items=items,
        kept_rows=items * _count_kept_rows(built.rows, largest.tokens, budget, settings.era.kept_outputs),
        patches=items * built.patches,
    )


def runs_tower(tower: VisionTower, settings: ResolvedSettings) -> bool:
    """Whether the tower is profiled at all.

    A limit of 0 takes a modality out; without any, or with `skip_mm_profiling`, nothing is profiled.
    """
    if settings.is_text_only or settings.skip_mm_profiling:
        return False
    modalities = {item.modality for item in tower.media} or {"image"}
    return any(settings.allows_media(modality) for modality in modalities)


def find_largest_item(tower: VisionTower) -> int:
    """Tokens of the largest item of all modalities, whatever their limits, for a tower of fixed sizes."""
    return max((item.positions or item.rows for item in tower.media), default=0)


@dataclass(frozen=True)
class _Measured:
    """An item at this context: `tokens` count against the budget, `rows` and `patches` are built."""

    item: MediaItem
    tokens: int
    rows: int
    patches: int


def _measure(item: MediaItem, settings: ResolvedSettings, *, context: int) -> _Measured:
    rows, patches = item.rows, item.patches
    if settings.media_max_pixels and item.pixels_per_row:
        rows = max(1, settings.media_max_pixels // item.pixels_per_row)
        patches = rows * (item.patches // item.rows)
    units = _count_units(item, rows, settings, context)
    factor = settings.era.timestamp_factor if item.has_timestamps else 1.0
    tokens = item.positions or int(units * rows * factor)
    return _Measured(item, tokens, units * rows, units * patches)


def _count_units(item: MediaItem, rows: int, settings: ResolvedSettings, context: int) -> int:
    """As many frames, or pairs of them, as the context holds; at least one."""
    if item.growth is MediaGrowth.FRAME_PAIRS:
        return max(1, min(context // rows, settings.era.most_video_frames // _FRAMES_OF_A_PAIR))
    if item.growth is MediaGrowth.FRAMES:
        return max(1, (context - item.beside_rows) // rows)
    return 1


def _count_items(budget: int, tokens: int, settings: ResolvedSettings) -> int:
    """`_get_max_items`: by the encoder's budget, and by the prompts of one batch."""
    by_budget = -(-budget // tokens) if settings.era.rounds_items_up else budget // tokens
    by_prompts = settings.max_num_seqs * max(1, settings.max_model_len // tokens)
    return max(1, min(by_budget, by_prompts))


def _count_kept_rows(rows: int, tokens: int, budget: int, kept: KeptOutputs) -> int:
    """Rows that one output takes in the cache."""
    if kept is KeptOutputs.GROWN_TO_BUDGET:
        return max(rows, budget)
    if kept is KeptOutputs.GROWN_TO_ITEM:
        return max(rows, tokens)
    return rows
