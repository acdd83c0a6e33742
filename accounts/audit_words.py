"""Events of the audit trail in words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.utils.translation import gettext_lazy

from accounts.models import AuditEvent

MOST_SHOWN = 120
WITHOUT_BEFORE = frozenset({AuditEvent.Action.KEY_ISSUED})
"""Actions whose lists are what something has, and no pairs of before and after."""
_LABELS: Mapping[str, object] = dict(AuditEvent.Action.choices) | {
    "conversation_viewed": gettext_lazy("Conversation looked at"),
    "conversation_list_viewed": gettext_lazy("Beginnings of conversations looked at"),
    "conversation_deleted": gettext_lazy("Conversation deleted"),
    "conversations_purged": gettext_lazy("Old conversations removed"),
    "message_viewed": gettext_lazy("Message looked at"),
    "message_list_viewed": gettext_lazy("Beginnings of messages looked at"),
    "message_deleted": gettext_lazy("Message deleted"),
    "modelprofile_created": gettext_lazy("Profile added"),
    "modelprofile_changed": gettext_lazy("Profile changed"),
    "modelprofile_deleted": gettext_lazy("Profile deleted"),
    "preload_cancelled": gettext_lazy("Preloading of weights cancelled"),
    "preload_requested": gettext_lazy("Preloading of weights asked for"),
    "profiles_loaded": gettext_lazy("Profiles loaded from the YAML"),
    "retentionrule_created": gettext_lazy("Retention rule added"),
    "retentionrule_changed": gettext_lazy("Retention rule changed"),
    "retentionrule_deleted": gettext_lazy("Retention rule deleted"),
    "slot_moved": gettext_lazy("Slot moved to another box"),
    "switch_requested": gettext_lazy("Switch asked for"),
    "switch_changed": gettext_lazy("Switch changed"),
    "switch_cancelled": gettext_lazy("Switch cancelled"),
}
"""What the other parts of the gateway put on record goes by names of its own."""


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
