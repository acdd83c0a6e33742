"""From a message tree to one branch, loaded in bounded rows and bytes, and from a branch to a prompt."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, Protocol

from conversations.models import Message, MessageRole
from gateway.database.rows import from_ids, id_list, is_postgresql, prepared_cursor

Prompt = list[dict[str, str]]
"""Messages in OpenAI's shape: role and content."""


class Said(Protocol):
    """What a prompt needs of a message."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...


class BranchMessage(NamedTuple):
    """A message as a prompt needs it: a model instance costs ten times as much, for every message."""

    id: str
    """As the database spells it: thousands of UUID objects would cost more than all the rest."""
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
    last_end = branch = None
    with prepared_cursor() as cursor:
        cursor.execute(_branch_sql(), [id_list(ends), limits.messages, limits.size_bytes, limits.size_bytes])
        for end, size_bytes, is_root, id_, conversation_id, role, content in cursor:
            if branch is None or end != last_end:
                # The first row is the one farthest from the end: the root, unless a limit came before.
                branch = branches[uuid.UUID(end)] = Branch(
                    conversation_id=uuid.UUID(conversation_id),
                    size_bytes=size_bytes,
                    is_whole=bool(is_root) and size_bytes <= limits.size_bytes,
                )
                last_end = end
            if content is not None:
                branch.messages.append(BranchMessage(id_, role, content))
    return branches


@cache
def _branch_sql() -> str:
    """The recursive query, from all ends towards their roots.

    `LATERAL … LIMIT 1` keeps PostgreSQL to one look into the index per message: it cannot know how long
    branches are, and would rather read the whole table for many of them at a time.
    """
    table = Message._meta.db_table
    if is_postgresql():
        # The length of a text that is kept out of line is known without reading it.
        size = "OCTET_LENGTH(message.content)"
        message = f"CROSS JOIN LATERAL (SELECT * FROM {table} WHERE id = %s LIMIT 1) AS message"  # noqa: S608
    else:
        size = "LENGTH(CAST(message.content AS BLOB))"
        message = f"JOIN {table} AS message ON message.id = %s"
    most_bytes = "(SELECT CAST(%s AS integer))"  # a plan for each value would not be better
    return f"""
        WITH RECURSIVE branch (end_id, id, parent_id, depth, size_bytes) AS (
            SELECT message.id, message.id, message.parent_id, 1, {size} FROM {from_ids(table, "message")}
            UNION ALL
            SELECT branch.end_id, message.id, message.parent_id, branch.depth + 1,
                   branch.size_bytes + {size}
            FROM branch {message.replace("%s", "branch.parent_id")}
            WHERE branch.depth < (SELECT CAST(%s AS integer)) AND branch.size_bytes <= {most_bytes}
        )
        SELECT CAST(branch.end_id AS text), branch.size_bytes, branch.parent_id IS NULL,
               CAST(message.id AS text), CAST(message.conversation_id AS text), message.role,
               CASE WHEN branch.size_bytes <= {most_bytes} THEN message.content END
        FROM branch {message.replace("%s", "branch.id")}
        ORDER BY branch.end_id, branch.depth DESC
    """  # noqa: S608 - names of our own columns


MOST_COUNTED = 200


def count_unloaded(branch: Branch, end_id: uuid.UUID | None) -> int:
    """How many messages of a branch come before those that were loaded.

    Beyond MOST_COUNTED it is all that the conversation has besides, other branches included: to count them
    one by one would make each turn of a long conversation dearer than the one before.
    """
    first_id = uuid.UUID(branch.messages[0].id) if branch.messages else end_id
    with prepared_cursor() as cursor:
        cursor.execute(_ancestors_sql(), [id_list([first_id] if first_id else []), MOST_COUNTED])
        ((ancestors,),) = cursor
    unloaded = (ancestors or 0) + (not branch.messages)
    if (ancestors or 0) < MOST_COUNTED:
        return unloaded
    stored = Message.objects.filter(conversation_id=branch.conversation_id).count()
    return max(unloaded, stored - len(branch.messages))


@cache
def _ancestors_sql() -> str:
    """How many messages one follows, counted up to a bound."""
    table = Message._meta.db_table
    if is_postgresql():
        parent = f"CROSS JOIN LATERAL (SELECT parent_id FROM {table} WHERE id = branch.parent_id LIMIT 1)"  # noqa: S608
    else:
        parent = f"JOIN {table}"
    condition = "" if is_postgresql() else " ON message.id = branch.parent_id"
    return f"""
        WITH RECURSIVE branch (parent_id, depth) AS (
            SELECT message.parent_id, 0 FROM {from_ids(table, "message")}
            UNION ALL
            SELECT message.parent_id, branch.depth + 1
            FROM branch {parent} AS message{condition}
            WHERE branch.depth < (SELECT CAST(%s AS integer))
        )
        SELECT MAX(depth) FROM branch
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
