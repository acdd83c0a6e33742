"""Which paths an engine serves for the task of its model."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.simulator.flags import parse_command_line
from modelops.simulator.paths import list_paths
from modelops.tests.simulator.conftest import serve_here
from modelops.tests.simulator.wire_helpers import ask, chat_body

CHAT = "/v1/chat/completions"
OF_TASKS = {
    "generate": {CHAT, "/v1/chat/completions/batch", "/v1/completions", "/v1/responses", "/v1/messages"},
    "embed": {"/v1/embeddings", "/pooling", "/score", "/v2/rerank"},
    "classify": {"/classify", "/pooling", "/score", "/v2/rerank"},
    "transcription": {"/v1/audio/transcriptions", "/v1/audio/translations"},
}
EVERY = set().union(*OF_TASKS.values())


@pytest.mark.parametrize(
    ("flags", "tasks"),
    [
        ((), ["generate", "embed", "classify", "transcription"]),
        (("--runner", "auto"), ["generate", "embed", "classify", "transcription"]),
        (("--runner", "generate"), ["generate"]),
        (("--runner", "pooling"), ["embed"]),
        (("--runner", "pooling", "--convert", "classify"), ["classify"]),
        (("--convert", "embed"), ["embed"]),
        (("--task", "score"), ["classify"]),
        (("--task", "transcription"), ["transcription"]),
    ],
)
def test_flags_decide_the_tasks_and_these_the_paths(flags: tuple[str, ...], tasks: list[str]) -> None:
    settings = parse_command_line(["serve", "m", *flags])

    served = {path for path, _ in list_paths(settings.tasks)}

    assert list(settings.tasks) == tasks
    assert served & EVERY == set().union(*(OF_TASKS[task] for task in tasks))
    assert "/v1/models" in served


@pytest.mark.parametrize(
    ("flags", "path", "body"),
    [
        (("--runner", "pooling"), CHAT, chat_body()),
        (("--runner", "pooling"), "/classify", {"input": "a"}),
        (("--runner", "generate"), "/v1/embeddings", {"input": "a"}),
        (("--task", "transcription"), "/v1/responses", {"input": "a"}),
    ],
)
async def test_a_path_of_another_task_is_not_found(
    flags: tuple[str, ...], path: str, body: dict[str, Any]
) -> None:
    async with serve_here(*flags) as engine:
        answered = await ask(engine, body, path)

    assert answered == (404, {"detail": "Not Found"})


async def test_a_model_with_one_task_pools_for_that_alone() -> None:
    async with serve_here("--runner", "pooling") as engine:
        status, body = await ask(engine, {"input": "a", "task": "token_embed"}, "/pooling")
        fitting, _ = await ask(engine, {"input": "a", "task": "embed"}, "/pooling")

    assert (status, fitting) == (400, 200)
    assert body["error"]["message"].startswith("Try switching the model's pooling_task")
