"""An API key for less than its account may chat as far as it goes, and read nothing on the way."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from chat.tests.streams import error_of
from gateway.tests.live import GatewayProcess


def chat(gateway: GatewayProcess, key: str, **fields: Any) -> httpx.Response:
    body = {"content": "Say something", "max_tokens": 2} | fields
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(f"{gateway.url}/api/chat", json=body, headers=headers, timeout=30)


def new_key(gateway: GatewayProcess, *options: str) -> str:
    return gateway.manage("create_api_key", "demo", "--quiet", *options).strip()


def test_answer_of_a_model_that_the_key_is_not_for_is_not_repeated(gateway: GatewayProcess) -> None:
    message_id = str(uuid.uuid4())
    first = chat(gateway, gateway.token(), client_message_id=message_id).raise_for_status()
    scopes = ("--scope", "chat", "--scope", "history")
    confined, wide = (new_key(gateway, *scopes, "--model", name) for name in ("other", "simulated"))

    refused = chat(gateway, confined, client_message_id=message_id)
    repeated = chat(gateway, wide, client_message_id=message_id)

    assert (refused.status_code, error_of(refused)["code"]) == (403, "permission_denied")
    assert repeated.json()["message_id"] == first.json()["message_id"]


def test_key_without_the_history_scope_goes_on_with_no_stored_conversation(gateway: GatewayProcess) -> None:
    conversation = chat(gateway, gateway.token()).raise_for_status().json()["conversation_id"]
    chatting = new_key(gateway, "--scope", "chat")
    reading = new_key(gateway, "--scope", "chat", "--scope", "history")

    refused = chat(gateway, chatting, conversation_id=conversation)
    goes_on = chat(gateway, reading, conversation_id=conversation)

    assert (refused.status_code, error_of(refused)["code"]) == (403, "permission_denied")
    assert goes_on.status_code == 200
    assert chat(gateway, chatting).status_code == 200


def test_key_without_the_history_scope_reaches_nothing_stored_by_client_message_id(
    gateway: GatewayProcess,
) -> None:
    message_id = str(uuid.uuid4())
    first = chat(gateway, gateway.token(), client_message_id=message_id).raise_for_status()
    chatting = new_key(gateway, "--scope", "chat")
    reading = new_key(gateway, "--scope", "chat", "--scope", "history")

    refused = [
        chat(gateway, chatting, client_message_id=message_id, **more)
        for more in ({}, {"stream": True}, {"content": "Something else"})
    ]
    unused = chat(gateway, chatting, client_message_id=str(uuid.uuid4()))

    assert [(r.status_code, error_of(r)["code"]) for r in refused] == [(403, "permission_denied")] * 3
    assert all("x-conversation-id" not in answer.headers for answer in refused)
    assert unused.status_code == 200
    repeated = chat(gateway, reading, client_message_id=message_id)
    assert repeated.json()["message_id"] == first.json()["message_id"]
