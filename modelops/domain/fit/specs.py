"""What the fit check is asked about: a model's shape, the engine's settings and the cards.

Everything is frozen, in bytes and plain numbers, so that any process can hold, compare and store it.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from modelops.domain.fit.cache_dtypes import CacheFormat
from modelops.domain.fit.card_starts import CardStart
from modelops.domain.fit.eras import Era, Sampler
from modelops.domain.fit.expert_split import ExpertSplit
from modelops.domain.fit.towers import VisionTower

GIB = 1 << 30
MIB = 1 << 20


class LayerKind(StrEnum):
    """How one decoder layer remembers the past, which decides what it costs per token."""

    FULL = "full"
    SLIDING = "sliding"
    CHUNKED = "chunked"
    MLA = "mla"
    CROSS = "cross"
    """Attention to an encoder's output, whose length is `window`."""
    LINEAR = "linear"
    NONE = "none"


class Dtype(StrEnum):
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"

    @property
    def size_bytes(self) -> int:
        return 4 if self is Dtype.FLOAT32 else 2


@dataclass(frozen=True)
class Gpu:
    """One card as the engine sees it.

    `total_bytes` is what CUDA reports to the engine (a "24 GB" card shows about 23.6 GiB);
    `free_bytes` is what is free before the engine starts, None when not known.
    """

    name: str
    total_bytes: int
    free_bytes: int | None = None
    compute_capability: tuple[int, int] | None = None
    is_total_typical: bool = False
    """`total_bytes` is what CUDA usually shows of such cards, and was not read from this one."""
    starts: tuple[CardStart, ...] = ()
    """What earlier starts on such cards told of them, the newest first."""


@dataclass(frozen=True)
class LinearState:
    """A recurrent layer's constant state in elements, before tensor parallel divides it."""

    convolution_elements: int
    recurrent_elements: int
    recurrent_is_float32: bool = False
    convolution_width: int = 0
    """Elements more for each token that is guessed ahead."""


@dataclass(frozen=True)
class CacheShape:
    """What one layer keeps per token (attention) or per sequence (`state`)."""

    kind: LayerKind
    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    window: int | None = None
    state: LinearState | None = None
    index_bytes: int = 0
    """Of each token for the index of sparse attention, beside its latent vector."""
    is_shared: bool = False
    """The layer reads another layer's cache and allocates none."""


@dataclass(frozen=True)
class LayerWeights:
    """Parameters of one layer, by how they are sharded and whether a quantization touches them."""

    attention: int = 0
    key_value: int = 0
    mlp: int = 0
    experts: int = 0
    replicated: int = 0
    plain: int = 0
    plain_sharded: int = 0
    plain_key_value: int = 0
    """Kept in 16 bit by name; the like of `key_value` and `experts`, which a quantization covers."""
    plain_experts: int = 0

    @property
    def has_experts(self) -> bool:
        return self.experts + self.plain_experts > 0

    @property
    def total(self) -> int:
        return (
            self.plain_key_value
            + self.plain_experts
            + self.attention
            + self.key_value
            + self.mlp
            + self.experts
            + self.replicated
            + self.plain
            + self.plain_sharded
        )


@dataclass(frozen=True)
class AdapterShape:
    """Elements per rank that one LoRA adapter adds to a layer: alike on every GPU, and split over them."""

    whole: int = 0
    split: int = 0


@dataclass(frozen=True)
class Layer:
    cache: CacheShape
    weights: LayerWeights
    adapter: AdapterShape | None = None
    """None for a layer whose projections are not told apart."""


@dataclass(frozen=True)
class MoeShape:
    experts: int
    experts_per_token: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    has_shared_gate: bool = False


