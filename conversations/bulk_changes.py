"""One change of many conversations of an account, in a constant number of statements."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.db.models import F

from conversations.changes import move_to_trash, restorable_by, stop_answers
from conversations.folders import lock_folder
from conversations.models import Conversation, ConversationQuerySet

MOST_IDS = 500


class BulkAction(models.TextChoices):
    ARCHIVE = "archive", "Archive"
    UNARCHIVE = "unarchive", "Unarchive"
    MOVE = "move", "Move to a folder, or out of any"
    DELETE = "delete", "Delete"
    RESTORE = "restore", "Restore"


NOT_SO_YET = {BulkAction.ARCHIVE: {"is_archived": False}, BulkAction.UNARCHIVE: {"is_archived": True}}
"""What all are narrowed to, so that others keep their version."""


@dataclass(frozen=True)
class BulkResult:
    changed: int
    not_found: list[uuid.UUID] = field(default_factory=list)
    """Of the ids that were asked for: missing, somebody else's, or not where the action applies."""


def change_many(
    *,
    owner_id: uuid.UUID,
    action: BulkAction,
    ids: Sequence[uuid.UUID] | None = None,
    folder_id: uuid.UUID | None = None,
) -> BulkResult:
    """Do the action to the conversations of `ids`; without `ids`, to all that it applies to.

    `restore` applies to what was deleted and can be restored, the others to what is not deleted. Raises
    NotFound for a folder that is none of the owner's.
    """
    own = _applicable(owner_id, action)
    with transaction.atomic():
        if folder_id is not None:
            lock_folder(owner_id=owner_id, folder_id=folder_id)
        rows = own.filter(**NOT_SO_YET.get(action, {})) if ids is None else own.filter(pk__in=ids)
        found = set(rows.lock_in_order())
        changed = _change(rows, action, folder_id)
    return BulkResult(changed, [id_ for id_ in dict.fromkeys(ids or ()) if id_ not in found])


def _applicable(owner_id: uuid.UUID, action: BulkAction) -> ConversationQuerySet:
    if action == BulkAction.RESTORE:
        return restorable_by(owner_id)
    return Conversation.objects.visible_to(owner_id)


def _change(rows: ConversationQuerySet, action: BulkAction, folder_id: uuid.UUID | None) -> int:
    if action == BulkAction.DELETE:
        stop_answers(rows)
        return move_to_trash(rows)
    columns: dict[BulkAction, dict[str, Any]] = {
        BulkAction.ARCHIVE: {"is_archived": True},
        BulkAction.UNARCHIVE: {"is_archived": False},
        BulkAction.MOVE: {"folder_id": folder_id},
        BulkAction.RESTORE: {"deleted_at": None},
    }
    return rows.update(**columns[action], version=F("version") + 1)
