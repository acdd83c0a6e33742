"""Writes on files: their bytes are stored before the row that refers to them, and removed after it.

What a crash leaves between the two are bytes that no row refers to. Each row has a name of its own in the
storage, so that nothing that is removed can be what somebody has just stored.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from conversations.files.documents import PDF, looks_like_pdf, media_type_of, read_pdf, read_text_file
from conversations.files.images import check_image, looks_like_image
from conversations.files.selectors import find_files, get_file
from conversations.models import ROW_BYTES, FileKind, Message, StoredFile
from conversations.models.files import MAX_FILE_NAME
from conversations.stored_bytes import check_space
from gateway.conf import get_config
from gateway.conf_conversations import ConversationConfig
from gateway.errors import FileInUse, InvalidRequest, RequestTooLarge
from gateway.wording import fill_in

HEAD_BYTES = 2048
"""In which a file says what it is."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is."""

    kind: FileKind
    media_type: str
    text: str = ""


def store_upload(
    owner_id: uuid.UUID, file: IO[bytes], *, name: str, kind: FileKind | None = None
) -> tuple[StoredFile, bool]:
    """The file as a row, and whether it is new: the same content is stored once for each account.

    `kind` is what it has to be, if that matters.
    Raises RequestTooLarge, InvalidRequest for what may not be attached, and StorageFull.
    """
    sha256, size_bytes = measure(file)
    known = find_same(owner_id, sha256)
    if known is not None and kind in (None, known.kind) and use_files(owner_id, [known.pk]):
        return known, False
    content = recognise(file, name=name, size_bytes=size_bytes, kind=kind, config=get_config())
    text_bytes = len(content.text.encode())
    check_space(owner_id, size_bytes + text_bytes + ROW_BYTES, get_config().max_account_bytes)
    return store_content(
        StoredFile(
            owner_id=owner_id,
            sha256=sha256,
            kind=content.kind,
            media_type=content.media_type,
            name=clean_name(name),
            size_bytes=size_bytes,
            text=content.text,
            text_bytes=text_bytes,
        ),
        file,
    )


def store_content(row: StoredFile, file: IO[bytes]) -> tuple[StoredFile, bool]:
    """`row` with the bytes of `file`, or the row that came before it with the same content."""
    file.seek(0)
    saved = default_storage.save(row.storage_name, File(file))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        default_storage.delete(saved)
        if (known := find_same(row.owner_id, row.sha256)) is None:
            raise
        return known, False
    return row, True


def measure(file: IO[bytes]) -> tuple[str, int]:
    """The SHA-256 of a file, and its length."""
    file.seek(0)
    digest = hashlib.sha256()
    size_bytes = 0
    while piece := file.read(2**18):
        digest.update(piece)
        size_bytes += len(piece)
    return digest.hexdigest(), size_bytes


def find_same(owner_id: uuid.UUID, sha256: str) -> StoredFile | None:
    """The owner's file with this content. Whether anybody else has it is nobody's business."""
    return StoredFile.objects.filter(owner_id=owner_id, sha256=sha256).defer("text").first()


def recognise(
    file: IO[bytes], *, name: str, size_bytes: int, kind: FileKind | None, config: ConversationConfig
) -> Content:
    """What the file is, by its content. Raises RequestTooLarge or InvalidRequest."""
    if size_bytes > config.max_file_bytes:
        raise RequestTooLarge(
            fill_in("The file is larger than {max_bytes} bytes.", max_bytes=config.max_file_bytes)
        )
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if looks_like_image(head):
        if size_bytes > config.max_image_bytes:
            raise RequestTooLarge(
                fill_in("The image is larger than {max_bytes} bytes.", max_bytes=config.max_image_bytes)
            )
        return Content(FileKind.IMAGE, check_image(file))
    if kind == FileKind.IMAGE:
        raise InvalidRequest("That is no image: send a PNG, JPEG, WebP or GIF.")
    if looks_like_pdf(head):
        return Content(FileKind.DOCUMENT, PDF, read_pdf(file, max_chars=config.max_file_text_chars))
    text = read_text_file(file, max_chars=config.max_file_text_chars)
    return Content(FileKind.DOCUMENT, media_type_of(name), text)


def clean_name(name: str) -> str:
    """The name without folders and without what cannot be seen, such as line breaks."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return "".join(char for char in base if char.isprintable()).strip()[-MAX_FILE_NAME:]


def delete_file(owner_id: uuid.UUID, file_id: uuid.UUID) -> None:
    """Raises NotFound, and FileInUse while a message refers to it, one of a deleted conversation included."""
    row = get_file(owner_id, file_id)
    if is_in_use(row):
        raise FileInUse
    remove_files([row])


def is_in_use(row: StoredFile) -> bool:
    referring = Message.objects.filter(owner_id=row.owner_id, parts__isnull=False).order_by()
    return referring.annotate(said=Cast("parts", TextField())).filter(said__contains=str(row.pk)).exists()


def use_files(owner_id: uuid.UUID, file_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, StoredFile]:
    """Those of the files that exist and are the owner's, without their texts; from now on they are young.

    To be called before a message is stored that refers to them, as files that none refers to are removed.
    """
    if not file_ids:
        return {}
    StoredFile.objects.filter(owner_id=owner_id, pk__in=file_ids).update(used_at=timezone.now())
    return find_files(owner_id, file_ids)


def remove_files(rows: Sequence[StoredFile], *, unused_since: datetime | None = None) -> int:
    """Remove these rows, then their bytes; the result is how many.

    With `unused_since` those stay that were used after it, also if that was after they were read.
    """
    with transaction.atomic():
        wanted = StoredFile.objects.filter(pk__in=[row.pk for row in rows])
        if unused_since is not None:
            wanted = wanted.filter(used_at__lt=unused_since)
        removed = set(wanted.select_for_update().values_list("pk", flat=True))
        StoredFile.objects.filter(pk__in=removed).delete()
    for row in rows:
        if row.pk in removed:
            default_storage.delete(row.storage_name)
    return len(removed)
