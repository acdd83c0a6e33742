"""Whether a prompt fits a model's context, as far as its bytes tell, and a conversation its bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from conversations.branches import BranchLimits, Prompt
from conversations.models import ROW_BYTES
from gateway.errors import ContextLengthExceeded, ConversationFull

MAX_BYTES_PER_TOKEN = 16
"""More than any text has on average: English has 4 or 5, indented code up to 8."""
TEMPLATE_TOKENS = 256
TEMPLATE_TOKENS_PER_MESSAGE = 16
"""What a chat template may add: once with the default system prompt that some have, and for each message."""

LIGHT = BranchLimits(messages=500, size_bytes=128 * 1024)
"""What a turn may load in a batch with other users' turns; one that needs more is prepared apart."""

MOST_MESSAGES = 20_000
MOST_BYTES = 64 * 2**20
"""Of a branch, where neither the model's context nor a setting bounds it."""


@dataclass(frozen=True, kw_only=True)
class TurnLimits:
    """What bounds a turn. `context_tokens` is None where the engine's context is not known."""

    model: str = ""
    context_tokens: int | None = None
    conversation_bytes: int = 0
    """0: no limit."""

    @property
    def branch(self) -> BranchLimits:
        """How much of a branch can matter: what is longer is refused whatever it holds."""
        return BranchLimits(messages=MOST_MESSAGES, size_bytes=self._prompt_bytes)

    @property
    def _prompt_bytes(self) -> int:
        return MOST_BYTES if self.context_tokens is None else self.context_tokens * MAX_BYTES_PER_TOKEN

    def surely_fits(self, size_bytes: int, messages: int) -> bool:
        """Whether a prompt of so many bytes fits whatever it says: a token has one byte at least."""
        if self.context_tokens is None:
            return True
        template_tokens = TEMPLATE_TOKENS + TEMPLATE_TOKENS_PER_MESSAGE * messages
        return size_bytes + template_tokens <= self.context_tokens

    def check_prompt(self, size_bytes: int) -> None:
        """Raises ContextLengthExceeded for a prompt that cannot fit whatever it says."""
        if self.context_tokens is not None and size_bytes > self._prompt_bytes:
            raise ContextLengthExceeded(
                f"The prompt has {size_bytes} bytes with all that was said before. The context of "
                f"`{self.model}` is {self.context_tokens} tokens, or {self._prompt_bytes} bytes at most.",
                param="messages",
            )

    def check_tokens(self, count: int) -> None:
        """Raises ContextLengthExceeded for a prompt of more tokens than the context has."""
        if self.context_tokens is not None and count > self.context_tokens:
            raise ContextLengthExceeded(
                f"The prompt has {count} tokens with all that was said before. The context of "
                f"`{self.model}` is {self.context_tokens} tokens.",
                param="messages",
            )

    def check_conversation(self, stored_bytes: int, new_bytes: int, new_messages: int) -> None:
        """Raises ConversationFull when the conversation would hold more than it may."""
        wanted = stored_bytes + new_bytes + ROW_BYTES * new_messages
        if self.conversation_bytes and wanted > self.conversation_bytes:
            raise ConversationFull(
                f"The conversation would hold {wanted} bytes; {self.conversation_bytes} are allowed. "
                "Start a new one."
            )


def count_bytes(text: str) -> int:
    """The length of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def count_prompt_bytes(prompt: Prompt) -> int:
    """Of the texts that the engine gets, which are more than those stored where messages were joined."""
    return sum(_count_content(message["content"]) for message in prompt) + sum(
        len(msgspec.json.encode(message["tool_calls"])) for message in prompt if "tool_calls" in message
    )


def _count_content(content: str | list[dict[str, Any]] | None) -> int:
    """Images count nothing: how many tokens one has is for the engine to say."""
    if isinstance(content, str):
        return count_bytes(content)
    return sum(count_bytes(part["text"]) for part in content or () if part["type"] == "text")
