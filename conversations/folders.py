"""Folders: made, renamed and deleted by their owner."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction
from django.db.models import F

from conversations.models import Conversation, Folder
from gateway.errors import InvalidRequest, NotFound
from gateway.wording import fill_in

MOST_FOLDERS = 200
"""Of one account."""


def list_folders(*, owner_id: uuid.UUID) -> list[Folder]:
    """By name."""
    return list(Folder.objects.filter(owner_id=owner_id).order_by("name", "id"))


def create_folder(*, owner_id: uuid.UUID, name: str) -> Folder:
    """Raises InvalidRequest for a name that the owner's folders have already, and for one folder too many."""
    if Folder.objects.filter(owner_id=owner_id).count() >= MOST_FOLDERS:
        raise InvalidRequest(
            fill_in("There are {most} folders already. Delete some first.", most=MOST_FOLDERS)
        )
    try:
        with transaction.atomic():
            return Folder.objects.create(owner_id=owner_id, name=name)
    except IntegrityError as exc:
        raise _name_is_taken() from exc


def rename_folder(*, owner_id: uuid.UUID, folder_id: uuid.UUID, name: str) -> Folder:
    """Raises NotFound, and InvalidRequest as `create_folder`."""
    try:
        with transaction.atomic():
            folder = lock_folder(owner_id=owner_id, folder_id=folder_id)
            folder.name = name
            folder.save(update_fields=["name"])
    except IntegrityError as exc:
        raise _name_is_taken() from exc
    return folder


def delete_folder(*, owner_id: uuid.UUID, folder_id: uuid.UUID) -> None:
    """Delete a folder; its conversations are in none then. Raises NotFound."""
    with transaction.atomic():
        folder = lock_folder(owner_id=owner_id, folder_id=folder_id)
        inside = Conversation.objects.filter(folder=folder)
        inside.lock_in_order()
        inside.update(folder=None, version=F("version") + 1)
        folder.delete()


def lock_folder(*, owner_id: uuid.UUID, folder_id: uuid.UUID) -> Folder:
    """The folder, kept from being deleted until the transaction ends. Raises NotFound."""
    own = Folder.objects.filter(owner_id=owner_id, pk=folder_id)
    folder = own.select_for_update(no_key=True).first()
    if folder is None:
        raise NotFound("There is no such folder.", param="folder_id")
    return folder


def _name_is_taken() -> InvalidRequest:
    return InvalidRequest("You have a folder of this name.", param="name")
