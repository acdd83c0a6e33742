"""Events of the audit trail in words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from accounts.models import AuditEvent

MOST_SHOWN = 120
WITHOUT_BEFORE = frozenset({AuditEvent.Action.KEY_ISSUED})
"""Actions whose lists are what something has, and no pairs of before and after."""
_LABELS: Mapping[str, object] = dict(AuditEvent.Action.choices)


def say_action(action: str) -> str:
    """What was done; for an action of another part of the gateway its name, in plain letters."""
    return str(_LABELS.get(action) or action.replace("_", " ").capitalize())


def say_changes(event: AuditEvent) -> str:
    """`role: user → admin`: each field with what it was and what it is, in one short line."""
    say = _say if event.action in WITHOUT_BEFORE else _say_change
    line = ", ".join(f"{name}: {say(change)}" for name, change in event.changes.items())
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
