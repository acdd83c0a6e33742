"""Says that a model does not do what a path is for, and which of the served models do."""

from __future__ import annotations

from chat.endpoints import Endpoint
from gateway.errors import TaskNotSupported
from gateway.wording import fill_in, join_texts
from modelops.serving.routes import Route, RouteTable


def require_task(route: Route, endpoint: Endpoint, table: RouteTable) -> None:
    """Raises TaskNotSupported for a model that is known to have none of the path's tasks."""
    tasks = route.tasks
    if tasks is None or not endpoint.tasks or not endpoint.tasks.isdisjoint(tasks):
        return
    problem = fill_in(
        "The model `{model}` does not answer {path}; it is for: {tasks}.",
        model=route.model,
        path=endpoint.path,
        tasks=", ".join(tasks),
    )
    raise TaskNotSupported(_with_others(problem, route, endpoint, table), param="model")


def missing_path_error(route: Route, endpoint: Endpoint, table: RouteTable) -> TaskNotSupported:
    """What it means that the engine of `route` does not have the path."""
    problem = fill_in(
        "The engine of the model `{model}` does not have {path}.", model=route.model, path=endpoint.path
    )
    return TaskNotSupported(_with_others(problem, route, endpoint, table), param="model")


def _with_others(problem: str, route: Route, endpoint: Endpoint, table: RouteTable) -> str:
    able = [model for model in table.list_models_for(endpoint.tasks) if model != route.model]
    if able:
        others = fill_in("Served models that answer it: {models}.", models=", ".join(able))
    else:
        others = fill_in("No served model is known to answer it.")
    return join_texts(" ", [problem, others])
