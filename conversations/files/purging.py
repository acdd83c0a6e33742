"""Finds files that no message refers to, and removes bytes that no row does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime

from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet

from conversations.files.parts import file_ids_in
from conversations.models import Message, StoredFile
from gateway.ids import parse_id

MOST_FILES = 1_000
"""That are looked for at a time among what their owners' messages refer to."""


def find_unused_files(before: datetime, messages: QuerySet[Message]) -> Iterator[list[StoredFile]]:
    """The files last used before then that none of their owner's `messages` refers to, some at a time.

    Those that were answered may be removed before the next are asked for.
    """
    old = StoredFile.objects.filter(used_at__lt=before).defer("text").order_by("owner_id", "pk")
    last: StoredFile | None = None
    while page := list((_after(old, last) if last else old)[:MOST_FILES]):
        last = page[-1]
        unused = {(file.owner_id, file.pk): file for file in page}
        said = messages.filter(owner__in={file.owner_id for file in page}, parts__isnull=False)
        for owner_id, parts in said.order_by().values_list("owner", "parts").iterator(chunk_size=500):
            for file_id in file_ids_in(parts):
                unused.pop((owner_id, file_id), None)
        yield list(unused.values())


def _after(files: QuerySet[StoredFile], last: StoredFile) -> QuerySet[StoredFile]:
    return files.filter(Q(owner__gt=last.owner_id) | Q(owner=last.owner_id, pk__gt=last.pk))


def purge_lost_bytes(*, before: datetime, is_dry_run: bool = False) -> int:
    """Remove from the storage what no row refers to: of accounts that were deleted, and of broken uploads.

    Only what was written before then, as an upload writes its row last. The result is how many.
    """
    removed = 0
    for folder in _list_folders():
        known = set(StoredFile.objects.filter(owner_id=uuid.UUID(folder)).values_list("pk", flat=True))
        for name in default_storage.listdir(folder)[1]:
            path = f"{folder}/{name}"
            if parse_id(name) in known or default_storage.get_modified_time(path) >= before:
                continue
            if not is_dry_run:
                default_storage.delete(path)
            removed += 1
    return removed


def _list_folders() -> list[str]:
    """Those of accounts. There are none before the first upload."""
    try:
        return [name for name in default_storage.listdir("")[0] if parse_id(name) is not None]
    except FileNotFoundError:
        return []
