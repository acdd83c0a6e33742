"""A password, keys, tokens and a prompt, sent to every endpoint, turn up nowhere but where they belong."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from drf_spectacular.generators import SchemaGenerator

from chat.tests.scripted_engine import ScriptedEngine
from gateway.tests.admin_pages import registered_pages
from gateway.tests.databases import ADMIN_PASSWORD, SETTINGS, Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.security.admin_tour import AdminTour
from gateway.tests.security.faulty_urls import FAULTY_PATH

PASSWORD = "canary-password-quite-long"
NEW_PASSWORD = "canary-password-the-second"
PROMPT = "canary-prompt of a user"
NAME = "canaryowner"
QUERIES: dict[str, dict[str, Any]] = {
    "search": {"q": PROMPT},
    "fit": {"profile": "deepseek-chat-7b"},
    "recommendations": {"users": 2, "tokens": 1000},
}
"""What has to be asked for, by the end of the path."""


@dataclass
class Canaries:
    """What was sent, every failure that was answered, and every page that an administrator saw."""

    secrets: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    pages: dict[str, str] = field(default_factory=dict)

    def ask(self, client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        with client.stream(method, path, **options) as answer:
            if path.endswith("/events") and answer.status_code == 200:
                return answer  # a stream without end; its first bytes are all that matters
            answer.read()
        self.statuses.add(answer.status_code)
        if answer.status_code >= 400 or '"error"' in answer.text:
            self.errors.append(answer.text)
        return answer


@pytest.fixture(scope="module")
def aviary(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, recording_engine: ScriptedEngine
) -> Iterator[GatewayProcess]:
    settings = {
        **{"REGISTRATION": "true", "LOG_LEVEL": "DEBUG", "REST_RATE": "0/m", "ADDRESS_RATE": "0/m"},
        "DJANGO_SETTINGS_MODULE": "gateway.tests.security.faulty_settings",
    }
    with start_gateway(
        stores, tmp_path_factory.mktemp("canary"), recording_engine.url, **settings
    ) as gateway:
        wait_until(
            lambda: httpx.get(f"{gateway.url}/health").json()["services"]["vllm"]["status"] == "ready",
            what="the engine to be seen",
        )
        yield gateway


@pytest.fixture(scope="module")
def flown(aviary: GatewayProcess, recording_engine: ScriptedEngine) -> Canaries:
    """All canaries, after they were sent to every endpoint."""
    canaries = Canaries()
    with httpx.Client(base_url=aviary.url, timeout=30) as client:
        ids = succeed(canaries, client)
        succeed_as_admin(canaries, client, aviary)
        for method, path in operations():
            canaries.called.add(f"{method} {path}")
            # What a DELETE finds is gone for the calls after it: that comes last.
            fail_everywhere(canaries, client, method, fill(path, {} if method == "DELETE" else ids))
        before, recording_engine.body = recording_engine.body, b"data: nonsense\n\n"
        try:
            chat(canaries, client, canaries.secrets["key"])
        finally:
            recording_engine.body = before
        break_down(canaries, client)
        spend_tokens(canaries, client, ids)
    with httpx.Client(base_url=aviary.url, timeout=30) as browser:
        tour = AdminTour(browser)
        tour.fill_in_wrongly(username=NAME, password=PASSWORD, other_password=NEW_PASSWORD)
        tour.look_around(search=NAME)
    canaries.pages = tour.pages
    return canaries


def succeed(canaries: Canaries, client: httpx.Client) -> dict[str, str]:
    """An account with a key and a conversation, everything with canaries in it."""
    account = {"username": NAME, "password": PASSWORD}
    canaries.ask(client, "POST", "/api/auth/register", json=account).raise_for_status()
    pair = canaries.ask(client, "POST", "/api/auth/login", json=account).json()
    bearer = {"Authorization": f"Bearer {pair['access_token']}"}
    wanted = {"name": "script", "scopes": ["chat", "history", "models:read"]}
    key = canaries.ask(client, "POST", "/api/keys", json=wanted, headers=bearer).json()
    canaries.secrets |= {
        "password": PASSWORD,
        "new password": NEW_PASSWORD,
        "prompt": "canary-prompt",
        "access token": pair["access_token"],
        "refresh token": pair["refresh_token"],
        "key": key["key"],
        "admin's password": ADMIN_PASSWORD,
        **{name: SETTINGS[name] for name in ("SECRET_KEY", "JWT_SECRET")},
    }
    answer = chat(canaries, client, key["key"])
    return {**{n: answer[n] for n in ("conversation_id", "message_id")}, "key_id": key["id"]}


def succeed_as_admin(canaries: Canaries, client: httpx.Client, gateway: GatewayProcess) -> None:
    """What only an administrator may: all that is read, and a reload."""
    canaries.secrets["admin's access token"] = gateway.token("admin")
    headers = {"Authorization": f"Bearer {gateway.token('admin')}"}
    canaries.ask(client, "POST", "/api/models/reload", json={}, headers=headers).raise_for_status()
    for method, path in operations():
        if method == "GET" and "{" not in path:
            query = QUERIES.get(path.rpartition("/")[2], {})
            canaries.ask(client, method, path, headers=headers, params=query).raise_for_status()


def break_down(canaries: Canaries, client: httpx.Client) -> None:
    """A failure that nobody expected, while everything is in its hands."""
    headers = {"Authorization": f"Bearer {canaries.secrets['access token']}"}
    body = {"username": NAME, "password": PASSWORD, "content": PROMPT}
    canaries.ask(client, "POST", FAULTY_PATH, json=body, headers=headers)


def chat(canaries: Canaries, client: httpx.Client, key: str) -> dict[str, Any]:
    """The prompt by every way to a model, streamed and whole."""
    headers = {"Authorization": f"Bearer {key}"}
    messages = {"messages": [{"role": "user", "content": PROMPT}]}
    for stream in (True, False):
        canaries.ask(
            client, "POST", "/v1/chat/completions", json=messages | {"stream": stream}, headers=headers
        )
        canaries.ask(
            client, "POST", "/v1/completions", json={"prompt": PROMPT, "stream": stream}, headers=headers
        )
        body = {"content": PROMPT, "stream": stream}
        answer = canaries.ask(client, "POST", "/api/chat", json=body, headers=headers)
    content: dict[str, Any] = answer.json()
    return content


def operations() -> list[tuple[str, str]]:
    """Every call that the schema knows."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return [(method.upper(), path) for path, item in schema["paths"].items() for method in item]


