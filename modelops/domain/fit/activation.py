"""The peak of PyTorch memory while the engine profiles itself with a full batch of dummy tokens.

Structure: `profile_run` (vllm/v1/worker/gpu_model_runner.py): the vision tower first, its outputs kept,
then one forward pass of max_num_batched_tokens, then the sampler over max_num_seqs rows.
"""

from modelops.domain.fit.calibration import (
    ALL_REDUCE_COPIES,
    HIDDEN_COPIES_BESIDE_SAMPLER,
    HIDDEN_COPIES_IN_LAYER,
    SAMPLER_COPIES,
    VERIFICATION_COPIES,
)
from modelops.domain.fit.encoder_budget import EncoderProfile, profile_encoder
from modelops.domain.fit.specs import ModelArchitecture, ResolvedSettings
from modelops.domain.fit.towers import VisionTower

_FLOAT32_BYTES = 4


def estimate_activation(model: ModelArchitecture, settings: ResolvedSettings) -> int:
    """Return the activation peak on one GPU in bytes."""
    forward = max(_estimate_layer_peak(model, settings), _estimate_sampler_peak(model, settings))
    forward += _count_kept_drafts(model, settings)
    profile = profile_encoder(model, settings)
    if profile is None or model.vision is None:
        return forward
    tower = _estimate_tower_peak(model.vision, profile, settings)
    return max(forward, tower) + _count_outputs(model, profile, settings)


def _estimate_sampler_peak(model: ModelArchitecture, settings: ResolvedSettings) -> int:
    """The sampler works on whole rows of logits, which tensor parallel does not divide."""
    if settings.is_pooling:
        return 0
    rows = min(settings.max_num_seqs, settings.max_num_batched_tokens)
    copies = SAMPLER_COPIES[settings.sampler] + (VERIFICATION_COPIES if settings.verifies_in_profile else 0)
    logits = copies * rows * model.vocab_size * _FLOAT32_BYTES
    logits += _count_tried_drafts(model, settings, rows)
    batch = settings.max_num_batched_tokens * model.hidden_size * settings.dtype.size_bytes
    return int(logits + HIDDEN_COPIES_BESIDE_SAMPLER * batch)


def _count_kept_drafts(model: ModelArchitecture, settings: ResolvedSettings) -> int:
    """The logits of every guess, which the second runner keeps: `DraftModelSpeculator.draft_logits`, 0.33."""
    speculation = settings.speculation
    if speculation is None or settings.verifies_in_profile or not speculation.keeps_logits:
        return 0
    guesses = settings.max_num_seqs * speculation.tokens
    return guesses * model.vocab_size * settings.dtype.size_bytes


def _count_tried_drafts(model: ModelArchitecture, settings: ResolvedSettings, rows: int) -> int:
    """A row for each sequence and its softmax, made up by the first runner: `_dummy_sampler_run`, 0.33."""
    speculation = settings.speculation
    if speculation is None or not settings.verifies_in_profile or not speculation.keeps_probabilities:
        return 0
    return 2 * rows * model.vocab_size * _FLOAT32_BYTES


def _estimate_layer_peak(model: ModelArchitecture, settings: ResolvedSettings) -> int:
    tokens, ranks = settings.max_num_batched_tokens, settings.tensor_parallel_size
    size = settings.dtype.size_bytes
    hidden_copies = HIDDEN_COPIES_IN_LAYER + (ALL_REDUCE_COPIES if ranks > 1 else 0)
    hidden = hidden_copies * model.hidden_size
    matrices = 3 if model.is_gated else 2
    dense = matrices * model.intermediate_size / ranks if _has_dense_layer(model) else 0.0
    query, output = model.attention_dims
    attention = (query + 2 * output) / ranks if model.uses_mla else 0.0
    peak = size * tokens * (max(dense, attention) + hidden)
    if model.moe is not None:
        peak = max(peak, _estimate_expert_peak(model, settings) + size * tokens * hidden)
    return int(peak)


def _has_dense_layer(model: ModelArchitecture) -> bool:
    return any(layer.weights.mlp and not layer.weights.has_experts for layer in model.layers)


def _estimate_expert_peak(model: ModelArchitecture, settings: ResolvedSettings) -> float:
    """Scratch of the fused expert kernel: two caches of the routed tokens, whichever rank has their experts.

    Source: `fused_experts_impl`, vllm/model_executor/layers/fused_moe/fused_moe.py. With data parallel, each
    rank first gathers the tokens of all (`allgather_reducescatter`, the default all-to-all).
    """
    moe, split = model.moe, settings.expert_split
    if moe is None:
        return 0.0
    gathered = settings.max_num_batched_tokens * settings.data_parallel_size
    routed = min(gathered, settings.era.expert_chunk_tokens) * moe.experts_per_token
    inner = moe.intermediate_size / split.slices
    shared_ranks = 1 if split.has_whole_shared else settings.tensor_parallel_size
    shared = settings.max_num_batched_tokens * 3 * moe.shared_intermediate_size / shared_ranks
    exchanged = 2 * gathered * model.hidden_size if settings.data_parallel_size > 1 else 0
    scratch = routed * (max(2 * inner, model.hidden_size) + inner) + shared + exchanged
    return settings.dtype.size_bytes * scratch


def _estimate_tower_peak(tower: VisionTower, profile: EncoderProfile, settings: ResolvedSettings) -> int:
    """The tower's MLP with all patches at once; tensor parallel splits its width, or its batch.

    Source: `Qwen2_5_VisionMLP` (qwen2_5_vl.py) and `Qwen3_VisionMLP` (qwen3_vl.py): column-parallel up, row-
    parallel down, unless `mm_encoder_tp_mode` is "data" (vllm/config/multimodal.py:385).
    """
    patches, ranks = profile.patches, settings.tensor_parallel_size
    if not settings.splits_tower and not tower.is_replicated:
        patches = patches // profile.items * -(-profile.items // ranks)
    is_split = settings.splits_tower and not tower.is_replicated
    matrices = 3 if tower.is_gated else 2
    inner = matrices * tower.intermediate_size / (ranks if is_split else 1)
    width = inner + HIDDEN_COPIES_IN_LAYER * tower.hidden_size
    return int(settings.dtype.size_bytes * patches * width)


def _count_outputs(model: ModelArchitecture, profile: EncoderProfile, settings: ResolvedSettings) -> int:
    """What the tower made stays in the encoder's cache, on every rank, while the text model is profiled."""
    levels = model.vision.output_levels if model.vision is not None else 1
    return profile.kept_rows * model.hidden_size * levels * settings.dtype.size_bytes
