"""Events of the audit trail in words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from accounts.models import AuditEvent

MOST_SHOWN = 120
_LABELS: Mapping[str, object] = dict(AuditEvent.Action.choices)


def say_action(action: str) -> str:
    """What was done; for an action of another part of the gateway its name, in plain letters."""
    return str(_LABELS.get(action) or action.replace("_", " ").capitalize())


def say_changes(changes: Mapping[str, object]) -> str:
    """`role: user → admin`: each field with what it was and what it is, in one short line."""
    line = ", ".join(f"{name}: {_say_change(change)}" for name, change in changes.items())
    return line if len(line) <= MOST_SHOWN else f"{line[: MOST_SHOWN - 1]}…"


def _say_change(change: object) -> str:
    match change:
        case [before, after]:
            return f"{_say(before)} → {_say(after)}"
    return _say(change)


def _say(value: object) -> str:
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
