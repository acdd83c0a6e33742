"""All that the engine loads onto each GPU: the weights, what guesses tokens, room for adapters."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from gateway.wording import fill_in
from modelops.domain.fit.adapters import count_adapter_bytes
from modelops.domain.fit.divisibility import find_stage_sizes
from modelops.domain.fit.specs import CheckpointFacts, Dtype, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.speculation import weigh_draft
from modelops.domain.fit.weights import WeightsEstimate, estimate_weights, get_stages


@dataclass(frozen=True)
class Loading:
    """`weights` is what "Model loading took … GiB" will say: all parts, less what stays in host memory."""

    weights: WeightsEstimate
    draft_bytes: int | None = None
    adapter_bytes: int | None = None
    offloaded_bytes: int | None = None
    notes: tuple[str, ...] = ()
    """What was assumed of its parts."""
    doubts: tuple[str, ...] = ()
    """Parts that will take memory, of which nothing is known."""


def estimate_loading(
    model: ModelArchitecture, settings: EngineSettings, facts: CheckpointFacts, *, dtype: Dtype, gpu: Gpu
) -> Loading:
    """Estimate all that is loaded, for the fullest GPU of each stage.

    Raises UnknownLayoutError when neither the layout nor the checkpoint's size is known.
    """
    stages = min(settings.pipeline_parallel_size, len(model.layers))
    weights = _estimate_remembered(
        model,
        facts,
        dtype=dtype,
        tensor_parallel_size=settings.tensor_parallel_size,
        pipeline_parallel_size=stages,
        gpu=gpu,
        experts=settings.expert_split,
        stage_sizes=find_stage_sizes(model, settings),
    )
    loading = Loading(weights)
    loading = _offload(loading, model, settings)
    loading = _add_draft(loading, model, settings, dtype, gpu)
    return _add_adapters(loading, model, settings, dtype)


# Four fifths of a check's time go here, and a search for suggestions asks the same again and again.
_estimate_remembered = lru_cache(maxsize=128)(estimate_weights)


def _offload(loading: Loading, model: ModelArchitecture, settings: EngineSettings) -> Loading:
    """Take off what stays in host memory: layers only, up to the size that was asked for.

    Source: `UVAOffloader.wrap_modules` (vllm/model_executor/offloader/uva.py), 0.33.
    """
    if not settings.cpu_offload_bytes:
        return loading
    outside = model.text_parameters - sum(layer.weights.total for layer in model.layers)
    share = 1 - Fraction(outside, max(1, model.parameters))
    kept = [min(settings.cpu_offload_bytes, int(size * share)) for size in loading.weights.stage_bytes]
    stage_bytes = tuple(size - less for size, less in zip(loading.weights.stage_bytes, kept, strict=True))
    return replace(
        loading,
        weights=replace(loading.weights, stage_bytes=stage_bytes),
        offloaded_bytes=min(kept),
    )


def _add_draft(
    loading: Loading, model: ModelArchitecture, settings: EngineSettings, dtype: Dtype, gpu: Gpu
) -> Loading:
    draft = weigh_draft(model, settings, dtype, gpu)
    if draft.doubt:
        return replace(loading, doubts=(*loading.doubts, draft.doubt))
    if not draft.weights_bytes:
        return loading
    *earlier, last = loading.weights.stage_bytes
    weights = replace(
        loading.weights,
        stage_bytes=(*earlier, last + draft.weights_bytes),
        is_approximate=loading.weights.is_approximate or bool(draft.assumption),
    )
    notes = (*loading.notes, draft.assumption) if draft.assumption else loading.notes
    return replace(loading, weights=weights, draft_bytes=draft.weights_bytes, notes=notes)


def _add_adapters(
    loading: Loading, model: ModelArchitecture, settings: EngineSettings, dtype: Dtype
) -> Loading:
    if settings.adapters is None:
        return loading
    stages = get_stages(model.layers, len(loading.weights.stage_bytes), find_stage_sizes(model, settings))
    sizes = [
        count_adapter_bytes(
            model,
            layers,
            settings.adapters,
            dtype=dtype,
            ranks=settings.tensor_parallel_size,
            is_first=index == 0,
            is_last=index == len(stages) - 1,
        )
        for index, layers in enumerate(stages)
    ]
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        note = fill_in("the room for adapters is not considered: this layout's projections are not known")
        return replace(loading, doubts=(*loading.doubts, note))
    stage_bytes = tuple(a + b for a, b in zip(loading.weights.stage_bytes, known, strict=True))
    return replace(
        loading,
        weights=replace(loading.weights, stage_bytes=stage_bytes),
        adapter_bytes=max(known),
    )
