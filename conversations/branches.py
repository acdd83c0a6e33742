"""From a message tree to one branch, loaded in bounded rows and bytes, and from a branch to a prompt."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from django.db import connection

from conversations.models import Message, MessageRole

Prompt = list[dict[str, str]]
"""Messages in OpenAI's shape: role and content."""


class Said(Protocol):
    """What a prompt needs of a message."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...


@dataclass(frozen=True, slots=True)
class BranchMessage:
    """A message as a prompt needs it: a model instance costs ten times as much, for every message."""

    id: uuid.UUID
    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class BranchLimits:
    """How much of a branch may be loaded."""

    messages: int
    size_bytes: int


@dataclass(kw_only=True)
class Branch:
    """The path from the root to one message, root first, of one conversation; as far as limits allow."""

    conversation_id: uuid.UUID
    messages: list[BranchMessage] = field(default_factory=list)
    size_bytes: int = 0
    """Of the contents: what answers thought is not repeated by prompts."""
    is_whole: bool = True
    """False where a limit was reached: `messages` are then the last ones only."""


def load_branches(ends: Collection[uuid.UUID], limits: BranchLimits) -> dict[uuid.UUID, Branch]:
    """The branch that ends in each of these messages, by that message's id; ids without a row are left out.

    One statement. Messages beyond the limits are not read, nor is the text of the first one beyond.
    """
    if not ends:
        return {}
    branches: dict[uuid.UUID, Branch] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _branch_sql(connection.vendor, len(ends)),
            [
                *(_ID.get_db_prep_value(end, connection) for end in ends),
                limits.messages,
                limits.size_bytes,
                limits.size_bytes,
            ],
        )
        for end, size_bytes, parent_id, id_, conversation_id, role, content in cursor:
            key = _as_id(end)
            if (branch := branches.get(key)) is None:
                # The first row is the one farthest from the end: the root, unless a limit came before.
                is_whole = parent_id is None and size_bytes <= limits.size_bytes
                branch = branches[key] = Branch(conversation_id=_as_id(conversation_id), is_whole=is_whole)
                branch.size_bytes = size_bytes
            if content is not None:
                branch.messages.append(BranchMessage(_as_id(id_), role, content))
    return branches


_ID = Message._meta.pk


def _as_id(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


@cache
def _branch_sql(vendor: str, count: int) -> str:
    """The recursive query, from `count` ends towards their roots.

    `LATERAL … LIMIT 1` keeps PostgreSQL to one look into the index per message: it cannot know how long
    branches are, and would rather read the whole table for many of them at a time.
    """
    table = connection.ops.quote_name(Message._meta.db_table)
    if vendor == "postgresql":
        # The length of a text that is kept out of line is known without reading it.
        columns = "id, parent_id, conversation_id, role, content, OCTET_LENGTH(content) AS size_bytes"
        message = f"CROSS JOIN LATERAL (SELECT {columns} FROM {table} WHERE id = %s LIMIT 1) AS message"  # noqa: S608
    else:
        columns = "id, parent_id, conversation_id, role, content, LENGTH(CAST(content AS BLOB)) AS size_bytes"
        message = f"JOIN (SELECT {columns} FROM {table}) AS message ON message.id = %s"  # noqa: S608
    marks = ", ".join(["%s"] * count)
    return f"""
        WITH RECURSIVE branch (end_id, id, parent_id, depth, size_bytes) AS (
            SELECT id, id, parent_id, 1, size_bytes FROM (SELECT {columns} FROM {table}) AS message
            WHERE id IN ({marks})
            UNION ALL
            SELECT branch.end_id, message.id, message.parent_id, branch.depth + 1,
                   branch.size_bytes + message.size_bytes
            FROM branch {message % "branch.parent_id"}
            WHERE branch.depth < %s AND branch.size_bytes <= %s
        )
        SELECT branch.end_id, branch.size_bytes, branch.parent_id, message.id,
               message.conversation_id, message.role,
               CASE WHEN branch.size_bytes <= %s THEN message.content END
        FROM branch {message % "branch.id"}
        ORDER BY branch.end_id, branch.depth DESC
    """  # noqa: S608 - names of our own columns


def to_prompt(system_prompt: str, branch: Iterable[Said]) -> Prompt:
    """The messages to send to the engine for this branch.

    Answers that never said anything are left out, and questions that then follow each other become
    one: many chat templates refuse two turns of the same role in a row.
    """
    prompt: Prompt = [{"role": "system", "content": system_prompt}] if system_prompt else []
    for message in branch:
        if message.role == MessageRole.ASSISTANT and not message.content:
            continue
        if prompt and prompt[-1]["role"] == message.role == MessageRole.USER:
            prompt[-1]["content"] += "\n\n" + message.content
        else:
            prompt.append({"role": str(message.role), "content": message.content})
    return prompt
