"""Imports: what of a file is taken, what is left out and why, and that nothing is taken twice."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import IO

import pytest
from django.test import Client
from django.utils import timezone

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import User
from conversations.models import Conversation, Message, StoredFile
from conversations.portability import imported_files, importing
from conversations.tests.portability.files import bring, download, file_folder
from conversations.tests.portability.own_files import describe, document
from conversations.tests.rest import add, client_of, error_of
from conversations.tests.sample_files import image
from conversations.tests.trees import chain, say
from gateway.conf import get_config

__all__ = ["file_folder"]

pytestmark = pytest.mark.django_db


def test_file_that_is_imported_twice_is_taken_once(api: Client, mina: User) -> None:
    content = document(describe())

    first, second = bring(api, content), bring(api, content)

    assert first["taken"] == {"conversations": 1, "messages": 1, "files": 0}
    assert (second["taken"]["conversations"], second["already_here"]) == (0, 1)
    assert Conversation.objects.get().owner == mina


def test_conversation_that_is_here_is_not_taken_from_its_export(api: Client, mina: User) -> None:
    chain(mina, 2)

    report = bring(api, download(api))

    assert (report["taken"]["conversations"], report["already_here"]) == (0, 1)


def test_conversation_in_the_trash_comes_back_from_its_export_once(api: Client, mina: User) -> None:
    conversation, _ = chain(mina, 2)
    exported = download(api)
    api.delete(f"/api/conversations/{conversation.pk}")

    taken = [bring(api, exported)["taken"]["conversations"] for _ in range(2)]

    assert taken == [1, 0]
    assert api.post(f"/api/conversations/{conversation.pk}/restore").status_code == 200


def test_id_of_somebody_elses_conversation_makes_no_difference(api: Client, juno: User) -> None:
    theirs, rows = chain(juno, 2)
    exported = download(client_of(juno))

    report = bring(api, exported)

    assert report["taken"]["conversations"] == 1
    copy = Conversation.objects.exclude(pk=theirs.pk).get()
    assert set(copy.messages.values_list("pk", flat=True)).isdisjoint(row.pk for row in rows)
    assert bring(api, exported)["already_here"] == 1


def test_dry_run_says_what_would_be_taken_and_takes_nothing(api: Client, mina: User, juno: User) -> None:
    conversation = add(juno)
    stored = client_of(juno).post("/api/files", {"file": io.BytesIO(image())}).json()
    say(conversation, None, "user", "", parts=[{"type": "image", "file_id": stored["id"]}])

    report = bring(api, download(client_of(juno)), dry_run="true")

    assert report["dry_run"] is True
    assert report["taken"] == {"conversations": 1, "messages": 1, "files": 1}
    assert report["skipped"] == []
    assert not Conversation.objects.filter(owner=mina).exists()
    assert not StoredFile.objects.filter(owner=mina).exists()


def test_broken_conversation_is_left_out_by_itself(api: Client) -> None:
    twins = [{"id": "a", "parent_id": None, "role": "user", "content": name} for name in "ab"]
    content = document(
        describe(title="No messages", messages=3),
        describe(title="Twins", messages=twins),
        describe(title="Whole"),
        {"title": "of nothing"},
    )

    report = bring(api, content)

    assert report["taken"]["conversations"] == 1
    assert [one["name"] for one in report["skipped"]] == ["No messages", "Twins", "of nothing"]


def test_broken_json_of_one_item_names_its_place_and_spares_the_others(api: Client) -> None:
    good = json.dumps(describe())
    content = f'[{good},\n{{"title": tru}},\n{good}]'.encode()

    report = bring(api, content)

    assert report["taken"]["conversations"] == 1
    assert "line 2, byte 12" in report["skipped"][0]["reason"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hello", "line 1, byte 1"),
        (b"", "empty"),
        (b" \n ", "line 2, byte 2"),
        (b'[{"a": 1},\n{"b": ]', "line 2, byte 7"),
        (b'[{"a": 1},\n{"b": "', "line 2, byte 8"),
        (b'[{"a": 1}, 7]', "line 1, byte 12"),
        (b'{"a":\n tru}', "line 2, byte 3"),
        (b"[" * 5_000 + b"]" * 5_000, "nested too deeply"),
        (b"[" * 200_000, "levels"),
        (b'[{"a": 1}]', "no conversation of a known format"),
        (b"\xff\xfe[\x00]\x00", "byte order mark"),
        (b'{"format": "vllm-chat-gateway", "version": 2, "conversations": []}', "version 2"),
        (b"PK\x03\x04 and no more", "archive is damaged"),
    ],
    ids=str,
)
def test_file_that_is_none_of_the_formats_is_refused(api: Client, content: bytes, says: str) -> None:
    response = api.post("/api/conversations/import", content, content_type="application/json")

    assert error_of(response)[:2] == (400, "invalid_request")
    assert says in response.json()["error"]["message"]
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000 + "]" * 3000, '"\\ud800"', "1e999999"])
def test_hostile_value_spoils_its_own_conversation_only(api: Client, value: str) -> None:
    hostile = json.dumps(describe(id="x", extra="VALUE")).replace('"VALUE"', value)
    content = f"[{json.dumps(describe())}, {hostile}]".encode()

    report = bring(api, content)

    assert (report["taken"]["conversations"], report["skipped_count"]) == (1, 1)


def test_values_that_columns_do_not_take_are_left_out(api: Client) -> None:
    said = {
        **{"id": "q", "parent_id": "nobody", "role": "assistant", "content": "a\0b", "status": "streaming"},
        **{"prompt_tokens": 2**40, "latency_ms": -1, "tool_calls": [{"id": 1}], "created_at": "yesterday"},
        **{"model": "m" * 999, "feedback": {"rating": 5}, "usage_source": "guess"},
    }

    bring(api, document(describe(messages=[said], created_at="9999-99-99", title_source="nobody")))

    message = Message.objects.get()
    assert (message.content, message.status, message.parent_id) == ("ab", "cancelled", None)
    assert (message.prompt_tokens, message.latency_ms, message.tool_calls) == (None, None, None)
    assert (len(message.model), message.usage_source) == (200, "")


@pytest.mark.parametrize("levels", range(700, 1000, 10))
def test_what_a_tool_call_holds_beside_its_shape_is_left_out(api: Client, levels: int) -> None:
    """Deep values may be read and not stored, or stored and not read again."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    question = {"id": "q", "parent_id": None, "role": "assistant", "content": "", "tool_calls": ["CALL"]}
    deep = json.dumps({**call, "extra": "DEEP"}).replace('"DEEP"', "[" * levels + "]" * levels)
    content = document(describe(messages=[question]), describe(id="x")).decode().replace('"CALL"', deep)

    response = api.post("/api/conversations/import", content.encode(), content_type="application/json")

    assert response.status_code == 200
    message = Message.objects.filter(role="assistant").first()
    assert message is None or message.tool_calls == [call]
    assert Conversation.objects.filter(import_key="x").exists()


