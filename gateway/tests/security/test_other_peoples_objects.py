"""Other people's objects look like missing ones, on every route that takes an id.

The routes are taken from the URLconf and the chat plane: a new one fails here until it is said whose its
objects are.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from chat.plane import build_chat_plane
from chat.tests.scripted_engine import ScriptedEngine
from chat.tests.typed_events import response_object
from gateway.tests.live import GatewayProcess

OWNED = {
    "conversation_id",
    "message_id",
    "folder_id",
    "prompt_id",
    "share_id",
    "key_id",
    "session_id",
    "file_id",
    "response_id",
}
"""Path parameters that name somebody's object."""

FOR_EVERYBODY = {"language", "switch_id", "slot_name", "model_id", "token"}
"""Those that name what everybody may see: what admins alone see of it is tested in modelops.tests.api."""

FOR_ADMINISTRATORS = {"group_id", "user_id", "limit_kind", "window_id"}
"""Those of calls that nobody else may make, whatever they name: tested in accounts.tests.test_groups and
modelops.tests.api.test_schedule_rest."""

MESSAGE = "/api/conversations/{conversation_id}/messages/{message_id}"
BODIES: dict[str, dict[str, Any]] = {
    "PATCH /api/folders/{folder_id}": {"name": "mine"},
    "POST /api/conversations/{conversation_id}/messages": {"content": "hello"},
    f"PATCH {MESSAGE}": {"content": "!"},
    f"PUT {MESSAGE}/feedback": {"rating": "up"},
}
"""What a call needs to be let as far as its object, where `{}` is not enough."""


def id_routes() -> list[tuple[str, str]]:
    """Every (method, path) with a parameter, as `/api/keys/{key_id}`."""
    rest = rest_routes(get_resolver().url_patterns)
    chat = [
        (method, re.sub(r":[a-z]+\}", "}", route.path))
        for route in build_chat_plane().routes
        for method in (route.methods or set()) - {"HEAD"}
    ]
    return sorted((m, p) for m, p in [*rest, *chat] if "{" in p)


def rest_routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if not path.startswith(("/api", "/")) or path.startswith(("/admin", "/static")):
            continue
        if isinstance(pattern, URLResolver):
            yield from rest_routes(pattern.url_patterns, path)
        elif view := getattr(pattern.callback, "view_class", None):
            for method in ("get", "post", "put", "patch", "delete"):
                if hasattr(view, method):
                    yield method.upper(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path)


ROUTES = id_routes()


@pytest.fixture(scope="module")
def fort(fort_on_stores: GatewayProcess) -> GatewayProcess:
    """Whose an object is, stores say."""
    return fort_on_stores


