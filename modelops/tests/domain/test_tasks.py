"""What a model can be asked for, by the paths of its engine and by its profile."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.tasks import TASK_PATHS, Task, expect_tasks, read_tasks


def statuses(*found: Task, lacking: int = 404) -> dict[Task, int]:
    return {task: 405 if task in found else lacking for task in TASK_PATHS}


@pytest.mark.parametrize(
    "tasks",
    [
        (Task.GENERATE,),
        (Task.GENERATE, Task.TRANSCRIBE),
        (Task.TRANSCRIBE,),
        (Task.EMBED, Task.RERANK, Task.POOL),
        (Task.CLASSIFY, Task.POOL),
    ],
)
def test_paths_of_an_engine_tell_its_tasks(tasks: tuple[Task, ...]) -> None:
    assert read_tasks(statuses(*tasks)) == tasks


@pytest.mark.parametrize(
    "answered",
    [
        statuses(),
        statuses(Task.GENERATE, lacking=200),
        statuses(Task.GENERATE, lacking=401),
        statuses(*Task),
        {Task.GENERATE: 405},
    ],
    ids=["none", "answers GET", "refuses the key", "has all", "was not asked for all"],
)
def test_engine_that_answers_unlike_vllm_tells_nothing(answered: dict[Task, int]) -> None:
    assert read_tasks(answered) is None


def test_simulated_engine_may_have_every_task() -> None:
    assert read_tasks(statuses(*Task), is_simulated=True) == tuple(Task)


EMBEDS = (Task.EMBED, Task.RERANK, Task.POOL)
ONE_LABEL = {"id2label": {"0": "relevant"}}


@pytest.mark.parametrize(
    ("name", "settings", "tasks"),
    [
        ("Qwen2ForCausalLM", {}, (Task.GENERATE,)),
        ("Qwen2ForCausalLM", {"runner": "pooling", "convert": "embed"}, EMBEDS),
        ("Qwen3ForCausalLM", {"extra_flags": {"runner": "pooling", "convert": "embed"}}, EMBEDS),
        ("Qwen3ForCausalLM", {"runner": "pooling"}, None),
        ("BertModel", {}, EMBEDS),
        ("BertModel", {"runner": "auto", "convert": "auto"}, EMBEDS),
        ("HF_ColBERTModel", {}, (Task.RERANK, Task.POOL)),
        ("XLMRobertaForSequenceClassification", ONE_LABEL, (Task.RERANK, Task.CLASSIFY, Task.POOL)),
        ("BertForSequenceClassification", {"num_labels": 3}, (Task.CLASSIFY, Task.POOL)),
        ("BertForSequenceClassification", {}, None),
        ("Qwen2ForRewardModel", {}, None),
        ("WhisperForConditionalGeneration", {}, (Task.TRANSCRIBE,)),
        ("VoxtralForConditionalGeneration", {}, (Task.GENERATE, Task.TRANSCRIBE)),
        ("", {"runner": "generate"}, None),
        ("", {}, None),
    ],
)
def test_profile_tells_the_tasks_that_follow_from_it(
    name: str, settings: dict[str, Any], tasks: tuple[Task, ...] | None
) -> None:
    of_config = {key: value for key, value in settings.items() if key in {"id2label", "num_labels"}}
    config = {"architectures": [name] if name else [], **of_config}

    assert expect_tasks({"engine": "vllm", "config": config, **settings}) == tasks


def test_simulated_profile_has_every_task_unless_it_says_which() -> None:
    assert expect_tasks({"engine": "simulator"}) == tuple(Task)
    assert expect_tasks({"engine": "simulator", "runner": "pooling", "convert": "embed"}) == EMBEDS
