"""How vLLM lays out the KV cache: bytes per block, blocks per request, tokens a budget holds.

Sources: vllm/v1/core/kv_cache_utils.py (`get_kv_cache_groups`, `_get_kv_cache_groups_uniform_page_size`,
`unify_kv_cache_spec_page_size`) and vllm/v1/kv_cache_interface.py (`max_memory_usage_bytes`), 0.32.
"""

from collections import Counter
from dataclasses import dataclass, replace
from math import ceil

from modelops.domain.fit.cache_dtypes import find_format
from modelops.domain.fit.engine_defaults import EngineTraits
from modelops.domain.fit.specs import CacheShape, Layer, LayerKind, ModelArchitecture, ResolvedSettings

_PADDED_LATENT_HEAD_DIM = 256
"""Before 0.7.1 latent attention was expanded to ordinary heads, padded to this size."""
_STATE_ALIGNMENT_TOKENS = 16
_GROW_GROUPS_BELOW = 1.5
"""Layer counts closer than this share one group size, at the price of padding layers."""


@dataclass(frozen=True)
class _Group:
    """Layers that draw blocks from the pool together."""

    shape: CacheShape
    block_tokens: int
    blocks_per_request_factor: int


@dataclass(frozen=True)
class CacheLayout:
    """One GPU's cache: a pool of equal blocks that every group draws from."""

    block_bytes: int
    groups: tuple[_Group, ...]
    reserves_null_block: bool
    batched_tokens: int
    state_blocks: int

    @property
    def is_empty(self) -> bool:
        return not self.groups

    @property
    def min_block_tokens(self) -> int:
        sizes = [group.block_tokens for group in self.groups if group.shape.kind is not LayerKind.LINEAR]
        return min(sizes) if sizes else 1

    @property
    def group_count(self) -> int:
        return sum(group.blocks_per_request_factor for group in self.groups)

    def count_request_blocks(self, length: int) -> int:
        """Blocks one request of `length` tokens needs, over all groups."""
        return sum(
            group.blocks_per_request_factor * self._count_group_blocks(group, length) for group in self.groups
        )

    def _count_group_blocks(self, group: _Group, length: int) -> int:
        kind, window = group.shape.kind, group.shape.window
        if kind is LayerKind.LINEAR:
            return self.state_blocks
        if kind is LayerKind.CROSS and window:
            return ceil(window / group.block_tokens)
        if kind is LayerKind.SLIDING and window:
            return ceil(min(window - 1 + self.batched_tokens, length) / group.block_tokens) + 1
        if kind is LayerKind.CHUNKED and window:
            return ceil(min(window + self.batched_tokens, length) / group.block_tokens)
        return ceil(length / group.block_tokens)

    def count_request_bytes(self, length: int) -> int:
        """Bytes the budget must hold for the engine to start with this context."""
        null = 1 if self.reserves_null_block and self.groups else 0
        return (self.count_request_blocks(length) + null) * self.block_bytes

    def count_requests(self, length: int, budget_bytes: int) -> float:
        """Requests of `length` tokens that a budget holds at once; a fraction where it does not hold one."""
        null = 1 if self.reserves_null_block else 0
        blocks = max(0, self.count_blocks(budget_bytes) - null)
        return blocks / max(1, self.count_request_blocks(length))

    def count_blocks(self, budget_bytes: int) -> int:
        return max(0, budget_bytes) // self.block_bytes if self.block_bytes else 0


def plan_cache(
    model: ModelArchitecture, layers: tuple[Layer, ...], settings: ResolvedSettings, traits: EngineTraits
) -> CacheLayout:
    """Lay out the cache of one pipeline stage's `layers` on one tensor-parallel rank."""
    shapes = [
        _adapt(layer.cache, model, settings, traits)
        for layer in layers
        if layer.cache.kind is not LayerKind.NONE and not layer.cache.is_shared
    ]
    counted = Counter(shapes)
    block = _choose_block_size(counted, settings)
    pages = {shape: _count_page_bytes(shape, settings, block) for shape in counted}
    is_whole_context = all(shape.kind in (LayerKind.FULL, LayerKind.MLA) for shape in counted)
    is_one_group = is_whole_context or len(counted) == 1
    if is_one_group:
        groups: tuple[_Group, ...] = ()
        if counted:
            groups = (_Group(next(iter(counted)), block, 1),)
        block_bytes = sum(pages[shape] * count for shape, count in counted.items())
    else:
        groups, block_bytes = _group_by_page(counted, pages, block)
    return CacheLayout(
        block_bytes=block_bytes,
        groups=groups,
        reserves_null_block=traits.era.reserves_null_block,
        batched_tokens=settings.max_num_batched_tokens * settings.steps_in_flight,
        state_blocks=settings.state_blocks,
    )


