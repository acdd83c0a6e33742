"""Events of the audit trail in words."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts.models import AuditEvent
from gateway.wording import Translatable, fill_text, say

MOST_SHOWN = 120
MOST_SHOWN_OF_ONE = 60
"""Of a single change: databases keep changes in an order of their own, and a long one may come first."""
WITHOUT_BEFORE = frozenset({AuditEvent.Action.KEY_ISSUED})
"""Actions whose lists are what something has, and no pairs of before and after."""
_LABELS: Mapping[str, object] = dict(AuditEvent.Action.choices)
_OF_OTHERS: Mapping[str, Translatable] = {
    "conversation_list_viewed": "Beginnings of conversations viewed",
    "conversations_purged": "Old conversations removed",
    "old_data_pruned": "Old data removed",
    "database_restored": "Database restored from a backup",
    "message_list_viewed": "Beginnings of messages viewed",
    "switch_requested": "Switch requested",
    "switch_changed": "Switch changed",
    "switch_cancelled": "Switch cancelled",
    "slot_moved": "Slot moved",
    "sleeper_ended": "Sleeping engine ended",
    "slot_created": "Slot made",
    "slot_changed": "Slot changed",
    "slot_retired": "Slot retired",
    "profiles_loaded": "Profiles loaded",
    "preload_requested": "Preload requested",
    "preload_cancelled": "Preload cancelled",
}
_DONE_TO_ROWS: Mapping[str, Translatable] = {
    "created": "{kind} created",
    "changed": "{kind} changed",
    "deleted": "{kind} deleted",
    "viewed": "{kind} viewed",
}
"""What `gateway.audit` records of any row, behind the name of its model."""


def say_action(action: str) -> str:
    """What was done; for an action that nobody named its code, in plain letters."""
    if label := _LABELS.get(action) or _OF_OTHERS.get(action):
        return say(str(label), gettext)
    model, _, done = action.rpartition("_")
    kind = name_model(model)
    if kind and done in _DONE_TO_ROWS:
        return say(fill_text(_DONE_TO_ROWS[done], {"kind": capfirst(kind)}), gettext)
    return action.replace("_", " ").capitalize()


def name_target(event: AuditEvent) -> str:
    """What it was about: a row by the name that it had then, all of a kind by what the kind is called now."""
    if event.target_id:
        return event.target_label or event.target_id
    found = _find_model(event.target_type)
    return str(found._meta.verbose_name_plural) if found else event.target_label or event.target_type


def name_model(model: str) -> str:
    """In the active language; empty for what is no model of ours."""
    found = _find_model(model)
    return str(found._meta.verbose_name) if found else ""


def _find_model(name: str) -> type[Model] | None:
    return next((each for each in apps.get_models() if each._meta.model_name == name), None)


def say_changes(event: AuditEvent) -> str:
    """`role: user → admin`: each field with what it was and what it is, in one short line."""
    changes = (_shorten(f"{name}: {said}", MOST_SHOWN_OF_ONE) for name, said in list_changes(event))
    return _shorten(", ".join(changes), MOST_SHOWN)


def list_changes(event: AuditEvent) -> list[tuple[str, str]]:
    """Each field, by the name that pages have for it, with what it was and what it is."""
    told = _say if event.action in WITHOUT_BEFORE else _say_change
    return [(_name_field(event.target_type, name), told(change)) for name, change in event.changes.items()]


def _name_field(model: str, field: str) -> str:
    """In the active language; its code where the model has no such field."""
    found = _find_model(model)
    try:
        return str(found._meta.get_field(field).verbose_name) if found else field  # type: ignore[union-attr]
    except (FieldDoesNotExist, AttributeError):
        return field


def _shorten(line: str, length: int) -> str:
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _say_change(change: object) -> str:
    match change:
        case [before, after]:
            return f"{_say(before)} → {_say(after)}"
    return _say(change)


def _say(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
