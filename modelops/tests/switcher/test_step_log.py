"""The switcher's lines about a switch: why it was refused, and which request asked for it."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.audit import ChatCaller
from gateway.ids import new_id
from gateway.request_id import current_request_id
from modelops.domain.switching.states import SwitchState
from modelops.models import Slot, Switch
from modelops.switcher.reconciler import SlotReconciler
from modelops.switcher.step_log import log_step
from modelops.switching.actor import Actor
from modelops.switching.requests import _find_request_id

CAUSE = {"code": "image_missing", "message": "There is no such image."}


@pytest.mark.parametrize("to", [SwitchState.REJECTED, SwitchState.ROLLING_BACK, SwitchState.DEGRADED])
def test_line_of_a_switch_that_fails_has_its_cause(to: SwitchState) -> None:
    with capture_logs() as lines:
        log_step(Switch(to_profile="p", root_cause=CAUSE), to)

    (line,) = lines
    assert (line["to"], line["log_level"]) == (to, "warning")
    assert (line["cause"], line["message"]) == ("image_missing", "There is no such image.")


def test_retry_that_serves_in_the_end_is_no_warning() -> None:
    with capture_logs() as lines:
        log_step(Switch(to_profile="p", root_cause=CAUSE), SwitchState.ACTIVE)

    assert [line for line in lines if line["log_level"] == "warning" or "cause" in line] == []


def test_lines_of_a_step_have_the_id_of_the_request_that_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def take_step(_self: Any, _slot: Slot, _switch: Switch) -> bool:
        seen.append(current_request_id.get())
        return False

    monkeypatch.setattr(SlotReconciler, "_take_step", take_step)
    reconciler = SlotReconciler.__new__(SlotReconciler)
    caller = ChatCaller(new_id(), "mina", request_id="chat-1")
    asked = Switch(request_texts={"request_id": _find_request_id(Actor("chat", request=caller))})

    reconciler._advance(Slot(), asked)
    reconciler._advance(Slot(), Switch())

    assert seen == ["chat-1", ""]
    assert current_request_id.get() == ""
