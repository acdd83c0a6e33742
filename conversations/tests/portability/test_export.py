"""Exports: what they hold, whom they are for, and how little of them is in memory at a time."""

from __future__ import annotations

import base64
import io
import json
import uuid
import zipfile

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import User
from conversations.files.storing import store_upload
from conversations.models import Conversation, Feedback, Message
from conversations.portability import selection as selections
from conversations.portability.exporting import ExportFormat, export
from conversations.portability.selection import Selection
from conversations.tests.portability.files import download, file_folder
from conversations.tests.rest import add, error_of
from conversations.tests.sample_files import image
from conversations.tests.trees import chain, say

__all__ = ["file_folder"]

pytestmark = pytest.mark.django_db


def with_image(owner: User) -> tuple[Conversation, Message]:
    conversation = add(owner, title="Pictures")
    stored, _ = store_upload(owner.pk, io.BytesIO(image()), name="a.png")
    parts = [{"type": "text", "length": 4}, {"type": "image", "file_id": str(stored.pk)}]
    return conversation, say(conversation, None, "user", "Look", parts=parts)


def test_document_holds_every_branch_and_what_stands_beside_it(api: Client, mina: User) -> None:
    conversation, question = with_image(mina)
    calls = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    first = say(conversation, question, "assistant", "", reasoning="Hm.", tool_calls=calls)
    second = say(conversation, question, "assistant", "A square.", model="m", status="cancelled")
    Feedback.objects.create(message=second, owner=mina, rating=-1, reason="wrong", comment="No.")

    document = json.loads(download(api, f"/{conversation.pk}/export"))

    assert (document["format"], document["version"]) == ("vllm-chat-gateway", 1)
    (described,) = document["conversations"]
    assert (described["title"], described["head_id"]) == ("Pictures", str(second.pk))
    assert [m["id"] for m in described["messages"]] == [str(m.pk) for m in (question, first, second)]
    assert described["messages"][1]["tool_calls"] == calls
    assert described["messages"][2]["feedback"]["comment"] == "No."
    (file,) = document["files"]
    assert base64.b64decode(file["data"]) == image()
    assert described["messages"][0]["parts"][1]["file_id"] == file["id"]


def test_lines_are_a_json_document_each(api: Client, mina: User) -> None:
    with_image(mina)
    chain(mina, 3)

    head, file, *conversations = map(json.loads, download(api, format="jsonl").splitlines())

    assert head["format"] == "vllm-chat-gateway-lines"
    assert base64.b64decode(file["data"]) == image()
    assert [len(c["messages"]) for c in conversations] == [1, 3]


def test_archive_holds_the_document_and_the_files(api: Client, mina: User) -> None:
    with_image(mina)

    with zipfile.ZipFile(io.BytesIO(download(api, format="zip"))) as archive:
        document = json.loads(archive.read("conversations.json"))
        (file,) = document["files"]
        content = archive.read(file["path"])

    assert content == image()
    assert "data" not in file


def test_markdown_shows_the_active_branch_with_names_as_plain_text(api: Client, mina: User) -> None:
    conversation, question = with_image(mina)
    Conversation.objects.filter(pk=conversation.pk).update(title="<script>alert(1)</script>\n# [x](y)")
    say(conversation, question, "assistant", "Not this one")
    say(conversation, question, "assistant", "**This** one", model="m")

    text = download(api, f"/{conversation.pk}/export", format="md").decode()

    assert text.splitlines()[0] == r"# \<script\>alert\(1\)\</script\> \# \[x\]\(y\)"
    assert "**This** one" in text
    assert "Not this one" not in text
    assert r"*File: a\.png*" in text


def test_empty_account_is_an_empty_document(api: Client) -> None:
    assert json.loads(download(api))["conversations"] == []
    assert len(download(api, format="jsonl").split()) == 1
    assert download(api, format="md") == b""


def test_chosen_conversations_are_exported_and_no_others(api: Client, mina: User) -> None:
    one, two, _three = (add(mina, title=title) for title in ("one", "two", "three"))

    document = json.loads(download(api, ids=f"{two.pk},{one.pk}"))

    assert [c["title"] for c in document["conversations"]] == ["one", "two"]


def test_deleted_conversations_are_not_exported(api: Client, mina: User) -> None:
    gone = add(mina)
    api.delete(f"/api/conversations/{gone.pk}")

    assert json.loads(download(api))["conversations"] == []
    assert api.get(f"/api/conversations/{gone.pk}/export").status_code == 404


@pytest.mark.parametrize("path", ["/{}/export", "/export?ids={}"])
def test_conversation_of_somebody_else_looks_like_a_missing_one(api: Client, juno: User, path: str) -> None:
    theirs = add(juno)

    foreign = api.get("/api/conversations" + path.format(theirs.pk))
    missing = api.get("/api/conversations" + path.format(uuid.uuid4()))

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json() == missing.json()


@pytest.mark.parametrize(("query", "param"), [({"format": "pdf"}, "format"), ({"ids": "1,2"}, "ids")])
def test_query_that_says_something_else_is_refused(api: Client, query: dict[str, str], param: str) -> None:
    assert error_of(api.get("/api/conversations/export", query)) == (400, "invalid_request", param)


def test_key_without_the_scope_history_exports_nothing(mina: User) -> None:
    key = issue_api_key(user=mina, name="k", scopes=["chat"], origin=COMMAND).key

    answer = Client(headers={"Authorization": f"Bearer {key}"}).get("/api/conversations/export")

    assert error_of(answer)[:2] == (403, "permission_denied")


def test_name_of_the_file_is_the_title_without_what_names_must_not_hold(api: Client, mina: User) -> None:
    conversation = add(mina, title='../"한국어"\r\nx: y')

    header = api.get(f"/api/conversations/{conversation.pk}/export")["Content-Disposition"]

    assert header.startswith("attachment; filename*=utf-8''%ED%95%9C%EA%B5%AD%EC%96%B4%20x%20y%20")


@pytest.mark.parametrize("export_format", [ExportFormat.JSON, ExportFormat.LINES])
def test_conversations_of_a_batch_share_their_queries(mina: User, export_format: ExportFormat) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            for _piece in export(Selection(owner_id=mina.pk), export_format):
                pass
        return len(captured)

    chain(mina, 2)
    chain(mina, 2)
    few = count_queries()
    for _ in range(20):
        chain(mina, 2)

    assert count_queries() == few


def test_batches_are_bounded_in_rows_and_bytes(mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selections, "BATCH_MESSAGES", 4)
    monkeypatch.setattr(selections, "BATCH_BYTES", 3)
    for length in (9, 2, 1, 3):
        chain(mina, length)
    with CaptureQueriesContext(connection) as captured:
        items = list(selections.read_conversations(Selection(owner_id=mina.pk)))

    assert [sum(isinstance(i, Message) for i in items), len(items)] == [15, 19]
    assert len(captured) > 6
