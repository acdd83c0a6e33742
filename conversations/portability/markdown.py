"""Conversations to read: the active branch of each as Markdown, files by their names."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

from conversations.files.parts import file_ids_in
from conversations.files.rendering import load_files_of, render_parts
from conversations.models import Conversation, Message, MessageRole, MessageStatus
from conversations.portability.selection import Selection, read_pages, split_by_size
from conversations.selectors import messages_to_show

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!<>&|~$])")


def write_markdown(selection: Selection) -> Iterator[bytes]:
    """Titles and names are texts and nothing else; what was said stays the Markdown that it was."""
    separator = ""
    for page in read_pages(selection):
        for conversation in page:
            yield (separator + _head(conversation)).encode()
            for message in _read_branch(conversation):
                yield _write_message(message).encode()
            separator = "\n---\n\n"


def escape(text: str) -> str:
    """`text` as one line of Markdown that shows just that."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def _head(conversation: Conversation) -> str:
    lines = [f"# {escape(conversation.title) or 'Untitled'}", ""]
    begun, used = conversation.created_at, conversation.updated_at
    lines.append(f"Begun {begun:%Y-%m-%d %H:%M} UTC, last used {used:%Y-%m-%d %H:%M} UTC.")
    if conversation.model:
        lines.append(f"Model: {escape(conversation.model)}.")
    if conversation.system_prompt:
        lines += ["", "## System prompt", "", conversation.system_prompt]
    return "\n".join([*lines, ""])


def _read_branch(conversation: Conversation) -> Iterator[Message]:
    """The active branch, root first. Of the other branches only ids are read."""
    if conversation.head_id is None:
        return
    rows = Message.objects.filter(conversation=conversation)
    known = {pk: (parent, size) for pk, parent, size in rows.values_list("pk", "parent_id", "size_bytes")}
    branch: list[tuple[uuid.UUID, int]] = []
    at: uuid.UUID | None = conversation.head_id
    while at is not None and at in known:
        parent, size_bytes = known.pop(at)
        branch.append((at, size_bytes))
        at = parent
    del known
    for ids in split_by_size(branch[::-1]):
        found = messages_to_show().in_bulk(ids)
        yield from (found[id_] for id_ in ids if id_ in found)


def _write_message(message: Message) -> str:
    name = MessageRole(message.role).label
    if message.role == MessageRole.ASSISTANT and message.model:
        name += f" ({escape(message.model)})"
    blocks = [f"\n## {name}\n"]
    if message.reasoning:
        quoted = "\n".join(f"> {line}" for line in message.reasoning.splitlines())
        blocks.append(f"> *Reasoning*\n>\n{quoted}\n")
    if message.content:
        blocks.append(f"{message.content}\n")
    blocks += [f"*File: {escape(name)}*\n" for name in _names_of_files(message)]
    for call in message.tool_calls or ():
        function = call.get("function") or {}
        blocks.append(f"*Calls {escape(str(function.get('name', '')))}:*\n")
        blocks.append(f"{_fence(str(function.get('arguments', '')))}\n")
    if message.status in {MessageStatus.CANCELLED, MessageStatus.ERROR}:
        blocks.append(f"*This answer was not finished ({message.status}).*\n")
    return "\n".join(blocks)


def _names_of_files(message: Message) -> list[str]:
    if not file_ids_in(message.parts):
        return []
    parts = render_parts(message, load_files_of([message])) or []
    return [part["name"] or part["type"] for part in parts if part["type"] != "text"]


def _fence(text: str) -> str:
    """`text` as a block of code, fenced by more backticks than are in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