def _adapt(
    shape: CacheShape, model: ModelArchitecture, settings: ResolvedSettings, traits: EngineTraits
) -> CacheShape:
    """Return how this version treats a layer: older ones know only full attention."""
    if shape.kind is LayerKind.MLA and not traits.era.caches_latents:
        dim = _PADDED_LATENT_HEAD_DIM
        return CacheShape(LayerKind.FULL, model.attention_heads, dim, dim)
    if shape.kind is LayerKind.CHUNKED:
        # Chunked layers get whole-context blocks unless an environment variable asks otherwise.
        return replace(shape, kind=LayerKind.FULL, window=None)
    if shape.kind is LayerKind.SLIDING and (not settings.has_hybrid_cache or shape.window is None):
        return replace(shape, kind=LayerKind.FULL, window=None)
    return shape


def count_token_bytes(shape: CacheShape, settings: ResolvedSettings) -> int:
    """Bytes one layer keeps per token on one rank; KV heads are replicated when ranks outnumber them."""
    if shape.kind in (LayerKind.LINEAR, LayerKind.NONE):
        return 0
    is_latent = shape.kind is LayerKind.MLA
    heads = shape.kv_heads if is_latent else max(1, shape.kv_heads // settings.tensor_parallel_size)
    stored = settings.cache_format
    if shape.index_bytes and stored.bits == 8:
        # Sparse attention has 8-bit latents in packed form only: mla_attention.py:366 (0.33).
        stored = find_format("fp8_ds_mla")
    return heads * stored.count_bytes(shape.key_dim, shape.value_dim, is_latent=is_latent) + shape.index_bytes


def _count_state_bytes(shape: CacheShape, settings: ResolvedSettings) -> int:
    state = shape.state
    if state is None:
        return 0
    convolution = settings.convolution_bytes or settings.dtype.size_bytes
    recurrent = settings.recurrent_bytes or (4 if state.recurrent_is_float32 else convolution)
    guesses = settings.speculation.tokens if settings.speculation is not None else 0
    elements = state.convolution_elements + guesses * state.convolution_width
    return (elements * convolution + state.recurrent_elements * recurrent) // settings.tensor_parallel_size


def _choose_block_size(counted: "Counter[CacheShape]", settings: ResolvedSettings) -> int:
    """Return tokens per block; hybrids grow it until an attention page holds one constant state.

    Source: the mamba page alignment in vllm/platforms/interface.py.
    """
    state = max((_count_state_bytes(shape, settings) for shape in counted), default=0)
    attention = [size for shape in counted if (size := count_token_bytes(shape, settings))]
    if not state or not attention:
        return settings.block_size
    step = _STATE_ALIGNMENT_TOKENS
    return max(settings.block_size, step * ceil(state / (step * min(attention))))


def _count_page_bytes(shape: CacheShape, settings: ResolvedSettings, block: int) -> int:
    if shape.kind is LayerKind.LINEAR:
        return _count_state_bytes(shape, settings)
    return block * count_token_bytes(shape, settings)


def _group_by_page(
    counted: "Counter[CacheShape]", pages: dict[CacheShape, int], block: int
) -> tuple[tuple[_Group, ...], int]:
    """Split layers into groups of equal size whose pages are grown (or padded) to the largest."""
    largest = max(pages.values())
    fewest, most = min(counted.values()), max(counted.values())
    size = most if most < fewest * _GROW_GROUPS_BELOW else fewest
    groups = []
    for shape, count in counted.items():
        grows = shape.kind is not LayerKind.LINEAR and largest % pages[shape] == 0
        tokens = block * (largest // pages[shape]) if grows else block
        groups.append(_Group(shape, tokens, ceil(count / size)))
    return tuple(groups), size * largest
