"""What a model can be asked for: known from the paths of its engine, or expected from its profile."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class ModelTask(StrEnum):
    """In the words of clients; vLLM's are finer."""

    GENERATE = "generate"
    EMBED = "embed"
    RERANK = "rerank"
    """Also scores of pairs."""
    CLASSIFY = "classify"
    POOL = "pool"
    """What the model makes of texts, as it is: vectors of tokens, rewards."""
    TRANSCRIBE = "transcribe"


TASK_PATHS: Mapping[ModelTask, str] = {
    ModelTask.GENERATE: "/v1/chat/completions",
    ModelTask.EMBED: "/v1/embeddings",
    ModelTask.RERANK: "/score",
    ModelTask.CLASSIFY: "/classify",
    ModelTask.POOL: "/pooling",
    ModelTask.TRANSCRIBE: "/v1/audio/transcriptions",
}
"""By which an engine shows that it has the task: vLLM registers the paths of its model's tasks and no others
(`register_api_routers`, vllm/entrypoints/launchers/api_server/routers.py)."""

POOLING_TASKS = frozenset({ModelTask.EMBED, ModelTask.RERANK, ModelTask.CLASSIFY, ModelTask.POOL})

HAS_PATH, HAS_NOT = 405, 404
"""How vLLM's web framework answers GET for a path that takes POST alone, and for one that is not there."""

_TRANSCRIBING_ONLY = frozenset(
    {
        "CohereAsrForConditionalGeneration",
        "FireRedASR2ForConditionalGeneration",
        "FunASRForConditionalGeneration",
        "MossTranscribeDiarizeForConditionalGeneration",
        "WhisperForConditionalGeneration",
    }
)
"""Classes with `supports_transcription_only` in vllm/model_executor/models."""

_TRANSCRIBING_TOO = frozenset(
    {
        "Gemma3nForConditionalGeneration",
        "GlmAsrForConditionalGeneration",
        "GraniteSpeechForConditionalGeneration",
        "KimiAudioForConditionalGeneration",
        "Qwen3ASRForConditionalGeneration",
        "Qwen3OmniMoeForConditionalGeneration",
        "Qwen3OmniMoeThinkerForConditionalGeneration",
        "VoxtralForConditionalGeneration",
    }
)
"""Those with `SupportsTranscription` that chat as well."""

_GENERATING = ("ForCausalLM", "ForConditionalGeneration", "ChatModel", "LMHeadModel")
_CLASSIFYING = (
    *("ForSequenceClassification", "ForTokenClassification", "ForAudioClassification"),
    *("ForImageClassification", "ForVideoClassification", "ClassificationModel"),
)
_REWARDING = ("ForRewardModeling", "RewardModel")
_EMBEDDING = ("ForTextEncoding", "EmbeddingModel", "Model")
"""Ends of class names, in this order: `_SUFFIX_TO_DEFAULTS`, vllm/config/model.py."""

_MULTI_VECTOR = "colbert"


def read_tasks(
    statuses: Mapping[ModelTask, int], *, is_simulated: bool = False
) -> tuple[ModelTask, ...] | None:
    """The tasks of an engine that answered GET for their paths so; None where that says nothing.

    Only what answers as vLLM does is believed. Older versions register every path and refuse in words: a real
    model that seems to generate and to embed is one of theirs.
    """
    if set(statuses) != set(TASK_PATHS) or not set(statuses.values()) <= {HAS_PATH, HAS_NOT}:
        return None
    found = tuple(task for task in ModelTask if statuses[task] == HAS_PATH)
    seems_to_do_both = ModelTask.GENERATE in found and not POOLING_TASKS.isdisjoint(found)
    return None if not found or (seems_to_do_both and not is_simulated) else found


def expect_tasks(profile: Mapping[str, Any]) -> tuple[ModelTask, ...] | None:
    """The tasks of a profile, of which this is every setting; None where they do not follow from those."""
    runner, convert = _setting_of(profile, "runner"), _setting_of(profile, "convert")
    if profile.get("engine") == "simulator" and not runner:
        return tuple(ModelTask)
    config = profile.get("config") or {}
    name = _class_of(config)
    kind = _kind_of(name)
    if runner == "pooling":
        return _pooled_by({"embed": "embed", "classify": "classify"}.get(convert) or kind, name, config)
    if runner == "generate" or kind == "generate":
        return _generated_by(name)
    return _pooled_by(kind, name, config)


def _setting_of(profile: Mapping[str, Any], name: str) -> str:
    """A field of the profile, or the flag of that name; empty where vLLM is to decide."""
    value = profile.get(name) or (profile.get("extra_flags") or {}).get(name) or ""
    return "" if value == "auto" else str(value)


def _class_of(config: Mapping[str, Any]) -> str:
    classes = config.get("architectures")
    return str(classes[0]) if isinstance(classes, list) and classes else ""


def _kind_of(name: str) -> str:
    kinds = (
        ("generate", _GENERATING),
        ("classify", _CLASSIFYING),
        ("reward", _REWARDING),
        ("embed", _EMBEDDING),
    )
    return next((kind for kind, ends in kinds if name.endswith(ends)), "")


def _generated_by(name: str) -> tuple[ModelTask, ...] | None:
    if not name:
        return None  # it may transcribe as well
    if name in _TRANSCRIBING_ONLY:
        return (ModelTask.TRANSCRIBE,)
    return (ModelTask.GENERATE, ModelTask.TRANSCRIBE) if name in _TRANSCRIBING_TOO else (ModelTask.GENERATE,)


def _pooled_by(kind: str, name: str, config: Mapping[str, Any]) -> tuple[ModelTask, ...] | None:
    """vLLM scores with models that embed, and with classifiers of one class (`enable_scoring_api`)."""
    if kind == "embed" and _MULTI_VECTOR in name.lower():
        return (ModelTask.RERANK, ModelTask.POOL)
    if kind == "embed":
        return (ModelTask.EMBED, ModelTask.RERANK, ModelTask.POOL)
    if kind == "classify" and "Token" not in name and (labels := _count_labels(config)) is not None:
        return (
            (ModelTask.RERANK, ModelTask.CLASSIFY, ModelTask.POOL)
            if labels == 1
            else (ModelTask.CLASSIFY, ModelTask.POOL)
        )
    return None


def _count_labels(config: Mapping[str, Any]) -> int | None:
    if isinstance(labels := config.get("id2label"), Mapping):
        return len(labels)
    return labels if isinstance(labels := config.get("num_labels"), int) else None
