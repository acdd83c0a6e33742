"""Propose a complete profile for a model on the GPUs at hand, by trying settings until the check passes.

Tried from the least to the most intrusive: the model as it is, with less context, quantized while it
loads, with fewer sequences. Nothing is proposed that was not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.engine_defaults import find_default_utilization
from modelops.domain.fit.moves import Trial
from modelops.domain.fit.recommendation import Assessment, Candidate, assess_candidate
from modelops.domain.fit.report import Verdict
from modelops.domain.fit.report_text import describe_gpus
from modelops.domain.fit.specs import CheckpointFacts, EngineSettings, Gpu, ModelArchitecture
from modelops.domain.fit.trials import make_assess, settle_context
from modelops.domain.profiles.engine_args import find_image_version
from modelops.domain.profiles.kinds import AUTO
from modelops.domain.profiles.link_settings import list_link_settings

DEFAULT_IMAGE = "vllm/vllm-openai:v0.33.0"
FULL_UTILIZATION = 0.95
FEW_SEQUENCES = 64
COMFORTABLE_CONTEXT = 8192
SHORTEST_CONTEXT = 2048
LOAD_TIME_METHODS = ("fp8", "bitsandbytes")

_UNUSED_KEYS = (
    "_name_or_path",
    "id2label",
    "label2id",
    "transformers_version",
    "auto_map",
    "task_specific_params",
)


@dataclass(frozen=True)
class Subject:
    """The model to propose a profile for, and what it is to run on. `gpus` None: not known."""

    repository: str
    commit: str
    config: Mapping[str, Any]
    facts: CheckpointFacts
    gpus: tuple[Gpu, ...] | None
    has_peer_access: bool | None = None
    image: str = DEFAULT_IMAGE
    source: str = ""


@dataclass(frozen=True)
class Proposal:
    """`values` are a profile's, ready for `read_profile`."""

    values: dict[str, Any]
    assessment: Assessment


@dataclass(frozen=True)
class _Attempt:
    quantization: str | None
    shortest_context: int | None
    utilization: float
    max_num_seqs: int | None = None


def propose_profile(subject: Subject, *, slug: str | None = None) -> Proposal:
    """The first settings that fit, else the first that are tight, else the plain ones with their verdict.

    Raises FieldError or UnknownLayoutError for a config.json that is not understood.
    """
    if not subject.gpus:
        candidate = _to_candidate(subject, _Attempt(None, None, _find_usual_utilization(subject)))
        return _describe(subject, assess_candidate(candidate, subject.gpus), slug)
    assessments = []
    for attempt in _list_attempts(subject):
        assessment = _try(subject, attempt, subject.gpus)
        if assessment.report.verdict is Verdict.FITS and _is_long_enough(assessment, attempt):
            return _describe(subject, assessment, slug)
        assessments.append(assessment)
    runnable = [each for each in assessments if each.report.is_runnable]
    return _describe(subject, (runnable or assessments)[0], slug)


def _list_attempts(subject: Subject) -> Iterator[_Attempt]:
    is_quantized = parse_architecture(subject.config).quantization is not None
    methods = (None,) if is_quantized else (None, *LOAD_TIME_METHODS)
    usual = _limit_utilization(subject.gpus or (), _find_usual_utilization(subject))
    full = _limit_utilization(subject.gpus or (), FULL_UTILIZATION)
    yield _Attempt(None, None, usual)
    for method in methods:
        yield _Attempt(method, COMFORTABLE_CONTEXT, usual)
    for method in methods:
        yield _Attempt(method, SHORTEST_CONTEXT, full, FEW_SEQUENCES)


def _find_usual_utilization(subject: Subject) -> float:
    return find_default_utilization(find_image_version(subject.image))


def _limit_utilization(gpus: tuple[Gpu, ...], wanted: float) -> float:
    """The share that the least free card still has, in whole hundredths, so that the engine may start."""
    shares = [gpu.free_bytes / gpu.total_bytes for gpu in gpus if gpu.free_bytes is not None]
    free = min(shares, default=1.0)
    # An idle card lacks a little of its total; the check knows what the engine's own context takes.
    return wanted if free >= wanted else max(0.05, int((free - 0.03) * 100) / 100)