def fill(path: str, ids: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: ids.get(name[1], str(uuid.uuid4())), path)


def fail_everywhere(canaries: Canaries, client: httpx.Client, method: str, path: str) -> None:
    """Each credential in each place, with bodies that are wrong in several ways."""
    secrets = canaries.secrets
    credentials = [
        *(
            {"Authorization": f"Bearer {secrets[name]}"}
            for name in ("key", "access token", "refresh token", "admin's access token")
        ),
        {"Authorization": f"Bearer {secrets['key']}x"},
        {"Authorization": f"Basic {secrets['key']}"},
        {"X-Api-Key": secrets["key"], "Cookie": f"sessionid={secrets['key']}"},
    ]
    bodies = [
        {"content": [PROMPT], "messages": PROMPT, "prompt": {"text": PROMPT}, "title": [PROMPT]},
        {
            "content": PROMPT,
            "model": "no-such-model",
            "password": PASSWORD,
            "username": NAME,
            "refresh_token": PROMPT,
        },
        {"current": NEW_PASSWORD, "new": PASSWORD},
    ]
    for headers in credentials:
        for body in bodies if method in {"POST", "PATCH", "PUT"} else [None]:
            query = {"q": PROMPT, "token": secrets["key"]}
            canaries.ask(client, method, path, headers=headers, json=body, params=query)
    if method in {"POST", "PATCH", "PUT"}:
        cut = f'{{"content": "{PROMPT}", "password": "{PASSWORD}"'.encode()
        json_type = {"Content-Type": "application/json"}
        canaries.ask(client, method, path, headers=credentials[0] | json_type, content=cut)
        canaries.ask(
            client, method, path, headers=credentials[0], data={"password": PASSWORD, "content": PROMPT}
        )


def spend_tokens(canaries: Canaries, client: httpx.Client, ids: dict[str, str]) -> None:
    """What ends sessions and keys: the new secrets that come of it are canaries, too."""
    for password in (NEW_PASSWORD, PASSWORD):
        account = {"username": NAME, "password": password}
        pair = canaries.ask(client, "POST", "/api/auth/login", json=account)
    tokens = pair.json()
    refreshed = canaries.ask(
        client, "POST", "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}
    )
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    rotated = canaries.ask(client, "POST", f"/api/keys/{ids['key_id']}/rotate", json={}, headers=headers)
    canaries.ask(client, "DELETE", f"/api/keys/{ids['key_id']}", headers=headers)
    canaries.ask(client, "GET", "/v1/models", headers={"Authorization": f"Bearer {canaries.secrets['key']}"})
    change = {"current": PASSWORD, "new": NEW_PASSWORD}
    changed = canaries.ask(client, "POST", "/api/auth/password", json=change, headers=headers)
    canaries.ask(client, "POST", "/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    canaries.ask(client, "POST", "/api/auth/logout", json={"refresh_token": changed.json()["refresh_token"]})
    canaries.secrets["rotated key"] = rotated.json()["key"]
    for name, answer in (("refreshed", refreshed), ("changed", changed)):
        canaries.secrets |= {
            f"{name} {half}": answer.json()[f"{half}_token"] for half in ("access", "refresh")
        }


def found_in(text: str, canaries: Canaries) -> list[str]:
    """The canaries in `text`. A token's signature is enough to know it by."""
    return [name for name, secret in canaries.secrets.items() if secret.rpartition(".")[2] in text]


def test_every_endpoint_was_asked_and_success_and_failure_were_seen(flown: Canaries) -> None:
    assert len(flown.called) >= 30
    assert {200, 201, 204, 400, 401, 403, 404, 415, 500, 502} <= flown.statuses
    assert len(flown.secrets) == 15


def test_no_canary_in_the_log(aviary: GatewayProcess, flown: Canaries) -> None:
    log = aviary.log()

    assert log.count('"event":"request"') > len(flown.called)
    assert "RuntimeError" in log
    assert "was not signed in" in log
    assert found_in(log, flown) == []


def test_no_canary_in_the_metrics(aviary: GatewayProcess, flown: Canaries) -> None:
    assert found_in(httpx.get(f"{aviary.url}/metrics").text, flown) == []


def test_no_canary_in_an_error_body(flown: Canaries) -> None:
    assert len(flown.errors) > 100
    assert [(found, text) for text in flown.errors if (found := found_in(text, flown))] == []


def test_no_canary_on_an_admin_page(flown: Canaries) -> None:
    """But for prompts on the pages of conversations: administrators may read those."""
    found = {page: found_in(text, flown) for page, text in flown.pages.items()}

    for model in registered_pages():
        assert any(f"/{model._meta.app_label}/{model._meta.model_name}/" in page for page in found)
    assert any("/change/" in page for page in found)
    for page, names in found.items():
        may_show = {"prompt"} if "/conversations/" in page and "/change/" in page else set()
        assert set(names) <= may_show, page
