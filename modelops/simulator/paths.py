"""The paths that an engine serves for the tasks of its model, as vLLM does: others are not there at all."""

from __future__ import annotations

from collections.abc import Iterable

from modelops.simulator.tasks import POOLING_TASKS, Task

_ALWAYS = (
    ("/load", "GET"),
    ("/version", "GET"),
    ("/health", "GET"),
    ("/ping", "GET"),
    ("/metrics", "GET"),
    ("/tokenize", "POST"),
    ("/detokenize", "POST"),
    ("/v1/models", "GET"),
)
_OF_TASKS: tuple[tuple[str, str, tuple[Task, ...]], ...] = (
    ("/v1/chat/completions", "POST", (Task.GENERATE,)),
    ("/v1/chat/completions/batch", "POST", (Task.GENERATE,)),
    ("/v1/responses", "POST", (Task.GENERATE,)),
    ("/v1/responses/{response_id}", "GET", (Task.GENERATE,)),
    ("/v1/responses/{response_id}/cancel", "POST", (Task.GENERATE,)),
    ("/v1/completions", "POST", (Task.GENERATE,)),
    ("/v1/messages", "POST", (Task.GENERATE,)),
    ("/v1/messages/count_tokens", "POST", (Task.GENERATE,)),
    ("/v1/audio/transcriptions", "POST", (Task.TRANSCRIPTION,)),
    ("/v1/audio/translations", "POST", (Task.TRANSCRIPTION,)),
    ("/pooling", "POST", POOLING_TASKS),
    ("/classify", "POST", (Task.CLASSIFY,)),
    ("/v1/embeddings", "POST", (Task.EMBED,)),
    ("/score", "POST", POOLING_TASKS),
    ("/v1/score", "POST", POOLING_TASKS),
    ("/rerank", "POST", POOLING_TASKS),
    ("/v1/rerank", "POST", POOLING_TASKS),
    ("/v2/rerank", "POST", POOLING_TASKS),
)


def list_paths(tasks: Iterable[Task]) -> list[tuple[str, str]]:
    """Path and method of everything that is served for these tasks, sleeping apart."""
    served = set(tasks)
    return [*_ALWAYS, *((path, method) for path, method, of_tasks in _OF_TASKS if served & set(of_tasks))]


def is_counted_as_load(path: str) -> bool:
    """Whether a request for the path is counted by ``/load`` while it lasts."""
    return any(path == each for each, _, _ in _OF_TASKS)