def _try(subject: Subject, attempt: _Attempt, gpus: tuple[Gpu, ...]) -> Assessment:
    """Check an attempt; one that may shorten the context takes the longest that surely fits."""
    candidate = _to_candidate(subject, attempt)
    assessment = assess_candidate(candidate, gpus)
    longest, model = assessment.report.max_model_len, candidate.model
    if attempt.shortest_context is None or not assessment.report.is_runnable or not longest or model is None:
        return assessment
    trial = Trial(model, assessment.settings, gpus, candidate.facts)
    settled = settle_context(trial, make_assess(), longest)
    if settled is None or (settled.report.max_model_len or 0) < attempt.shortest_context:
        return assessment
    fixed = replace(candidate, settings=settled.trial.settings, is_tensor_parallel_auto=False)
    return replace(assess_candidate(fixed, gpus), why=assessment.why)


def _is_long_enough(assessment: Assessment, attempt: _Attempt) -> bool:
    return attempt.shortest_context is None or (assessment.context or 0) >= min(
        attempt.shortest_context, _get_full_context(assessment) or attempt.shortest_context
    )


def _get_full_context(assessment: Assessment) -> int | None:
    model = assessment.candidate.model
    return model.default_max_model_len if model else None


def _to_candidate(subject: Subject, attempt: _Attempt) -> Candidate:
    model: ModelArchitecture = parse_architecture(subject.config, attempt.quantization)
    settings = EngineSettings(
        max_model_len=model.default_max_model_len if attempt.shortest_context is None else None,
        is_max_model_len_auto=attempt.shortest_context is not None,
        gpu_memory_utilization=attempt.utilization,
        quantization=attempt.quantization,
        max_num_seqs=attempt.max_num_seqs,
        vllm_version=find_image_version(subject.image),
    )
    return Candidate(
        make_slug(subject.repository), model, settings, subject.facts, is_tensor_parallel_auto=True
    )


def _describe(subject: Subject, assessment: Assessment, slug: str | None) -> Proposal:
    settings = assessment.settings
    name = subject.repository.rpartition("/")[2]
    values: dict[str, Any] = {
        "slug": slug or make_slug(subject.repository),
        "display_name": name[:100],
        "description_en": _explain(subject, assessment),
        "is_enabled": False,
        "repository": subject.repository,
        "revision": subject.commit,
        "image": subject.image,
        "quantization": settings.quantization or "",
        "max_model_len": assessment.report.max_model_len or settings.max_model_len,
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "tensor_parallel_size": settings.tensor_parallel_size if subject.gpus else None,
        "max_num_seqs": settings.max_num_seqs,
        "tool_call_parser": AUTO,
        "reasoning_parser": AUTO,
        **_list_link_settings(subject, settings.tensor_parallel_size),
        "config": select_config(subject.config),
        "parameters": subject.facts.parameters,
        "weights_bytes": subject.facts.weights_bytes,
        "facts_source": subject.source,
    }
    return Proposal(values, assessment)


def select_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config.json a profile keeps."""
    return {key: value for key, value in config.items() if key not in _UNUSED_KEYS}


def _list_link_settings(subject: Subject, ranks: int) -> Mapping[str, Mapping[str, Any]]:
    return list_link_settings(subject.gpus, ranks, has_peer_access=subject.has_peer_access)


def _explain(subject: Subject, assessment: Assessment) -> str:
    hardware = describe_gpus(subject.gpus) if subject.gpus else "unknown GPUs"
    parts = [f"Proposed for {hardware}: {assessment.why}."]
    full = _get_full_context(assessment)
    length = assessment.report.max_model_len
    if full and length and length < full:
        parts.append(f"The context is {length} of the model's {full} tokens, to fit.")
    if assessment.settings.quantization:
        parts.append(
            f"The weights are quantized to {assessment.settings.quantization} while loading, to fit."
        )
    if _list_link_settings(subject, assessment.settings.tensor_parallel_size):
        parts.append("The cards have no direct path to each other: peer-to-peer is switched off.")
    return " ".join(parts)[:2000]


def make_slug(repository: str) -> str:
    """A profile's name from a repository's: `Qwen/Qwen2.5-7B_Instruct` becomes `qwen2.5-7b-instruct`."""
    name = re.sub(r"[^a-z0-9.]+", "-", repository.rpartition("/")[2].lower())
    return re.sub(r"\.{2,}", ".", name)[:64].strip("-.") or "model"
