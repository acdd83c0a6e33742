"""Reads Open WebUI's export of chats.

Each item has a `chat` whose `history.messages` are nodes by their ids, with `parentId` and `childrenIds`;
`history.currentId` is the end of the active branch. Older ones have the list `chat.messages` alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from conversations.models import MAX_MODEL_NAME, MAX_SYSTEM_PROMPT, MAX_TITLE, MessageStatus, Rating
from conversations.models.feedback import MAX_COMMENT, MAX_REASON
from conversations.portability.readers.keys import make_key
from conversations.portability.trees import (
    FileReference,
    ImportedConversation,
    ImportedFeedback,
    ImportedMessage,
)
from conversations.portability.values import count_of, moment_of, object_in, objects_in, read_object, text_of

_REASONING, _REASONING_END = '<details type="reasoning"', "</details>"
"""How a model's reasoning is kept in the text of its answer; each line of it is quoted with `>`."""
_SUMMARY = re.compile(r"\s*+(?:<summary>[^<]*+</summary>)?")
_SPACES = re.compile(r"\s*+")


def recognises(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("chat"), dict)


def read(item: Mapping[str, Any]) -> ImportedConversation:
    """Raises UnreadableItem."""
    chat = read_object(item.get("chat"), "chat")
    history = object_in(chat.get("history"))
    nodes = object_in(history.get("messages"))
    said = list(nodes.values()) if nodes else objects_in(chat.get("messages"))
    messages = list(_read_messages([one for one in said if isinstance(one, dict)]))
    created_at = moment_of(item.get("created_at")) or moment_of(chat.get("timestamp"))
    return ImportedConversation(
        key=make_key("open-webui", item.get("id") or chat.get("id"), item),
        title=text_of(item.get("title") or chat.get("title"), MAX_TITLE),
        head_id=text_of(history.get("currentId")) or None,
        messages=messages,
        created_at=created_at,
        updated_at=moment_of(item.get("updated_at")) or created_at,
        columns={
            "system_prompt": _read_system_prompt(chat),
            "model": next(iter(_texts_in(chat.get("models"))), "")[:MAX_MODEL_NAME],
            "is_archived": item.get("archived") is True,
            "is_pinned": item.get("pinned") is True,
        },
    )


def _read_system_prompt(chat: Mapping[str, Any]) -> str:
    params = object_in(chat.get("params"))
    return text_of(chat.get("system") or params.get("system"), MAX_SYSTEM_PROMPT)


def _texts_in(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _read_messages(said: list[dict[str, Any]]) -> Iterator[ImportedMessage]:
    """In an old list, which is one branch, each follows the one before it."""
    before: str | None = None
    for place, one in enumerate(said):
        id_ = text_of(one.get("id")) or str(place)
        yield _read_message(one, id_, text_of(one.get("parentId")) or None if "parentId" in one else before)
        before = id_


def _read_message(one: Mapping[str, Any], id_: str, parent_id: str | None) -> ImportedMessage:
    content, reasoning = split_reasoning(text_of(one.get("content")))
    usage = object_in(one.get("usage") or one.get("info"))
    is_answer = one.get("role") == "assistant"
    columns: dict[str, Any] = {"status": MessageStatus.COMPLETE.value}
    if is_answer:
        columns |= {
            "reasoning": reasoning,
            "model": text_of(one.get("model"), MAX_MODEL_NAME),
            "prompt_tokens": count_of(usage.get("prompt_tokens", usage.get("prompt_eval_count"))),
            "completion_tokens": count_of(usage.get("completion_tokens", usage.get("eval_count"))),
        }
        if one.get("error"):
            columns["status"] = MessageStatus.ERROR.value
        elif one.get("done") is False:
            columns["status"] = MessageStatus.CANCELLED.value
    pieces: list[str | FileReference] = [content] if content else []
    pieces += [_read_file(file) for file in objects_in(one.get("files"))]
    return ImportedMessage(
        id=id_,
        parent_id=parent_id,
        role=text_of(one.get("role")),
        pieces=pieces,
        created_at=moment_of(one.get("timestamp")),
        columns=columns,
        feedback=_read_feedback(one.get("annotation")) if is_answer else None,
    )


def split_reasoning(content: str) -> tuple[str, str]:
    """The answer, and what was thought before it.

    Looks at each character a bounded number of times: one pattern for all of this would go through the rest
    of the text for each block that is not closed, and no other thread runs while a pattern is looked for.
    """
    thoughts: list[str] = []
    said: list[str] = []
    done = 0
    while (found := _find_reasoning(content, done)) is not None:
        begins, text_begins, ends = found
        said.append(content[done:begins])
        thoughts.append(_unquote(content[text_begins:ends]))
        done = _end_of(_SPACES, content, ends + len(_REASONING_END))
    if not thoughts:
        return content, ""
    return "".join([*said, content[done:]]).strip(), "\n\n".join(filter(None, thoughts))


def _find_reasoning(content: str, start: int) -> tuple[int, int, int] | None:
    """Where the next block begins, its text begins, and its text ends."""
    begins = content.find(_REASONING, start)
    tag_ends = content.find(">", begins + len(_REASONING)) if begins >= 0 else -1
    ends = content.find(_REASONING_END, tag_ends + 1) if tag_ends >= 0 else -1
    if ends < 0:  # then no later one is closed either
        return None
    return begins, _end_of(_SUMMARY, content, tag_ends + 1, ends), ends


def _end_of(pattern: re.Pattern[str], text: str, start: int, end: int | None = None) -> int:
    found = pattern.match(text, start, len(text) if end is None else end)
    return found.end() if found else start


def _unquote(block: str) -> str:
    """Versions differ: the quoted text may be escaped as a whole, with its marks."""
    text = block.strip()
    if text.startswith("&gt;"):
        text = html.unescape(text)
    return "\n".join(line.removeprefix(">").removeprefix(" ") for line in text.splitlines())


def _read_file(file: Mapping[str, Any]) -> FileReference:
    """Images are data: URLs, or addresses of the server that exported them, which are not asked."""
    inner = object_in(file.get("file"))
    name = text_of(file.get("name")) or text_of(inner.get("filename"))
    url = text_of(file.get("url"))
    return FileReference(
        name=name or text_of(file.get("type")), data_url=url if url.startswith("data:") else ""
    )


def _read_feedback(value: object) -> ImportedFeedback | None:
    if not isinstance(value, dict) or value.get("rating") not in Rating.values:
        return None
    return ImportedFeedback(
        rating=value["rating"],
        reason=text_of(value.get("reason"), MAX_REASON),
        comment=text_of(value.get("comment"), MAX_COMMENT),
    )