def test_moment_that_is_still_to_come_is_now(api: Client) -> None:
    """Else nothing in it would ever be old enough to be removed, whatever the administrator's rules say."""
    late = "9999-12-31T23:59:59Z"
    said = {"id": "q", "parent_id": None, "role": "user", "content": "Hello", "created_at": late}
    before = timezone.now()

    bring(
        api,
        document(describe(messages=[said], created_at=late, updated_at=99_999_999_999, deleted_at=late)),
    )

    stored = Conversation.objects.get()
    moments = [stored.created_at, stored.updated_at, stored.deleted_at, stored.messages.get().created_at]
    assert all(moment is not None and before <= moment <= timezone.now() for moment in moments)


def test_messages_in_a_circle_are_left_out(api: Client) -> None:
    circle = [{"id": a, "parent_id": b, "role": "user", "content": a} for a, b in (("a", "b"), ("b", "a"))]

    bring(api, document(describe(messages=[*circle, *describe()["messages"]])))

    assert Message.objects.get().content == "Hello"


def test_account_takes_no_more_than_it_may_hold(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(get_config(), max_account_bytes=5_000)
    monkeypatch.setattr(importing, "get_config", lambda: changed)
    long = [{"id": "q", "parent_id": None, "role": "user", "content": "x" * 3_000}]

    report = bring(api, document(describe(), describe(id="b", title="Long", messages=long)))

    assert report["taken"]["conversations"] == 1
    assert report["skipped"][0]["name"] == "Long"
    assert "5000 are allowed" in report["skipped"][0]["reason"]


def test_files_count_for_the_account_that_takes_them(
    api: Client, juno: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = client_of(juno).post("/api/files", {"file": io.BytesIO(b"x" * 3_000)}).json()
    conversation = add(juno, title="With a file")
    say(conversation, None, "user", "", parts=[{"type": "document", "file_id": stored["id"], "name": "x"}])
    add(juno, title="One more")
    changed = replace(get_config(), max_account_bytes=9_500)
    monkeypatch.setattr(importing, "get_config", lambda: changed)

    report = bring(api, download(client_of(juno)))

    assert report["taken"] == {"conversations": 1, "messages": 1, "files": 1}
    assert report["skipped"][0]["name"] == "One more"


def test_two_imports_of_the_same_file_at_a_time_store_it_once(
    api: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = document(describe())
    bring(api, content)
    # As the second one sees it that looked before the first one stored anything.
    monkeypatch.setattr(importing, "is_here", lambda owner_id, tree: False)

    report = bring(api, content)

    assert (report["taken"]["conversations"], report["already_here"]) == (0, 1)
    assert Conversation.objects.filter(owner=mina).count() == 1
    assert Message.objects.count() == 1


def test_item_that_is_too_large_is_never_read(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(get_config(), max_conversation_bytes=1, max_file_bytes=1)
    monkeypatch.setattr(importing, "get_config", lambda: changed)
    monkeypatch.setattr(importing, "LEAST_ITEM_BYTES", 1_000)

    report = bring(api, document(describe(), describe(id="b", system_prompt="x" * 1_000)))

    assert report["taken"]["conversations"] == 1
    assert report["skipped"] == [{"name": "item 2", "reason": "It has more than 1000 bytes."}]


def test_item_that_takes_far_more_memory_than_bytes_is_not_decoded(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_BRACKETS", 1000)
    content = document(describe(id="x", extra=[{}] * 500 + [[]] * 500), describe())

    report = bring(api, content)

    assert report["taken"]["conversations"] == 1
    assert [one["reason"] for one in report["skipped"]] == ["It has more than 1000 objects and lists."]


def test_parts_of_a_message_are_bounded(api: Client) -> None:
    parts = [{"type": "document", "file_id": str(number), "name": "x"} for number in range(2_001)]
    message = {"id": "q", "parent_id": None, "role": "user", "content": "", "parts": parts}

    report = bring(api, document(describe(messages=[message])))

    assert report["skipped"] == [{"name": "Old", "reason": "A message has more than 2000 parts."}]


def test_files_of_an_export_are_bounded(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_files, "MOST_FILES", 2)
    files = [{"id": str(number), "sha256": ""} for number in range(3)]

    response = api.post("/api/conversations/import", document(files=files), content_type="application/json")

    assert error_of(response)[:2] == (400, "invalid_request")


def test_report_lists_a_bounded_part_of_what_was_skipped(api: Client) -> None:
    report = bring(api, document(describe(), *[{} for _ in range(300)]))

    assert (len(report["skipped"]), report["skipped_count"]) == (100, 300)


def test_place_of_what_is_broken_is_looked_for_only_where_it_is_listed(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To count the lines before it, the file is read from its beginning."""
    looked_for: list[int] = []

    def find_line(file: IO[bytes], place: int) -> tuple[int, int]:
        looked_for.append(place)
        return 1, 1

    monkeypatch.setattr(importing, "find_line", find_line)

    report = bring(api, f"[{json.dumps(describe())}{', {x}' * 300}]".encode())

    assert report["skipped_count"] == 300
    assert len(looked_for) == len(report["skipped"]) == 100


def test_file_that_is_missing_is_reported_and_named_in_its_message(api: Client) -> None:
    parts = [{"type": "document", "file_id": "f", "name": "plan.pdf"}]
    message = {"id": "q", "parent_id": None, "role": "user", "content": "", "parts": parts}

    report = bring(api, document(describe(messages=[message])))

    assert report["skipped"] == [{"name": "plan.pdf", "reason": "The file is not in what was imported."}]
    stored = Message.objects.get().parts
    assert stored is not None
    assert stored[0]["name"] == "plan.pdf"


def test_key_without_the_scope_history_imports_nothing(mina: User) -> None:
    key = issue_api_key(user=mina, name="k", scopes=["chat"], origin=COMMAND).key
    client = Client(headers={"Authorization": f"Bearer {key}"})

    answer = client.post("/api/conversations/import", b"[]", content_type="application/json")

    assert error_of(answer)[:2] == (403, "permission_denied")


def test_folders_are_found_by_name_or_made(api: Client, mina: User) -> None:
    folder = api.post("/api/folders", {"name": "Work"}, content_type="application/json").json()

    bring(api, document(describe(folder="Work"), describe(id="b", folder="Home")))

    assert {c.folder.name for c in Conversation.objects.filter(owner=mina) if c.folder} == {"Work", "Home"}
    assert Conversation.objects.filter(folder_id=folder["id"]).count() == 1
