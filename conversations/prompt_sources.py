"""What a prompt is made of, from which the oldest turns can be left out where not all of it fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from conversations.branches import Attached, Prompt, Said, to_prompt
from conversations.models import MessageRole
from conversations.prompt_sizes import estimate_tokens

ASKING = frozenset({MessageRole.SYSTEM, MessageRole.USER})


@dataclass(frozen=True, kw_only=True)
class PromptSource:
    """The messages of a branch, oldest first, with what stands around them in a prompt.

    A turn is what was asked and all that follows it, answers and messages of tools, up to the next question.
    Prompts hold whole turns.
    """

    system_prompt: str
    said: Sequence[Said]
    attached: Attached | None = None
    """The files of what was said."""
    reasoning: str = ""
    """Of the answer to go on with, the last of `said`: the model goes on with its own thought."""
    earlier: int = 0
    """Messages of the branch that come before `said`, and were not loaded."""

    @cached_property
    def starts(self) -> list[int]:
        """Where in `said` a prompt may begin, oldest first; the last is the newest turn. Empty if nowhere."""
        starts = find_turns(self.said)
        if not self.earlier:
            return starts if starts[:1] == [0] else [0, *starts]
        # The question before the first one loaded may have had no answer: then they are one turn.
        return [start for start in starts if start > 0] or starts

    def make_prompt(self, start: int = 0) -> Prompt:
        """The prompt that begins with this message."""
        prompt = to_prompt(self.system_prompt, self.said[start:] if start else self.said, self.attached)
        if self.reasoning:
            prompt[-1]["reasoning"] = self.reasoning
        return prompt

    def count_omitted(self, start: int) -> int:
        return self.earlier + start

    @cached_property
    def estimates(self) -> dict[int, float]:
        """About how many tokens the prompt from each of `starts` has."""
        tokens = estimate_tokens(self.system_prompt) + estimate_tokens(self.reasoning)
        starts = set(self.starts)
        found: dict[int, float] = {}
        for number in range(len(self.said) - 1, -1, -1):
            tokens += estimate_tokens(self._text_of(self.said[number]))
            if number in starts:
                found[number] = tokens
        return found

    def _text_of(self, message: Said) -> str:
        """What the engine reads of it: with its documents, without its images."""
        if self.attached is None or message.extra is None or not message.extra.parts:
            return message.content
        content = self.attached.content_of(message)
        return content if isinstance(content, str) else "\n\n".join(part.get("text", "") for part in content)


def find_turns(said: Sequence[Said]) -> list[int]:
    """Where turns begin: questions that follow each other without an answer are one."""
    starts: list[int] = []
    is_asking = False
    for number, message in enumerate(said):
        if message.role in ASKING:
            if not is_asking:
                starts.append(number)
            is_asking = True
        elif message.role != MessageRole.ASSISTANT or message.content or message.extra:
            is_asking = False  # an answer that never said anything is no part of a prompt
    return starts
