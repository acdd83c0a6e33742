"""The prompts of a batch of turns, from the branches that it has loaded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from conversations.branches import Branch, count_unloaded
from conversations.files.prompts import load_attached
from conversations.known_messages import KnownMessage
from conversations.new_turns import LargeTurn, NewTurn, PreparedPrompt
from conversations.places import Place
from conversations.prompt_sizes import count_bytes, count_prompt_bytes
from conversations.prompt_sources import PromptSource
from conversations.repeats import AskedMessage
from conversations.tool_results import check_results
from gateway.errors import ConversationBusy, ConversationFull, NotFound


class TurnPrompts:
    def __init__(
        self,
        places: Mapping[uuid.UUID, Place],
        known: Mapping[uuid.UUID, KnownMessage],
        branches: Mapping[uuid.UUID, Branch],
    ) -> None:
        self._places = places
        self._known = known
        self._branches = branches

    def find(
        self, item: NewTurn, asked: AskedMessage | None, end_id: uuid.UUID | None
    ) -> PreparedPrompt | LargeTurn:
        """The prompt, after the message `end_id`, unless it is too large for a batch. Raises GatewayError."""
        if item.prepared is not None:
            self._check_prepared(item, item.prepared, end_id)
            return item.prepared
        branch = self._branch_to(end_id, _conversation_id_of(item, asked))
        if item.has_parts or (branch is not None and (branch.has_parts or not branch.is_whole)):
            return LargeTurn()
        prepared = self._make(item, asked, branch, end_id)
        fits = item.limits.surely_fits(prepared.size_bytes, len(prepared.prompt))
        return prepared if fits else LargeTurn()

    def prepare(self, item: NewTurn, asked: AskedMessage | None, end_id: uuid.UUID | None) -> PreparedPrompt:
        """The prompt of a turn that is too large for a batch. Raises GatewayError."""
        branch = self._branch_to(end_id, _conversation_id_of(item, asked))
        if branch is None or branch.is_whole:
            return self._make(item, asked, branch, end_id)
        if not item.limits.keeps_newest:
            item.limits.check_prompt(branch.size_bytes)
            raise ConversationFull
        return self._make(item, asked, branch, end_id, earlier=count_unloaded(branch, end_id))

    def _check_prepared(self, item: NewTurn, prepared: PreparedPrompt, end_id: uuid.UUID | None) -> None:
        """Raises ConversationBusy when the conversation, or its last answer, went on since then."""
        if prepared.end_id != end_id:
            raise ConversationBusy
        if item.continues and prepared.prompt[-1]["content"] != self._known[item.continues].content:
            raise ConversationBusy

    def _make(
        self,
        item: NewTurn,
        asked: AskedMessage | None,
        branch: Branch | None,
        end_id: uuid.UUID | None,
        *,
        earlier: int = 0,
    ) -> PreparedPrompt:
        system_prompt = item.system_prompt
        if (conversation_id := _conversation_id_of(item, asked)) is not None:
            system_prompt = self._places[conversation_id].system_prompt
        said = [*(branch.messages if branch else ()), *(() if asked else item.messages)]
        check_results(item.messages, said)
        attached = load_attached(item, said) if item.has_parts or (branch and branch.has_parts) else None
        source = PromptSource(
            system_prompt=system_prompt,
            said=said,
            attached=attached,
            reasoning=self._known[item.continues].reasoning if item.continues else "",
            earlier=earlier,
        )
        prompt = source.make_prompt()
        size_bytes = count_prompt_bytes(prompt) + count_bytes(source.reasoning)
        if not item.limits.keeps_newest:
            item.limits.check_prompt(size_bytes)
        return PreparedPrompt(
            end_id=end_id,
            prompt=prompt,
            size_bytes=size_bytes,
            largest_file=attached.largest_file if attached else "",
            source=source if item.limits.keeps_newest else None,
        )

    def _branch_to(self, end_id: uuid.UUID | None, conversation_id: uuid.UUID | None) -> Branch | None:
        if end_id is None:
            return None
        branch = self._branches.get(end_id)
        if branch is None or branch.conversation_id != conversation_id:
            raise NotFound("There is no such parent message.", param="parent_id")
        return branch


def _conversation_id_of(item: NewTurn, asked: AskedMessage | None) -> uuid.UUID | None:
    return asked.conversation_id if asked else item.conversation_id
