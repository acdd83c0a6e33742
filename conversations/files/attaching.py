"""From the parts that a client sends to those of a message: images are stored, files are looked up."""

from __future__ import annotations

import base64
import binascii
import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from conversations.branches import Extra
from conversations.files.parts import TEXT_GAP, Part
from conversations.files.selectors import NO_SUCH_FILE
from conversations.files.storing import store_upload, use_files
from conversations.models import FileKind, MessageRole, StoredFile
from conversations.new_turns import NewMessage
from gateway.errors import GatewayError, InvalidRequest, NotFound, RequestTooLarge
from gateway.wording import fill_in


@dataclass(frozen=True, kw_only=True)
class GivenPart:
    """One of a text, the URL of an image, and the id of a file."""

    path: str
    """Of the field that errors name."""
    text: str = ""
    url: str = ""
    file_id: uuid.UUID | None = None
    kind: FileKind | None = None
    """What the file has to be; None: either."""


@dataclass(frozen=True, kw_only=True)
class GivenMessages:
    """The messages of a request, some of which have parts, by their place."""

    owner_id: uuid.UUID
    messages: tuple[NewMessage, ...]
    parts: Mapping[int, Sequence[GivenPart]] = field(default_factory=dict)
    store: bool = True
    """False: images stay as they were given, as nothing of the request is stored."""

    @property
    def image_bytes(self) -> int:
        """What is stored of it at most, beside texts: base64 has four characters for three bytes."""
        return sum(len(part.url) * 3 // 4 for parts in self.parts.values() for part in parts)


def attach_files(items: Sequence[GivenMessages]) -> list[tuple[NewMessage, ...] | Exception]:
    """The messages of each item with their parts. Its images are stored with that.

    An item may meet NotFound for a file that is missing or somebody else's, InvalidRequest, RequestTooLarge
    or StorageFull. Meant for a thread that others' turns do not wait for.
    """
    return [_attach(item) for item in items]


def _attach(item: GivenMessages) -> tuple[NewMessage, ...] | Exception:
    wanted = {part.file_id for parts in item.parts.values() for part in parts if part.file_id is not None}
    files = use_files(item.owner_id, wanted)
    messages = list(item.messages)
    try:
        for place, given in item.parts.items():
            parts = [_attach_part(item, part, files) for part in given]
            content = TEXT_GAP.join(part.text for part in given if part.text)
            name = next((files[part.file_id].name for part in given if part.file_id), "")
            messages[place] = NewMessage(MessageRole.USER, content, Extra(parts=parts), name)
    except GatewayError as exc:
        return exc
    return tuple(messages)


def _attach_part(item: GivenMessages, part: GivenPart, files: Mapping[uuid.UUID, StoredFile]) -> Part:
    if part.text:
        return {"type": "text", "length": len(part.text)}
    if part.url:
        if not item.store:
            return {"type": "image_url", "image_url": {"url": part.url}}
        return {"type": "image", "file_id": str(_store_image(item.owner_id, part).pk)}
    row = files.get(part.file_id) if part.file_id else None
    if row is None:
        raise NotFound(NO_SUCH_FILE, param=part.path)
    if part.kind is not None and row.kind != part.kind:
        raise InvalidRequest(fill_in("{path}: the file is no image.", path=part.path), param=part.path)
    if row.kind == FileKind.IMAGE:
        return {"type": "image", "file_id": str(row.pk)}
    return {"type": "document", "file_id": str(row.pk), "name": row.name}


def _store_image(owner_id: uuid.UUID, part: GivenPart) -> StoredFile:
    header, _, encoded = part.url.partition(",")
    if not header.endswith(";base64"):
        raise InvalidRequest(
            fill_in("{path}: expected an image as data:image/…;base64,…", path=part.path), param=part.path
        )
    try:
        content = base64.b64decode(encoded, validate=True)
        row, _is_new = store_upload(owner_id, io.BytesIO(content), name="", kind=FileKind.IMAGE)
    except binascii.Error as exc:
        raise InvalidRequest(fill_in("{path}: that is no base64.", path=part.path), param=part.path) from exc
    except (InvalidRequest, RequestTooLarge) as exc:
        exc.param = part.path
        raise
    return row
