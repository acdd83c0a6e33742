"""Removes files that nothing refers to any more: rows without a message, and bytes without a row."""

from __future__ import annotations

import uuid
from datetime import datetime
from itertools import chain

from django.core.files.storage import default_storage

from conversations.files.parts import file_ids_in
from conversations.files.storing import remove_files
from conversations.models import Message, StoredFile


def purge_unused_files(*, before: datetime, is_dry_run: bool = False) -> int:
    """Remove the files from before then that no message refers to; the result is how many.

    One account after the other, holding the ids of its files alone.
    """
    removed = 0
    owners = StoredFile.objects.filter(created_at__lt=before).order_by("owner_id")
    for owner_id in owners.values_list("owner_id", flat=True).distinct():
        with_parts = Message.objects.filter(owner_id=owner_id, parts__isnull=False).order_by()
        parts = with_parts.values_list("parts", flat=True).iterator()
        used = set(chain.from_iterable(map(file_ids_in, parts)))
        rows = StoredFile.objects.filter(owner_id=owner_id, created_at__lt=before).defer("text")
        unused = [row for row in rows if row.pk not in used]
        if not is_dry_run:
            remove_files(unused)
        removed += len(unused)
    return removed


def purge_lost_bytes(*, before: datetime, is_dry_run: bool = False) -> int:
    """Remove from the storage what no row refers to: of accounts that were deleted, and of broken uploads.

    Only what was written before then, as an upload writes its row last. The result is how many.
    """
    removed = 0
    for folder in _list_folders():
        known = set(StoredFile.objects.filter(owner_id=uuid.UUID(folder)).values_list("pk", flat=True))
        for name in default_storage.listdir(folder)[1]:
            path = f"{folder}/{name}"
            if _as_id(name) in known or default_storage.get_modified_time(path) >= before:
                continue
            if not is_dry_run:
                default_storage.delete(path)
            removed += 1
    return removed


def _list_folders() -> list[str]:
    """Those of accounts. There are none before the first upload."""
    try:
        return [name for name in default_storage.listdir("")[0] if _as_id(name) is not None]
    except FileNotFoundError:
        return []


def _as_id(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None
