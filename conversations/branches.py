"""From a message tree to one branch, loaded in bounded rows and bytes, and from a branch to a prompt."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol

import msgspec

from conversations.models import Message, MessageRole
from gateway.database.rows import from_ids, id_list, is_postgresql, join, octets, prepared_cursor

Prompt = list[dict[str, Any]]
"""Messages in OpenAI's shape: role and content, which is a text wherever no image is in it."""


class Extra(NamedTuple):
    """What a message has that is more than a text."""

    parts: list[dict[str, Any]] | None = None
    """Its texts, images and files in order; see `conversations.files.parts`."""
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str = ""


class Said(Protocol):
    """What a prompt needs of a message."""

    @property
    def role(self) -> str: ...

    @property
    def content(self) -> str: ...

    @property
    def extra(self) -> Extra | None: ...


class Attached(Protocol):
    """The files of a prompt, which `conversations.files.prompts` loads."""

    def content_of(self, message: Said) -> str | list[dict[str, Any]]:
        """The content of a message that has parts, as the engine gets it."""


class BranchMessage(NamedTuple):
    """A message as a prompt needs it: a model instance costs ten times as much, for every message."""

    id: str
    """As the database spells it: thousands of UUID objects would cost more than all the rest."""
    role: str
    content: str
    extra: Extra | None = None


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
    """Of contents and calls of tools: what answers thought is not repeated by prompts."""
    has_parts: bool = False
    """Whether a message holds images or files, which the prompt has to load."""
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
        cursor.execute(_branch_sql(), [id_list(ends), limits.messages, *[limits.size_bytes] * 3])
        for end, size_bytes, is_root, id_, conversation_id, role, content, more in cursor:
            if branch is None or end != last_end:
                # The first row is the one farthest from the end: the root, unless a limit came before.
                branch = branches[uuid.UUID(end)] = Branch(
                    conversation_id=uuid.UUID(conversation_id),
                    size_bytes=size_bytes,
                    is_whole=bool(is_root) and size_bytes <= limits.size_bytes,
                )
                last_end = end
            if content is not None:
                extra = None
                if more is not None:
                    extra = _read_extra(more)
                    branch.has_parts = branch.has_parts or extra.parts is not None
                branch.messages.append(BranchMessage(id_, role, content, extra))
    return branches


_read_extra = msgspec.json.Decoder(Extra).decode


@cache
def _branch_sql() -> str:
    """The recursive query, from all ends towards their roots.

    One look into the index per message: PostgreSQL cannot know how long branches are, and would rather read
    the whole table for many of them at a time.
    """
    table = Message._meta.db_table
    if is_postgresql():
        extra = "CAST(json_build_array(message.parts, message.tool_calls, message.tool_call_id) AS text)"
    else:
        extra = "json_array(json(message.parts), json(message.tool_calls), message.tool_call_id)"
    calls = octets("CAST(message.tool_calls AS text)")
    size = f"{octets('message.content')} + COALESCE({calls}, 0)"
    is_more = "(message.parts IS NOT NULL OR message.tool_calls IS NOT NULL OR message.tool_call_id <> '')"
    most_bytes = "(SELECT CAST(%s AS integer))"  # a plan for each value would not be better
    return f"""
        WITH RECURSIVE branch (end_id, id, parent_id, depth, size_bytes) AS (
            SELECT message.id, message.id, message.parent_id, 1, {size} FROM {from_ids(table, "message")}
            UNION ALL
            SELECT branch.end_id, message.id, message.parent_id, branch.depth + 1,
                   branch.size_bytes + {size}
            FROM branch {join(table, "message", "branch.parent_id")}
            WHERE branch.depth < (SELECT CAST(%s AS integer)) AND branch.size_bytes <= {most_bytes}
        )
        SELECT CAST(branch.end_id AS text), branch.size_bytes, branch.parent_id IS NULL,
               CAST(message.id AS text), CAST(message.conversation_id AS text), message.role,
               CASE WHEN branch.size_bytes <= {most_bytes} THEN message.content END,
               CASE WHEN branch.size_bytes <= {most_bytes} AND {is_more} THEN {extra} END
        FROM branch {join(table, "message", "branch.id")}
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
    return f"""
        WITH RECURSIVE branch (parent_id, depth) AS (
            SELECT message.parent_id, 0 FROM {from_ids(table, "message")}
            UNION ALL
            SELECT message.parent_id, branch.depth + 1
            FROM branch {join(table, "message", "branch.parent_id")}
            WHERE branch.depth < (SELECT CAST(%s AS integer))
        )
        SELECT MAX(depth) FROM branch
    """  # noqa: S608 - names of our own columns


def to_prompt(system_prompt: str, branch: Iterable[Said], attached: Attached | None = None) -> Prompt:
    """The messages to send to the engine for this branch; `attached` if any of them has parts.

    Answers that never said anything are left out, and questions that then follow each other become
    one: many chat templates refuse two turns of the same role in a row. What answers thought is not repeated.
    """
    prompt: Prompt = [{"role": "system", "content": system_prompt}] if system_prompt else []
    for message in branch:
        if message.extra is not None:
            _add_extra(prompt, message, message.extra, attached)
            continue
        if message.role == MessageRole.ASSISTANT and not message.content:
            continue
        _add(prompt, message.role, message.content)
    return prompt


def to_engine_message(message: Said) -> dict[str, Any]:
    """A message without parts in OpenAI's shape."""
    said: dict[str, Any] = {"role": str(message.role), "content": message.content}
    if message.extra is not None and message.extra.tool_calls is not None:
        said |= {"content": message.content or None, "tool_calls": message.extra.tool_calls}
    if message.extra is not None and message.extra.tool_call_id:
        said["tool_call_id"] = message.extra.tool_call_id
    return said


def without_images(prompt: Prompt) -> Prompt:
    """The prompt as far as it is text: an engine counts no image without reading it."""
    return [
        {**message, "content": [part for part in message["content"] if part["type"] == "text"]}
        if isinstance(message["content"], list)
        else message
        for message in prompt
    ]


def _add(prompt: Prompt, role: str, content: str | list[dict[str, Any]]) -> None:
    if not prompt or not prompt[-1]["role"] == role == MessageRole.USER:
        prompt.append({"role": str(role), "content": content})
        return
    before = prompt[-1]["content"]
    if isinstance(before, str) and isinstance(content, str):
        prompt[-1]["content"] = f"{before}\n\n{content}"
    else:
        prompt[-1]["content"] = [*_as_parts(before), *_as_parts(content)]


def _as_parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _add_extra(prompt: Prompt, message: Said, extra: Extra, attached: Attached | None) -> None:
    if extra.tool_call_id:
        prompt.append({"role": "tool", "content": message.content, "tool_call_id": extra.tool_call_id})
    elif extra.tool_calls is not None:
        # A call that was cut is no JSON, for which engines refuse the whole prompt.
        calls = [call for call in extra.tool_calls if _is_whole(call)]
        if calls:
            content = message.content or None
            prompt.append({"role": "assistant", "content": content, "tool_calls": calls})
        elif message.content:
            _add(prompt, message.role, message.content)
    elif attached is not None:
        _add(prompt, message.role, attached.content_of(message))


def _is_whole(call: dict[str, Any]) -> bool:
    arguments = call["function"]["arguments"]
    try:
        return not arguments or isinstance(msgspec.json.decode(arguments), dict)
    except msgspec.DecodeError:
        return False
