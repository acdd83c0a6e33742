"""Whether a prompt fits a model's context, as far as its bytes tell, and a conversation its bound."""

from __future__ import annotations

from typing import Any

import msgspec

from conversations.branches import BranchLimits, Prompt
from conversations.models import ROW_BYTES
from gateway.errors import ContextLengthExceeded, ConversationFull
from gateway.wording import FilledText, fill_in

MAX_BYTES_PER_TOKEN = 16
"""More than any text has on average: English has 4 or 5, indented code up to 8."""
TEMPLATE_TOKENS = 256
TEMPLATE_TOKENS_PER_MESSAGE = 16
"""What a chat template may add: once with the default system prompt that some have, and for each message."""

LOADED_BYTES_PER_TOKEN = 8
LEAST_TOKENS_PER_MESSAGE = 4
"""What of a branch is loaded that may be shortened: more would hardly fit, whatever it says."""
BYTES_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 6
"""For estimates: of English, and of a chat template."""

LIGHT = BranchLimits(messages=500, size_bytes=128 * 1024)
"""What a turn may load in a batch with other users' turns; one that needs more is prepared apart."""

MOST_MESSAGES = 20_000
MOST_BYTES = 64 * 2**20
"""Of a branch, where neither the model's context nor a setting bounds it."""


class TurnLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a turn. `context_tokens` is None where the engine's context is not known."""

    model: str = ""
    context_tokens: int | None = None
    conversation_bytes: int = 0
    """0: no limit."""
    keeps_newest: bool = False
    """The oldest turns that do not fit are left out, instead of refusing the turn."""
    answer_tokens: int = 0
    """To leave free for the answer, where turns are left out."""

    @property
    def prompt_tokens(self) -> int | None:
        """How long a prompt may be that is shortened."""
        return None if self.context_tokens is None else max(0, self.context_tokens - self.answer_tokens)

    @property
    def branch(self) -> BranchLimits:
        """How much of a branch can matter: what is longer is refused whatever it holds, or left out."""
        if self.keeps_newest and (tokens := self.prompt_tokens) is not None:
            return BranchLimits(
                messages=min(MOST_MESSAGES, tokens // LEAST_TOKENS_PER_MESSAGE + 1),
                size_bytes=min(MOST_BYTES, tokens * LOADED_BYTES_PER_TOKEN),
            )
        return BranchLimits(messages=MOST_MESSAGES, size_bytes=self._prompt_bytes)

    @property
    def _prompt_bytes(self) -> int:
        return MOST_BYTES if self.context_tokens is None else self.context_tokens * MAX_BYTES_PER_TOKEN

    def surely_fits(self, size_bytes: int, messages: int) -> bool:
        """Whether a prompt of so many bytes fits whatever it says: a token has one byte at least."""
        if (tokens := self.prompt_tokens if self.keeps_newest else self.context_tokens) is None:
            return True
        template_tokens = TEMPLATE_TOKENS + TEMPLATE_TOKENS_PER_MESSAGE * messages
        return size_bytes + template_tokens <= tokens

    def check_prompt(self, size_bytes: int) -> None:
        """Raises ContextLengthExceeded for a prompt that cannot fit whatever it says."""
        if self.context_tokens is not None and size_bytes > self._prompt_bytes:
            raise ContextLengthExceeded(
                fill_in(
                    "The prompt has {bytes} bytes with all that was said before. The context of "
                    "`{model}` is {tokens} tokens, or {most} bytes at most.",
                    bytes=size_bytes,
                    model=self.model,
                    tokens=self.context_tokens,
                    most=self._prompt_bytes,
                ),
                param="messages",
            )

    def check_tokens(self, count: int) -> None:
        """Raises ContextLengthExceeded for a prompt of more tokens than the context has."""
        if self.context_tokens is not None and count > self.context_tokens:
            raise self._exceeded(
                fill_in("The newest turn alone has {count} tokens.", count=count)
                if self.keeps_newest
                else fill_in("The prompt has {count} tokens with all that was said before.", count=count)
            )

    def refuse_newest(self) -> ContextLengthExceeded:
        """The error for a newest turn that is larger than what is loaded of a branch."""
        return self._exceeded(
            fill_in("The newest turn alone has more than {bytes} bytes.", bytes=self.branch.size_bytes)
        )

    def _exceeded(self, what: FilledText) -> ContextLengthExceeded:
        message = fill_in(
            "{what} The context of `{model}` is {tokens} tokens.",
            what=what,
            model=self.model,
            tokens=self.context_tokens,
        )
        return ContextLengthExceeded(message, param="messages")

    def check_conversation(self, stored_bytes: int, new_bytes: int, new_messages: int) -> None:
        """Raises ConversationFull when the conversation would hold more than it may."""
        wanted = stored_bytes + new_bytes + ROW_BYTES * new_messages
        if self.conversation_bytes and wanted > self.conversation_bytes:
            raise ConversationFull(
                fill_in(
                    "The conversation would hold {bytes} bytes; {most} are allowed. Start a new one.",
                    bytes=wanted,
                    most=self.conversation_bytes,
                )
            )


def count_bytes(text: str) -> int:
    """The length of `text` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def estimate_tokens(text: str) -> float:
    """About how many tokens a message has: four letters are one, and a letter that is not Latin is one."""
    letters = len(text)
    wide = 0 if text.isascii() else min(letters, (count_bytes(text) - letters) / 2)
    return TOKENS_PER_MESSAGE + wide + (letters - wide) / BYTES_PER_TOKEN


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
