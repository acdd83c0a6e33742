"""What a fit report took for granted because nobody said it, in a few words each."""

from collections.abc import Iterator, Mapping

from gateway.wording import Translatable, fill_in, fill_text
from modelops.domain.fit import calibration
from modelops.domain.fit.band import find_compile_bytes
from modelops.domain.fit.budget import Budget
from modelops.domain.fit.correction import NO_CORRECTION, Correction
from modelops.domain.fit.encoder_budget import runs_tower
from modelops.domain.fit.engine_defaults import EngineTraits
from modelops.domain.fit.eras import NEWEST_READ, Sampler, Version
from modelops.domain.fit.overhead import doubt_cuda_graphs
from modelops.domain.fit.specs import GIB, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.weights import WeightsEstimate

_SAMPLERS: Mapping[Sampler, Translatable] = {
    Sampler.SORT: "a sampler that sorts all logits",
    Sampler.IN_PLACE: "a sampler that sorts nothing",
    Sampler.PLAIN: "a start that tries no sampling by top-k and top-p",
}


def list_assumptions(
    model: ModelArchitecture,
    asked: EngineSettings,
    budget: Budget,
    gpu: Gpu,
    traits: EngineTraits,
    correction: Correction = NO_CORRECTION,
) -> tuple[str, ...]:
    """What the formulas used beside what was given."""
    return (
        *list_version_assumptions(asked, traits.version),
        *_list_batch(asked, budget),
        *_list_sampler(budget),
        *_list_start(budget, traits, correction),
        *_list_card(gpu),
        *_list_tower(model, budget),
    )


def list_version_assumptions(asked: EngineSettings, version: Version | None) -> tuple[str, ...]:
    """All that is left to assume where the sizes were measured."""
    newest = ".".join(map(str, NEWEST_READ))
    if version is None:
        return (fill_in("vLLM {version}, the newest that is known", version=newest),)
    said = ".".join(map(str, version))
    if version[:2] > NEWEST_READ[:2]:
        return (fill_in("vLLM {version} is like {newest}", version=said, newest=newest),)
    if asked.is_version_seen:
        return (fill_in("vLLM {version}, as at the last start", version=said),)
    return ()


def _list_batch(asked: EngineSettings, budget: Budget) -> Iterator[str]:
    settings = budget.settings
    if asked.max_model_len is None:
        yield fill_in("the model's context of {count} tokens", count=f"{settings.max_model_len:,}")
    if asked.max_num_seqs is None and not settings.is_pooling:
        yield fill_in("{count} sequences at a time", count=f"{settings.max_num_seqs:,}")
    if asked.max_num_batched_tokens is None:
        yield fill_in("{count} tokens a step", count=f"{settings.max_num_batched_tokens:,}")
    if asked.gpu_memory_utilization is None and settings.kv_cache_memory_bytes is None:
        yield fill_in("{share} of the card's memory", share=f"{settings.gpu_memory_utilization:g}")


def _list_sampler(budget: Budget) -> Iterator[str]:
    if not budget.settings.is_pooling:
        yield fill_text(_SAMPLERS[budget.settings.sampler], {})


def _list_start(budget: Budget, traits: EngineTraits, correction: Correction) -> Iterator[str]:
    compiling = find_compile_bytes(budget, traits, correction)
    if compiling and budget.settings.kv_cache_memory_bytes is None:
        size = f"{compiling / GIB:.2f} GiB"
        yield fill_in("a start with compiled graphs at hand (a first one takes {size} more)", size=size)


def _list_card(gpu: Gpu) -> Iterator[str]:
    if gpu.is_total_typical:
        total = f"{gpu.total_bytes / GIB:.1f} GiB"
        yield fill_in("{total} for CUDA, as usual for {name}", total=total, name=gpu.name)


def _list_tower(model: ModelArchitecture, budget: Budget) -> Iterator[str]:
    tower, settings = model.vision, budget.settings
    if tower is None or settings.media_max_pixels is not None or not runs_tower(tower, settings):
        return
    if any(item.pixels_per_row for item in tower.media):
        yield fill_in("images as large as the published processor allows")


def list_weights_doubts(weights: WeightsEstimate) -> tuple[str, ...]:
    """What would make an estimate of uneven weights exact."""
    if not weights.is_uneven:
        return ()
    return (
        fill_in("modules differ in width: the size of the safetensors (weights_bytes) would make it exact"),
    )


def list_graph_doubts(model: ModelArchitecture, budget: Budget, gpu: Gpu) -> tuple[str, ...]:
    """That graphs of a hybrid model without custom all-reduce may take far more."""
    most = doubt_cuda_graphs(model, budget.settings, gpu)
    if most <= budget.cuda_graph_bytes:
        return ()
    return (
        fill_in(
            "without custom all-reduce, CUDA graphs of such a model took up to {size} per card",
            size=f"{most / GIB:.2f} GiB",
        ),
    )


def list_tower_doubts(model: ModelArchitecture, settings: EngineSettings) -> tuple[str, ...]:
    """That nothing is known of an encoder, which the band allows for."""
    tower = model.vision
    if tower is None or tower.media or settings.is_text_only or settings.skip_mm_profiling:
        return ()
    return (
        fill_in(
            "what the engine profiles the encoder of {model_type} with is not known: up to {size} more",
            model_type=repr(tower.family or model.model_type),
            size=f"{calibration.UNKNOWN_TOWER_BYTES / GIB:.2f} GiB",
        ),
    )
