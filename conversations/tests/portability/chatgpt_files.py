"""Small exports in ChatGPT's format."""

from __future__ import annotations

from typing import Any


def node(
    id_: str, parent: str | None, children: list[str], message: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"id": id_, "message": message, "parent": parent, "children": children}


def said(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    """A message; a content that is a text is one of its parts."""
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    return {
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": 1_700_000_000.25,
        "content": content,
        "status": "finished_successfully",
        "recipient": "all",
        "metadata": {},
        **fields,
    }


def conversation(*nodes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "title": "From ChatGPT",
        "create_time": 1_700_000_000.0,
        "update_time": 1_700_000_100.0,
        "mapping": {one["id"]: one for one in nodes},
        "current_node": nodes[-1]["id"],
        "conversation_id": "c-1",
        "is_archived": True,
        "default_model_slug": "gpt-x",
        **fields,
    }


def branched() -> dict[str, Any]:
    """A hidden system message, a question with two answers, of which the first is the active one."""
    hidden = said("system", "", metadata={"is_visually_hidden_from_conversation": True})
    stopped = said("assistant", "Hm", metadata={"finish_details": {"type": "interrupted"}})
    whole = said("assistant", "Hello!", metadata={"model_slug": "gpt-x", "finish_details": {"type": "stop"}})
    return conversation(
        # Children may stand before their parents: objects have no order.
        node("b", "q", [], stopped),
        node("root", None, ["sys"]),
        node("sys", "root", ["q"], hidden),
        node("q", "sys", ["a", "b"], said("user", "Hi")),
        node("a", "q", [], whole),
    )


def with_tools() -> dict[str, Any]:
    """A question with an image, what was thought, a call of a tool, its result and the answer."""
    asset = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://file-AbC"}
    question = said(
        "user",
        {"content_type": "multimodal_text", "parts": [asset, "What is that?"]},
        metadata={"attachments": [{"id": "file-AbC", "name": "cat.png", "mime_type": "image/png"}]},
    )
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "S", "content": "I look."}]}
    code = {"content_type": "code", "language": "python", "text": "print(1)"}
    output = {"content_type": "execution_output", "text": "1"}
    return conversation(
        node("root", None, ["q"]),
        node("q", "root", ["t"], question),
        node("t", "q", ["call"], said("assistant", thoughts)),
        node("call", "t", ["result"], said("assistant", code, recipient="python")),
        node("result", "call", ["a"], said("tool", output)),
        node("a", "result", [], said("assistant", "A cat.")),
        conversation_id="c-2",
    )
