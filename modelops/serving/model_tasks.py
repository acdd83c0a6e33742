"""The tasks of what is served: asked of engines, and read from what was written down of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from modelops.domain.tasks import POOLING_TASKS, TASK_PATHS, ModelTask, expect_tasks, read_tasks
from modelops.models import Engine
from modelops.serving.engine_client import EngineClient, EngineError, ServedModel

__all__ = ["POOLING_TASKS", "ModelTask", "TaskProbe", "find_engine_tasks"]


class TaskProbe:
    """The tasks of one engine, which is asked again when it serves other models, or was away."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._tasks: tuple[ModelTask, ...] | None = None

    def forget(self) -> None:
        """The engine may be another one when it is back."""
        self._names = None

    async def add_tasks(self, client: EngineClient, models: Sequence[ServedModel]) -> list[ServedModel]:
        """What the engine serves, with its tasks. One that does not tell them is not asked twice."""
        names = tuple(model.name for model in models)
        if models and names != self._names:
            self._tasks = await _ask(client, is_simulated=bool(models[0].card.get("simulated")))
            self._names = names
        return [replace(model, tasks=self._tasks) for model in models]


async def _ask(client: EngineClient, *, is_simulated: bool) -> tuple[ModelTask, ...] | None:
    try:
        statuses = {task: await client.find_status(path) for task, path in TASK_PATHS.items()}
    except EngineError:
        return None
    return read_tasks(statuses, is_simulated=is_simulated)


def find_engine_tasks(engine: Engine) -> tuple[ModelTask, ...] | None:
    """As it told when it was verified, else as its profile has it; None where neither says."""
    cards = [card for card in engine.cards if card.get("id") == engine.model_name]
    told = cards[0].get("tasks") if cards else None
    if isinstance(told, list):
        return tuple(task for task in ModelTask if task in told)
    return expect_tasks(engine.spec)
