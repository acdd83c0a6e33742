"""What a simulated model can do, which decides the paths that its engine serves."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """The tasks of vLLM that are simulated, under its names."""

    GENERATE = "generate"
    EMBED = "embed"
    CLASSIFY = "classify"
    TRANSCRIPTION = "transcription"


ALL_TASKS = tuple(Task)
POOLING_TASKS = (Task.EMBED, Task.CLASSIFY)
_BY_TASK = {
    "generate": Task.GENERATE,
    "embed": Task.EMBED,
    "embedding": Task.EMBED,
    "classify": Task.CLASSIFY,
    "score": Task.CLASSIFY,
    "reward": Task.CLASSIFY,
    "transcription": Task.TRANSCRIPTION,
}


def choose_tasks(*, runner: str | None, convert: str | None, task: str | None) -> tuple[Task, ...]:
    """The tasks of a model that is started with these flags.

    Without any of them it does everything, unlike a real model. ``--runner pooling`` makes it embed, and with
    ``--convert classify`` classify instead; ``--runner generate`` leaves text alone. ``--task``, which older
    versions of vLLM had, names the one task.
    """
    if task in _BY_TASK:
        return (_BY_TASK[task],)
    if convert == "classify":
        return (Task.CLASSIFY,)
    if runner == "pooling" or convert == "embed":
        return (Task.EMBED,)
    return (Task.GENERATE,) if runner == "generate" else ALL_TASKS
