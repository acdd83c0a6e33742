"""Requests, in batches, the switches that chat requests ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.audit import ChatCaller
from gateway.errors import GatewayError
from modelops.serving.model_tasks import ModelTask
from modelops.switching.on_chat import request_switch_for_chat


@dataclass(frozen=True)
class ChatSwitchRequest:
    profile: str
    caller: ChatCaller
    tasks: frozenset[ModelTask] = frozenset()
    """Of which the request needs one, if it needs any."""


def request_switches(items: Sequence[ChatSwitchRequest]) -> list[Exception | None]:
    """A handler of `gateway.batching`; each result is None, or the GatewayError that refuses the switch."""
    return [_request(item) for item in items]


def _request(item: ChatSwitchRequest) -> Exception | None:
    try:
        request_switch_for_chat(item.profile, item.caller, item.tasks)
    except GatewayError as exc:
        return exc
    return None
