"""A request for what its model does not do: said before the engine is asked, where that is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from chat.endpoints import CHAT_COMPLETIONS, OPENAI_ENDPOINTS, Endpoint
from chat.model_tasks import missing_path_error, require_task
from chat.routing import list_model_cards
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.streams import error_of
from chat.upstream import is_missing_path
from gateway.batching import BatchWorker
from gateway.errors import TaskNotSupported
from gateway.tests.live import GatewayProcess
from modelops.domain.tasks import ModelTask
from modelops.serving.live import LiveBoard
from modelops.serving.routes import RouteTable
from modelops.tests.serving.board_views import board, engine, slot

EMBEDS = (ModelTask.EMBED, ModelTask.RERANK, ModelTask.POOL)
TABLE = RouteTable(
    board(
        slot(engine("chatty", tasks=(ModelTask.GENERATE,))),
        slot(engine("bge", tasks=EMBEDS), slug="second"),
    )
)
UNKNOWN = RouteTable(board(slot(engine("unknown")), slot(engine("bge", tasks=EMBEDS), slug="second")))


def row(path: str) -> Endpoint:
    return next(endpoint for endpoint in OPENAI_ENDPOINTS if endpoint.path == path)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("chatty", "/v1/chat/completions"),
        ("bge", "/v1/embeddings"),
        ("bge", "/v2/rerank"),
        ("bge", "/pooling"),
        ("bge", "/tokenize"),
        ("unknown", "/v1/embeddings"),
        ("unknown", "/v1/chat/completions"),
    ],
)
def test_model_is_asked_for_what_it_does_and_when_that_is_not_known(model: str, path: str) -> None:
    table = UNKNOWN if model == "unknown" else TABLE

    require_task(table.resolve(model), row(path), table)


@pytest.mark.parametrize(
    ("model", "path", "message"),
    [
        (
            "chatty",
            "/v1/embeddings",
            "The model `chatty` does not answer /v1/embeddings; it is for: generate. "
            "Served models that answer it: bge.",
        ),
        (
            "bge",
            "/v1/completions",
            "The model `bge` does not answer /v1/completions; it is for: embed, rerank, pool. "
            "Served models that answer it: chatty.",
        ),
        (
            "bge",
            "/classify",
            "The model `bge` does not answer /classify; it is for: embed, rerank, pool. "
            "No served model is known to answer it.",
        ),
    ],
)
def test_request_for_another_task_names_the_models_that_have_it(model: str, path: str, message: str) -> None:
    with pytest.raises(TaskNotSupported) as refused:
        require_task(TABLE.resolve(model), row(path), TABLE)

    assert (refused.value.status, refused.value.param) == (404, "model")
    assert refused.value.message == message


def test_path_that_the_engine_lacks_is_said_to_be_missing() -> None:
    error = missing_path_error(UNKNOWN.resolve("unknown"), row("/rerank"), UNKNOWN)

    assert error.message == (
        "The engine of the model `unknown` does not have /rerank. Served models that answer it: bge."
    )


def test_model_whose_engine_lacks_the_path_is_not_named_as_one_that_has_it() -> None:
    error = missing_path_error(TABLE.resolve("bge"), row("/v2/embed"), TABLE)

    assert error.message == (
        "The engine of the model `bge` does not have /v2/embed. No served model is known to answer it."
    )


NOT_FOUND = {"error": {"message": "Not Found", "type": "Not Found", "param": None, "code": 404}}
NO_SUCH_API = {"error": {"message": "The model does not support Score API", "code": 501}}
NO_MODEL = {"error": {"message": "The model `x` does not exist.", "code": 404}}
TOO_LONG = {"error": {"message": "The model does not support 9 tokens", "code": 400}}


@pytest.mark.parametrize(
    ("status", "body", "is_missing"),
    [
        (404, NOT_FOUND, True),
        (404, {"detail": "Not Found"}, True),
        (501, NO_SUCH_API, True),
        (400, NO_SUCH_API, True),
        (404, NO_MODEL, False),
        (400, TOO_LONG, False),
        (500, NOT_FOUND, False),
    ],
)
def test_answers_for_missing_paths_are_told_from_other_refusals(
    status: int, body: dict[str, Any], is_missing: bool
) -> None:
    assert is_missing_path(status, json.dumps(body).encode()) is is_missing


def test_cards_name_tasks_and_parents() -> None:
    adapted = engine(
        "base",
        "lora",
        adapters=frozenset({"lora"}),
        tasks=(ModelTask.GENERATE,),
        max_model_len=512,
        cards=(
            {"id": "base", "root": "/m"},
            {"id": "lora", "parent": "base", "root": "/l", "max_model_len": None},
        ),
    )
    known = LiveBoard(BatchWorker())
    known.snapshot = board(slot(adapted))
    known.routes = RouteTable(known.snapshot)

    base, lora, current = list_model_cards(known)

    assert (base["id"], base["tasks"], "parent" in base) == ("base", (ModelTask.GENERATE,), False)
    assert (lora["parent"], lora["tasks"], lora["max_model_len"]) == ("base", (ModelTask.GENERATE,), 512)
    assert (current["id"], current["parent"]) == ("current", "base")
    assert "root" not in base


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        yield session


def test_tasks_of_the_running_engine_are_listed(client: httpx.Client) -> None:
    [card, _current] = client.get("/v1/models").json()["data"]

    assert {"generate", "embed"} <= set(card["tasks"])
    assert client.get("/api/models/status").json()["tasks"] == card["tasks"]


@pytest.mark.parametrize("path", ["/v1/rerank", CHAT_COMPLETIONS.path])
def test_missing_path_of_the_engine_is_a_404_in_our_envelope(
    odd_client: httpx.Client, scripted_engine: ScriptedEngine, path: str
) -> None:
    scripted_engine.reply(json.dumps(NOT_FOUND).encode(), status=404, content_type="application/json")

    answer = odd_client.post(path, json={"query": "q", "documents": ["a"], "messages": []})

    assert (answer.status_code, error_of(answer)["code"]) == (404, "task_not_supported")
    assert f"does not have {path}." in error_of(answer)["message"]
