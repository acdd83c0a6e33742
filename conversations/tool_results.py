"""Results of tools that a client sends: each answers a call of the answer before it."""

from __future__ import annotations

from collections.abc import Sequence

from conversations.branches import Said
from conversations.models import MessageRole
from gateway.errors import InvalidRequest
from gateway.shortening import shorten
from gateway.wording import fill_in


def check_results(new: Sequence[Said], said: Sequence[Said]) -> None:
    """Raises InvalidRequest for a result among `new`, the last of `said`, that answers no call before it."""
    if not any(message.role == MessageRole.TOOL for message in new):
        return
    called: set[str] = set()
    first_new = len(said) - len(new)
    for place, message in enumerate(said):
        extra = message.extra
        if message.role != MessageRole.TOOL:
            called = {call["id"] for call in extra.tool_calls} if extra and extra.tool_calls else set()
        elif place >= first_new and (extra is None or extra.tool_call_id not in called):
            param = f"messages[{place - first_new}].tool_call_id"
            wanted = extra.tool_call_id if extra else ""
            raise InvalidRequest(
                fill_in(
                    "{param}: the message before calls no tool with the id `{wanted}`.",
                    param=param,
                    wanted=shorten(wanted),
                ),
                param=param,
            )
