"""What a model can be asked for, by the paths of its engine and by its profile."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.tasks import TASK_PATHS, ModelTask, expect_tasks, read_tasks


def statuses(*found: ModelTask, lacking: int = 404) -> dict[ModelTask, int]:
    return {task: 405 if task in found else lacking for task in TASK_PATHS}


@pytest.mark.parametrize(
    "tasks",
    [
        (ModelTask.GENERATE,),
        (ModelTask.GENERATE, ModelTask.TRANSCRIBE),
        (ModelTask.TRANSCRIBE,),
        (ModelTask.EMBED, ModelTask.RERANK, ModelTask.POOL),
        (ModelTask.CLASSIFY, ModelTask.POOL),
    ],
)
def test_paths_of_an_engine_tell_its_tasks(tasks: tuple[ModelTask, ...]) -> None:
    assert read_tasks(statuses(*tasks)) == tasks


@pytest.mark.parametrize(
    "answered",
    [
        statuses(),
        statuses(ModelTask.GENERATE, lacking=200),
        statuses(ModelTask.GENERATE, lacking=401),
        statuses(*ModelTask),
        {ModelTask.GENERATE: 405},
    ],
    ids=["none", "answers GET", "refuses the key", "has all", "was not asked for all"],
)
def test_engine_that_answers_unlike_vllm_tells_nothing(answered: dict[ModelTask, int]) -> None:
    assert read_tasks(answered) is None


def test_simulated_engine_may_have_every_task() -> None:
    assert read_tasks(statuses(*ModelTask), is_simulated=True) == tuple(ModelTask)


EMBEDS = (ModelTask.EMBED, ModelTask.RERANK, ModelTask.POOL)
ONE_LABEL = {"id2label": {"0": "relevant"}}


@pytest.mark.parametrize(
    ("name", "settings", "tasks"),
    [
        ("Qwen2ForCausalLM", {}, (ModelTask.GENERATE,)),
        ("Qwen2ForCausalLM", {"runner": "pooling", "convert": "embed"}, EMBEDS),
        ("Qwen3ForCausalLM", {"extra_flags": {"runner": "pooling", "convert": "embed"}}, EMBEDS),
        ("Qwen3ForCausalLM", {"runner": "pooling"}, None),
        ("BertModel", {}, EMBEDS),
        ("BertModel", {"runner": "auto", "convert": "auto"}, EMBEDS),
        ("HF_ColBERTModel", {}, (ModelTask.RERANK, ModelTask.POOL)),
        (
            "XLMRobertaForSequenceClassification",
            ONE_LABEL,
            (ModelTask.RERANK, ModelTask.CLASSIFY, ModelTask.POOL),
        ),
        ("BertForSequenceClassification", {"num_labels": 3}, (ModelTask.CLASSIFY, ModelTask.POOL)),
        ("BertForSequenceClassification", {}, None),
        ("Qwen2ForRewardModel", {}, None),
        ("WhisperForConditionalGeneration", {}, (ModelTask.TRANSCRIBE,)),
        ("VoxtralForConditionalGeneration", {}, (ModelTask.GENERATE, ModelTask.TRANSCRIBE)),
        ("", {"runner": "generate"}, None),
        ("", {}, None),
    ],
)
def test_profile_tells_the_tasks_that_follow_from_it(
    name: str, settings: dict[str, Any], tasks: tuple[ModelTask, ...] | None
) -> None:
    of_config = {key: value for key, value in settings.items() if key in {"id2label", "num_labels"}}
    config = {"architectures": [name] if name else [], **of_config}

    assert expect_tasks({"engine": "vllm", "config": config, **settings}) == tasks


def test_simulated_profile_has_every_task_unless_it_says_which() -> None:
    assert expect_tasks({"engine": "simulator"}) == tuple(ModelTask)
    assert expect_tasks({"engine": "simulator", "runner": "pooling", "convert": "embed"}) == EMBEDS
