"""Reads `conversations.json` of ChatGPT's export.

Each conversation is a `mapping` of nodes, by their ids, with `parent` and `children`; `current_node` is the
end of the active branch. A node may have no message, one that its pages do not show, a call of a tool
(`recipient`), what the model thought, or an answer. The format is not documented by its maker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from conversations.models import MAX_MODEL_NAME, MAX_TITLE, MessageRole, MessageStatus
from conversations.portability.readers.keys import make_key
from conversations.portability.trees import FileReference, ImportedConversation, ImportedMessage
from conversations.portability.values import make_call, moment_of, object_in, objects_in, read_object, text_of

FINISH_REASONS = {"stop": "stop", "max_tokens": "length"}
HIDDEN = "is_visually_hidden_from_conversation"
EVERYBODY = "all"
"""The recipient of what is no call of a tool."""


def recognises(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("mapping"), dict)


def read(item: Mapping[str, Any]) -> ImportedConversation:
    """Raises UnreadableItem."""
    nodes = read_object(item.get("mapping"), "mapping")
    messages, taken_as = _read_nodes(nodes)
    created_at = moment_of(item.get("create_time"))
    return ImportedConversation(
        key=make_key("chatgpt", item.get("conversation_id") or item.get("id"), item),
        title=text_of(item.get("title"), MAX_TITLE),
        head_id=taken_as.get(text_of(item.get("current_node"))),
        messages=messages,
        created_at=created_at,
        updated_at=moment_of(item.get("update_time")) or created_at,
        columns={
            "model": text_of(item.get("default_model_slug"), MAX_MODEL_NAME),
            "is_archived": item.get("is_archived") is True,
            "is_pinned": item.get("is_starred") is True,
        },
    )


@dataclass
class _Thought:
    """Something that was thought, after what was thought before it."""

    text: str
    before: _Thought | None
    is_taken: bool = False


@dataclass(frozen=True)
class _Place:
    """Where the children of a node go on: after this message, and with what was thought before it."""

    message_id: str | None = None
    call_id: str = ""
    thought: _Thought | None = None


def _take_thoughts(last: _Thought | None) -> str:
    """What was thought up to there, for the first answer that follows: copies could be any number."""
    texts: list[str] = []
    while last is not None and not last.is_taken:
        last.is_taken = True
        texts.append(last.text)
        last = last.before
    return "\n\n".join(reversed(texts))


def _read_nodes(nodes: Mapping[str, Any]) -> tuple[list[ImportedMessage], dict[str, str]]:
    """The messages, each after its parent, and the one that stands for each node, by the node's id."""
    messages: list[ImportedMessage] = []
    taken_as: dict[str, str] = {}
    seen: set[str] = set()
    waiting = [(id_, _Place()) for id_ in nodes if _parent_of(nodes, id_) is None][::-1]
    while waiting:
        id_, place = waiting.pop()
        if id_ in seen:
            continue
        seen.add(id_)
        message, place = _read_node(nodes[id_], id_, place)
        if message is not None:
            messages.append(message)
        if place.message_id is not None:
            taken_as[id_] = place.message_id
        waiting += [(child, place) for child in reversed(_children_of(nodes, id_))]
    return messages, taken_as


def _parent_of(nodes: Mapping[str, Any], id_: str) -> str | None:
    node = nodes[id_]
    parent = node.get("parent") if isinstance(node, dict) else None
    return parent if isinstance(parent, str) and parent in nodes else None


def _children_of(nodes: Mapping[str, Any], id_: str) -> list[str]:
    node = nodes[id_]
    children = node.get("children") if isinstance(node, dict) else None
    listed = children if isinstance(children, list) else []
    return [child for child in listed if isinstance(child, str) and child in nodes]


def _read_node(node: Any, id_: str, place: _Place) -> tuple[ImportedMessage | None, _Place]:
    """The node's message, None for one that is not shown, and where its children go on."""
    said = node.get("message") if isinstance(node, dict) else None
    if not isinstance(said, dict):
        return None, place
    content = object_in(said.get("content"))
    if content.get("content_type") == "thoughts":
        thoughts = [text_of(one.get("content")) for one in objects_in(content.get("thoughts"))]
        thought = "\n\n".join(filter(None, thoughts))
        return None, replace(place, thought=_Thought(thought, place.thought)) if thought else place
    metadata = object_in(said.get("metadata"))
    role = text_of(object_in(said.get("author")).get("role"))
    if role == MessageRole.TOOL and not place.call_id:
        role = MessageRole.ASSISTANT.value  # a result without its call: no prompt may hold one
    pieces = tuple(piece for piece in _read_pieces(content, metadata) if piece)
    if role not in MessageRole or metadata.get(HIDDEN) or not pieces:
        return None, place
    message = ImportedMessage(
        id=id_,
        parent_id=place.message_id,
        role=role,
        pieces=pieces,
        created_at=moment_of(said.get("create_time")),
        columns={"status": MessageStatus.COMPLETE.value},
    )
    if role == MessageRole.ASSISTANT:
        return message, _complete_answer(message, said, metadata, place)
    if role == MessageRole.TOOL:
        message.columns["tool_call_id"] = place.call_id
        return message, _Place(id_, place.call_id)
    return message, _Place(id_)


def _complete_answer(
    message: ImportedMessage, said: Mapping[str, Any], metadata: Mapping[str, Any], place: _Place
) -> _Place:
    message.columns["model"] = text_of(metadata.get("model_slug"), MAX_MODEL_NAME)
    message.columns["reasoning"] = _take_thoughts(place.thought)
    kind = text_of(object_in(metadata.get("finish_details")).get("type"))
    message.columns["finish_reason"] = FINISH_REASONS.get(kind, "")
    if kind == "interrupted" or said.get("status") == "in_progress":
        message.columns["status"] = MessageStatus.CANCELLED.value
    recipient = text_of(said.get("recipient")) or EVERYBODY
    if recipient == EVERYBODY:
        return _Place(message.id)
    arguments = "\n".join(piece for piece in message.pieces if isinstance(piece, str))
    message.tool_calls = [make_call(message.id, recipient, arguments)]
    message.pieces = ()
    return _Place(message.id, message.id)


def _read_pieces(content: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[str | FileReference]:
    attachments = {
        text_of(one.get("id")): text_of(one.get("name")) for one in objects_in(metadata.get("attachments"))
    }
    shown: set[str] = set()
    parts = content.get("parts")
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            asset = text_of(part.get("asset_pointer")).rpartition("//")[2]
            if asset:
                shown.add(asset)
                yield FileReference(name=attachments.get(asset, "") or asset, key=asset)
            else:
                yield text_of(part.get("text"))
    for name in ("text", "result", "content"):
        yield text_of(content.get(name))
    for id_, name in attachments.items():
        if id_ and id_ not in shown:
            yield FileReference(name=name or id_, key=id_)