@dataclass(frozen=True)
class Quantization:
    """How a checkpoint (or a load-time flag) stores weights. Sizes are exact fractions of a byte."""

    method: str
    bits: int | None
    group_size: int | None = None
    scale_bytes_per_group: float = 0.0
    covers: frozenset[str] = frozenset({"attention", "mlp", "experts"})
    covers_lm_head: bool = False
    block_shape: tuple[int, int] | None = None
    kv_cache_bits: int | None = None
    is_load_time: bool = False
    part_widths: tuple[tuple[str, Fraction], ...] = ()
    """Bytes per weight of the parts that have a width of their own."""
    is_uneven: bool = False
    """Modules of the text model are kept in 16 bit, or have different widths."""


@dataclass(frozen=True)
class ModelArchitecture:
    """A model's shape, as far as memory is concerned."""

    model_type: str
    layers: tuple[Layer, ...]
    hidden_size: int
    vocab_size: int
    attention_heads: int
    kv_heads: int
    intermediate_size: int
    is_gated: bool
    embedding_parameters: int
    lm_head_parameters: int
    other_parameters: int
    rotary_elements: int
    max_positions: int | None
    default_max_model_len: int | None
    dtype: Dtype
    moe: MoeShape | None = None
    vision: VisionTower | None = None
    quantization: Quantization | None = None
    is_pooling: bool = False
    is_multimodal: bool = False
    draft_layers: int = 0
    is_layout_known: bool = True
    allows_float16: bool = True
    state_heads: int = 0
    latent_up_parameters: int = 0
    """One latent-attention layer's up-projection, of which a quantized model keeps a 16-bit copy."""
    attention_dims: tuple[int, int] = (0, 0)
    """Query width and output width of one layer's attention, before tensor parallel."""
    draft: tuple[Layer, ...] = ()
    """The layers that guess further tokens (multi-token prediction), which are loaded on request only."""
    adapts_vocabulary: bool = False
    """LoRA reaches the embedding and the head, too (`embedding_modules` of the model's class)."""

    @property
    def text_parameters(self) -> int:
        layers = sum(layer.weights.total for layer in self.layers)
        return layers + self.embedding_parameters + self.lm_head_parameters + self.other_parameters

    @property
    def parameters(self) -> int:
        """Parameters the engine loads, draft (multi-token prediction) layers left out."""
        tower = self.vision.parameters if self.vision and self.vision.parameters else 0
        return self.text_parameters + tower

    @property
    def uses_mla(self) -> bool:
        return any(layer.cache.kind is LayerKind.MLA for layer in self.layers)


@dataclass(frozen=True)
class CheckpointFacts:
    """What is known of a checkpoint beside its config.json. None means not known."""

    parameters: int | None = None
    weights_bytes: int | None = None


@dataclass(frozen=True)
class Speculation:
    """Tokens guessed ahead of the model (`speculative_config`)."""

    method: str
    """As vLLM calls it once resolved: ngram, mtp, eagle, eagle3, draft_model and others."""
    tokens: int = 1
    model: str = ""
    """The draft's repository, as far as one is named."""
    draft: ModelArchitecture | None = None
    """The draft's shape; None where its config.json is not known, or where it is part of the model."""
    draft_facts: CheckpointFacts = CheckpointFacts()
    draft_tensor_parallel_size: int | None = None
    keeps_probabilities: bool = False
    """The drafts' distributions are kept until the next step (`draft_sample_method`: probabilistic)."""

    @property
    def has_weights(self) -> bool:
        return self.method not in ("ngram", "suffix")

    @property
    def keeps_logits(self) -> bool:
        return self.keeps_probabilities and self.has_weights


@dataclass(frozen=True)
class Adapters:
    """What the engine sets aside for LoRA adapters (`LoRAConfig`, vllm/config/lora.py)."""

    slots: int = 1
    rank: int = 16
    is_fully_sharded: bool = False


