"""From a message tree to one branch, and from a branch to a prompt."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from conversations.models import Message, MessageRole

Prompt = list[dict[str, str]]
"""Messages in OpenAI's shape: role and content."""


def active_branch(messages: Mapping[uuid.UUID, Message], head_id: uuid.UUID | None) -> list[Message]:
    """The path from the root to `head_id`, root first."""
    branch: list[Message] = []
    while head_id is not None and (message := messages.get(head_id)) is not None:
        branch.append(message)
        head_id = message.parent_id
    branch.reverse()
    return branch


def to_prompt(system_prompt: str, branch: Iterable[Message]) -> Prompt:
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
