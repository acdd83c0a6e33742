"""Rows written by generated statements are the same as the ORM's."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, models

from accounts.models import User
from conversations import replies, turn_rows
from conversations.models import Conversation, Message, MessageRole, MessageStatus
from conversations.replies import Checkpoint, ReplyOutcome, close_replies, save_checkpoints
from conversations.turn_rows import NewConversation, NewMessageRow, TurnRows, write_turns
from gateway.database.rows import Rows, from_ids, id_list, prepared_cursor
from gateway.ids import new_id

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, 30, 15, 123456, tzinfo=UTC)
AWKWARD = 'quote\' "double" back\\slash %s %% {} \u2028 ünïcödé 👩\u200d🚀 \n\t\x01'


def columns_of(row: models.Model) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.fixture
def owner() -> User:
    return User.objects.create(username="mina")


def new_rows(owner: User, **message: Any) -> TurnRows:
    conversation = NewConversation(
        id=new_id(),
        owner_id=owner.id,
        title=AWKWARD,
        system_prompt=AWKWARD,
        model="tiny",
        head_id=(message_id := new_id()),
        created_at=NOW,
        updated_at=NOW,
    )
    row = NewMessageRow(
        id=message_id,
        conversation_id=conversation.id,
        owner_id=owner.id,
        parent_id=None,
        role=MessageRole.ASSISTANT,
        created_at=NOW,
        **{"request_id": AWKWARD, "content": AWKWARD} | message,
    )
    return TurnRows(started=[conversation], messages=[row])


def test_written_rows_have_every_column_that_the_orm_would_have_stored(owner: User) -> None:
    rows = new_rows(
        owner,
        status=MessageStatus.STREAMING,
        model="tiny",
        lease_expires_at=NOW,
        client_message_id="c-1",
        request_digest="d" * 65,
    )
    (started,), (message,) = rows.started, rows.messages

    assert write_turns(rows) == set()

    stored, answer = Conversation.objects.get(), Message.objects.get()
    given = {name: getattr(started, name) for name in NewConversation.__dataclass_fields__}
    by_orm = Conversation.objects.create(**given | {"id": new_id(), "head_id": None})
    assert columns_of(stored) == columns_of(by_orm) | {"id": started.id, "head_id": answer.id}
    given = {name: getattr(message, name) for name in NewMessageRow.__dataclass_fields__}
    others = {"id": new_id(), "conversation_id": by_orm.pk, "client_message_id": "c-2"}
    message_by_orm = Message.objects.create(**given | others)
    assert columns_of(answer) == columns_of(Message.objects.get(pk=message_by_orm.pk)) | {
        "id": message.id,
        "conversation_id": stored.id,
        "client_message_id": "c-1",
    }


def test_closed_answer_has_every_value_of_its_outcome(owner: User) -> None:
    rows = new_rows(owner, status=MessageStatus.STREAMING, lease_expires_at=NOW)
    write_turns(rows)
    outcome = ReplyOutcome(
        message_id=rows.messages[0].id,
        request_id=rows.messages[0].request_id,
        status=MessageStatus.CANCELLED,
        content=AWKWARD,
        reasoning=AWKWARD,
        tool_calls=[{"id": AWKWARD, "function": {"name": "f", "arguments": '{"x": 1.5}'}}],
        error_code="some_code",
        model="other",
        finish_reason="stop",
        prompt_tokens=0,
        completion_tokens=2**31 - 1,
        usage_source="engine",
        ttft_ms=1,
        latency_ms=None,
    )

    close_replies([outcome])

    answer = Message.objects.get()
    for name in ReplyOutcome.__dataclass_fields__.keys() - {"message_id"}:
        assert getattr(answer, name) == getattr(outcome, name), name
    assert answer.lease_expires_at is None
    assert answer.size_bytes == 2 * len(AWKWARD.encode())


def test_answer_without_tool_calls_has_none_in_sql_as_well(owner: User) -> None:
    rows = new_rows(owner, status=MessageStatus.STREAMING, lease_expires_at=NOW)
    write_turns(rows)

    answer = rows.messages[0]
    close_replies(
        [
            ReplyOutcome(
                message_id=answer.id,
                request_id=answer.request_id,
                status=MessageStatus.COMPLETE,
                content="x",
            )
        ]
    )

    assert Message.objects.filter(tool_calls__isnull=True).exists()


def test_text_that_is_too_long_for_its_column_is_never_cut(owner: User) -> None:
    limits = {field.name: field.max_length for field in Message._meta.concrete_fields if field.max_length}
    rows = new_rows(owner, client_message_id="c" * (limits["client_message_id"] + 1))

    if connection.vendor == "postgresql":
        with pytest.raises(Exception, match="too long"):
            write_turns(rows)
    else:
        write_turns(rows)
        assert Message.objects.get().client_message_id == rows.messages[0].client_message_id


def test_update_changes_only_rows_in_the_asked_state_and_no_other_row(owner: User) -> None:
    rows = [new_rows(owner, status=MessageStatus.STREAMING, lease_expires_at=NOW) for _ in range(3)]
    for row in rows:
        write_turns(row)
    running, closed, other = (row.messages[0].id for row in rows)
    request_id = rows[0].messages[0].request_id
    close_replies(
        [
            ReplyOutcome(
                message_id=closed, request_id=request_id, status=MessageStatus.COMPLETE, content="done"
            )
        ]
    )

    save_checkpoints(
        [
            Checkpoint(message_id=id_, request_id=request_id, content="so far", reasoning="", lease_s=60)
            for id_ in (running, closed, uuid.uuid4())
        ]
    )

    contents = dict(Message.objects.values_list("id", "content"))
    assert contents == {running: "so far", closed: "done", other: AWKWARD}


def test_rows_by_id_are_those_that_exist(owner: User) -> None:
    first, second = (Conversation.objects.create(owner=owner, title=title) for title in ("one", "two"))
    Conversation.objects.create(owner=owner, title="not asked for")

    with prepared_cursor() as cursor:
        cursor.execute(
            f"SELECT place.title FROM {from_ids('conversations_conversation', 'place')} ORDER BY 1",  # noqa: S608
            [id_list([first.id, uuid.uuid4(), second.id])],
        )
        found = [title for (title,) in cursor]

    assert found == ["one", "two"]


@pytest.mark.parametrize(
    "rows",
    [turn_rows.STARTED, turn_rows.TAKEN, turn_rows.MESSAGES, replies.SAVED_TEXTS, replies.OUTCOMES],
)
def test_statements_name_only_columns_that_the_model_has(rows: Rows) -> None:
    columns = {field.column for field in rows._model._meta.concrete_fields}

    assert {field.column for field in rows._fields.values()} <= columns


def test_column_whose_default_is_computed_has_to_be_given() -> None:
    @dataclass
    class Incomplete:
        id: uuid.UUID

    with pytest.raises(TypeError, match="created_at"):
        Rows(Conversation, Incomplete).insert_values()


@pytest.mark.services
@pytest.mark.parametrize("rows", [0, 3000], ids=["empty table", "full table"])
def test_postgresql_looks_into_the_index_for_each_row_whenever_it_made_its_plan(
    owner: User, rows: int
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE conversations_message CASCADE")  # with what is known of how small it was
    conversation = Conversation.objects.create(owner=owner)
    Message.objects.bulk_create(
        Message(conversation=conversation, owner=owner, role="user", content="x" * 100) for _ in range(rows)
    )

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE closing(json) AS {_closing_sql().replace('%s', '$1')}")
        cursor.execute("EXPLAIN EXECUTE closing('[]')")
        plan = "\n".join(line for (line,) in cursor)
        cursor.execute("DEALLOCATE closing")

    assert "Seq Scan" not in plan
    assert "Index Scan using conversations_message_pkey" in plan


def _closing_sql() -> str:
    """The statement that closes answers, as it is sent."""
    statements: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        close_replies([ReplyOutcome(message_id=uuid.uuid4(), status=MessageStatus.COMPLETE, content="")])
    return statements[-1]