def parameters(path: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", path)


def test_the_routes_are_found() -> None:
    assert ("DELETE", "/api/keys/{key_id}") in ROUTES
    assert ("POST", "/api/conversations/{conversation_id}/messages/{message_id}/cancel") in ROUTES


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_with_an_id_says_whose_it_is(method: str, path: str) -> None:
    assert set(parameters(path)) <= OWNED | FOR_EVERYBODY | FOR_ADMINISTRATORS


def store_response(client: httpx.Client, engine: ScriptedEngine) -> str:
    """The id of a response of the client's; the engine answers chats again afterwards."""
    usual = engine.body
    engine.body = json.dumps(response_object(text="private")).encode()
    stored = client.post("/v1/responses", json={"model": "current", "input": "private"}).json()
    engine.body = usual
    return str(stored["id"])


@pytest.fixture(
    scope="module", params=[("demo", "admin"), ("admin", "demo")], ids=["of an admin", "of a user"]
)
def parties(
    request: pytest.FixtureRequest, fort: GatewayProcess, recording_engine: ScriptedEngine
) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """Who attacks, and the ids of everything that the other one owns."""
    attacker, owner = request.param
    with fort.client(owner) as victim, fort.client(attacker) as client:
        chat = victim.post(
            "/api/chat", json={"content": "private", "client_message_id": f"of-{owner}"}
        ).json()
        key = victim.post("/api/keys", json={"name": "private", "scopes": ["chat"]}).json()
        folder = victim.post("/api/folders", json={"name": "private"}).json()
        prompt = victim.post("/api/prompts", json={"title": "private", "content": "private"}).json()
        share = victim.post(f"/api/conversations/{chat['conversation_id']}/shares", json={}).json()
        file = victim.post("/api/files", files={"file": ("private.txt", b"private")}).json()
        response_id = store_response(victim, recording_engine)
        sessions = victim.get("/api/auth/sessions").json()["data"]
        yield (
            client,
            {
                "conversation_id": chat["conversation_id"],
                "message_id": chat["message_id"],
                "client_message_id": f"of-{owner}",
                "folder_id": folder["id"],
                "prompt_id": prompt["id"],
                "share_id": share["id"],
                "key_id": key["id"],
                "file_id": file["id"],
                "response_id": response_id,
                "session_id": next(s["id"] for s in sessions if s["is_current"]),
            },
        )


@pytest.mark.parametrize(("method", "path"), [r for r in ROUTES if OWNED & set(parameters(r[1]))])
def test_object_of_somebody_else_looks_like_a_missing_one(
    parties: tuple[httpx.Client, dict[str, str]], method: str, path: str
) -> None:
    client, theirs = parties
    body = None if method in {"GET", "DELETE"} else BODIES.get(f"{method} {path}", {})

    foreign = client.request(method, path.format(**theirs), json=body)
    nobodys = {name: a_like_id(theirs_id) for name, theirs_id in theirs.items()}
    missing = client.request(method, path.format(**nobodys), json=body)

    assert foreign.status_code == missing.status_code == 404
    assert without_ids(foreign, theirs) == without_ids(missing, nobodys)


def a_like_id(taken: str) -> str:
    """One that nothing has, of the same form."""
    return f"resp_{uuid.uuid4().hex}" if taken.startswith("resp_") else str(uuid.uuid4())


def without_ids(answer: httpx.Response, named: dict[str, str]) -> str:
    """The answer but for the ids that the request named, which it may repeat."""
    text = answer.text
    for each in named.values():
        text = text.replace(each, "ID")
    return text


def ask_with(**fields: Any) -> dict[str, Any]:
    return {"content": "hello", **fields}


@pytest.mark.parametrize(
    "make_body",
    [
        lambda ids: ask_with(conversation_id=ids["conversation_id"]),
        lambda ids: ask_with(conversation_id=ids["conversation_id"], parent_id=ids["message_id"]),
        lambda ids: ask_with(file_ids=[ids["file_id"]]),
    ],
    ids=["conversation", "conversation and parent", "file"],
)
def test_chat_does_not_go_on_with_somebody_elses_conversation(
    parties: tuple[httpx.Client, dict[str, str]], make_body: Callable[[dict[str, str]], dict[str, Any]]
) -> None:
    client, theirs = parties

    foreign = client.post("/api/chat", json=make_body(theirs))
    missing = client.post("/api/chat", json=make_body({name: str(uuid.uuid4()) for name in theirs}))

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json() == missing.json()


def test_response_does_not_go_on_with_somebody_elses(parties: tuple[httpx.Client, dict[str, str]]) -> None:
    client, theirs = parties
    asked = {"model": "current", "input": "hello"}

    foreign = client.post("/v1/responses", json=asked | {"previous_response_id": theirs["response_id"]})
    missing = client.post("/v1/responses", json=asked | {"previous_response_id": f"resp_{uuid.uuid4().hex}"})

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json() == missing.json()


def test_own_conversation_does_not_take_somebody_elses_message_as_parent(
    parties: tuple[httpx.Client, dict[str, str]],
) -> None:
    client, theirs = parties
    own = client.post("/api/chat", json=ask_with()).json()["conversation_id"]

    foreign = client.post("/api/chat", json=ask_with(conversation_id=own, parent_id=theirs["message_id"]))
    missing = client.post("/api/chat", json=ask_with(conversation_id=own, parent_id=str(uuid.uuid4())))

    assert foreign.status_code == missing.status_code
    assert foreign.status_code in {400, 404}
    assert foreign.json() == missing.json()


def test_answer_to_somebody_elses_message_id_is_not_repeated(
    parties: tuple[httpx.Client, dict[str, str]], fort: GatewayProcess
) -> None:
    client, theirs = parties

    said = ask_with(client_message_id=theirs["client_message_id"], store=True)
    answer = client.post("/api/chat", json=said)

    assert answer.json()["conversation_id"] != theirs["conversation_id"]


@pytest.mark.parametrize(
    "path",
    ["/api/conversations", "/api/folders", "/api/prompts", "/api/keys", "/api/auth/sessions", "/api/files"],
)
def test_lists_hold_ones_own_only(parties: tuple[httpx.Client, dict[str, str]], path: str) -> None:
    client, theirs = parties

    listed = {item["id"] for item in client.get(path).json()["data"]}

    assert listed.isdisjoint(theirs.values())
