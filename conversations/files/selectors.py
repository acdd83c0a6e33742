"""Reads on files: each is found by its owner alone."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from conversations.models import StoredFile
from gateway.errors import InvalidRequest, NotFound
from gateway.wording import fill_in

NO_SUCH_FILE = fill_in("There is no such file.")


def get_file(owner_id: uuid.UUID, file_id: uuid.UUID) -> StoredFile:
    """Without its text. Raises NotFound for a missing file and for somebody else's alike."""
    row = StoredFile.objects.filter(owner_id=owner_id, pk=file_id).defer("text").first()
    if row is None:
        raise NotFound(NO_SUCH_FILE)
    return row


def list_files(
    *, owner_id: uuid.UUID, limit: int, after: uuid.UUID | None = None
) -> tuple[list[StoredFile], bool]:
    """A page of the owner's files, newest first, and whether more follow.

    `after` is the last id of the page before. Raises InvalidRequest when it names no file of this owner.
    """
    rows = StoredFile.objects.filter(owner_id=owner_id).defer("text")
    if after is not None:
        if not rows.filter(pk=after).exists():
            raise InvalidRequest("The cursor names none of your files.", param="after")
        rows = rows.filter(pk__lt=after)
    page = list(rows.order_by("-pk")[: limit + 1])
    return page[:limit], len(page) > limit


def find_files(owner_id: uuid.UUID, file_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, StoredFile]:
    """Those of the files that exist and are the owner's, without their texts."""
    if not file_ids:
        return {}
    rows = StoredFile.objects.filter(owner_id=owner_id, pk__in=file_ids).defer("text")
    return {row.pk: row for row in rows}
