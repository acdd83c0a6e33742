"""What a model writes is text, wherever it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts.models import Role, User
from chat.tests.scripted_engine import ScriptedEngine, delta_event
from conversations.models import Conversation, Message, MessageRole
from gateway.tests.live import GatewayProcess
from gateway.tests.security.conftest import DONE
from modelops.tests.switch_rows import ask, make_ready, serve, write_log

HTML = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'"


@pytest.fixture
def admin_web(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("root", "root@example.com", role=Role.ADMIN))
    return client


@pytest.fixture
def message(db: None) -> Message:
    """An answer whose every text is HTML."""
    owner = User.objects.create_user("mina")
    conversation = Conversation.objects.create(owner=owner, title=HTML, system_prompt=HTML, model=HTML)
    return Message.objects.create(
        conversation=conversation,
        owner=owner,
        role=MessageRole.ASSISTANT,
        content=HTML,
        reasoning=HTML,
        tool_calls=[{"function": {"name": HTML, "arguments": HTML}}],
        model=HTML,
        finish_reason=HTML[:50],
    )


def assert_escaped(page: Any) -> None:
    assert page.status_code == 200
    text = page.content.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text


@pytest.mark.parametrize("tail", ["", "?q=x", "{id}/change/", "{id}/delete/", "{id}/history/"])
@pytest.mark.parametrize("kind", ["message", "conversation"])
def test_answer_is_escaped_on_every_admin_page(
    admin_web: Client, message: Message, kind: str, tail: str
) -> None:
    own_id = message.pk if kind == "message" else message.conversation_id

    page = admin_web.get(f"/admin/conversations/{kind}/{tail.format(id=own_id)}")

    assert_escaped(page)
    if tail == "{id}/change/":
        assert "&lt;script&gt;alert(" in page.content.decode()


def test_log_of_an_engine_is_escaped(admin_web: Client) -> None:
    make_ready("first", "second")
    engine = serve("first")
    write_log(engine, f"INFO {HTML}")
    switch = ask("second", reason=HTML)

    for path in (f"engine/{engine.pk}/change/", "engine/", f"switch/{switch.pk}/change/", "switch/", "slot/"):
        assert_escaped(admin_web.get(f"/admin/modelops/{path}"))


@pytest.fixture(scope="module")
def fort(fort_on_stores: GatewayProcess) -> GatewayProcess:
    """What a model wrote comes back from stores."""
    return fort_on_stores


@pytest.fixture
def engine_of_html(recording_engine: ScriptedEngine) -> Iterator[ScriptedEngine]:
    before, recording_engine.body = recording_engine.body, delta_event(HTML, finish_reason="stop") + DONE
    yield recording_engine
    recording_engine.body = before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", {"content": "x"}),
        ("/api/chat", {"content": "x", "stream": True}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "stream": True}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
    ],
)
def test_answer_is_never_sent_as_a_page(
    web: httpx.Client, engine_of_html: ScriptedEngine, path: str, body: dict[str, Any]
) -> None:
    answer = web.post(path, json=body)

    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] in {"application/json", "text/event-stream"}
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_stored_answer_is_json_with_the_html_as_text(
    web: httpx.Client, engine_of_html: ScriptedEngine
) -> None:
    conversation = web.post("/api/chat", json={"content": "x"}).json()["conversation_id"]

    stored = web.get(f"/api/conversations/{conversation}")

    assert stored.headers["content-type"] == "application/json"
    assert stored.headers["x-content-type-options"] == "nosniff"
    assert stored.json()["messages"][-1]["content"] == HTML