@dataclass(frozen=True)
class EngineSettings:
    """vLLM's flags as an operator gives them; None takes the engine's default for version and card."""

    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    max_model_len: int | None = None
    is_max_model_len_auto: bool = False
    gpu_memory_utilization: float | None = None
    dtype: str = "auto"
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    enforce_eager: bool = False
    enable_chunked_prefill: bool | None = None
    block_size: int | None = None
    kv_cache_memory_bytes: int | None = None
    vllm_version: str | None = None
    is_version_seen: bool = False
    """The version is that of an earlier start, for nobody says which one the next will be."""
    engine: str | None = None
    is_pooling: bool | None = None
    is_text_only: bool = False
    speculation: Speculation | None = None
    adapters: Adapters | None = None
    cpu_offload_bytes: int = 0
    """Weights of each GPU that are kept in host memory."""
    async_scheduling: bool | None = None
    max_cudagraph_capture_size: int | None = None
    disable_hybrid_kv_cache_manager: bool = False
    enable_prefix_caching: bool | None = None
    mamba_cache_dtype: str = "auto"
    mamba_ssm_cache_dtype: str = "auto"
    media_limits: tuple[tuple[str, int], ...] = ()
    """Most items of a modality in one prompt (`limit_mm_per_prompt`), where the operator says."""
    media_max_pixels: int | None = None
    """`max_pixels` of `mm_processor_kwargs`."""
    skip_mm_profiling: bool = False
    disable_custom_all_reduce: bool = False
    mm_encoder_tp_mode: str | None = None
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False
    pp_layer_partition: str | None = None
    """Layers of each pipeline stage, as VLLM_PP_LAYER_PARTITION gives them: "16,32"."""

    @property
    def gpu_count(self) -> int:
        return self.tensor_parallel_size * self.cards_per_slice

    @property
    def cards_per_slice(self) -> int:
        """Cards for each of the slices that tensor parallel makes."""
        return self.pipeline_parallel_size * self.data_parallel_size

    @property
    def expert_split(self) -> ExpertSplit:
        return ExpertSplit.make(
            tensor_parallel_size=self.tensor_parallel_size,
            data_parallel_size=self.data_parallel_size,
            is_whole=self.enable_expert_parallel,
        )


@dataclass(frozen=True)
class ResolvedSettings:
    """Settings with every default filled in."""

    tensor_parallel_size: int
    pipeline_parallel_size: int
    data_parallel_size: int
    expert_split: ExpertSplit
    world_size: int
    """Processes that exchange tensors: the ranks of data parallel do only for a mixture of experts."""
    max_model_len: int
    gpu_memory_utilization: float
    dtype: Dtype
    cache_format: CacheFormat
    has_hybrid_cache: bool
    """Layers with a window keep no more than that."""
    max_num_seqs: int
    max_num_batched_tokens: int
    enforce_eager: bool
    block_size: int
    is_pooling: bool
    is_text_only: bool
    kv_cache_memory_bytes: int | None
    era: Era
    sampler: Sampler
    steps_in_flight: int
    """Steps whose tokens a sliding window keeps at a time."""
    counts_graphs: bool
    """The engine takes what it expects of its CUDA graphs from the KV cache."""
    state_blocks: int
    """Constant states that a request holds at a time."""
    convolution_bytes: int | None
    recurrent_bytes: int | None
    """Of one element of a constant state, where the operator says."""
    speculation: Speculation | None
    verifies_in_profile: bool
    """The profiling run tries out the comparison of drafts with the model's own choice."""
    graph_cases: int
    """How often each batch size is captured: with adapters, and without."""
    max_cudagraph_capture_size: int | None
    media_limits: tuple[tuple[str, int], ...] = ()
    media_max_pixels: int | None = None
    skip_mm_profiling: bool = False
    disable_custom_all_reduce: bool = False
    stage_sizes: tuple[int, ...] | None = None
    splits_tower: bool = True
    """Tensor parallel splits the tower's weights, and not its batch."""

    def allows_media(self, modality: str) -> bool:
        return dict(self.media_limits).get(modality, 1) > 0
