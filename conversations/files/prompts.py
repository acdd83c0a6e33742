"""The files of a prompt: images as data URLs, documents as their text.

Both are bounded before anything is loaded: documents by the model's context, images by MAX_PROMPT_FILE_BYTES,
from the newest on. For an older one the prompt says that there was an image.
"""

from __future__ import annotations

import base64
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.core.files.storage import default_storage

from conversations.branches import Said
from conversations.files.parts import TEXT_GAP, cut_texts, file_ids_in
from conversations.files.selectors import find_files
from conversations.models import FileKind, StoredFile
from conversations.new_turns import NewTurn
from conversations.prompt_sizes import MOST_BYTES
from gateway.conf import get_config
from gateway.errors import ContextLengthExceeded
from gateway.wording import fill_in

OMITTED_IMAGE = "[image omitted]"
LOST_FILE = "[file no longer stored]"


class AttachedFiles:
    """The loaded files of the messages of one prompt."""

    def __init__(
        self,
        said: Sequence[Said],
        *,
        images: dict[uuid.UUID, dict[str, Any]],
        omitted: Counter[uuid.UUID],
        documents: dict[uuid.UUID, StoredFile],
    ) -> None:
        """`said` is the branch, oldest first. `omitted` says how often each image is left out, from its first
        use on."""
        self._images = images
        self._omitted = omitted
        self._documents = documents
        largest = max(documents.values(), key=lambda row: row.text_bytes, default=None)
        self.largest_file = describe_document(largest) if largest else ""
        self._said = said
        self._contents = {
            id(message): self._render_all(message, message.extra.parts)
            for message in said
            if message.extra and message.extra.parts is not None
        }

    def content_of(self, message: Said) -> str | list[dict[str, Any]]:
        """The content of one of those messages, which has parts."""
        return self._contents[id(message)]

    def _render_all(self, message: Said, parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
        """A text, unless an image is in it: engines without images take it, and it costs less."""
        content = [self._render(part, text) for part, text in cut_texts(message.content, parts)]
        if all(part["type"] == "text" for part in content):
            return TEXT_GAP.join(part["text"] for part in content)
        return content

    def _render(self, part: dict[str, Any], text: str) -> dict[str, Any]:
        if part["type"] == "text":
            return {"type": "text", "text": text}
        if part["type"] == "image_url":  # of a message that is not stored
            return part
        file_id = uuid.UUID(part["file_id"])
        if part["type"] == "image":
            if self._omitted[file_id]:
                self._omitted[file_id] -= 1
                return {"type": "text", "text": OMITTED_IMAGE}
            return self._images.get(file_id, {"type": "text", "text": LOST_FILE})
        document = self._documents.get(file_id)
        return {"type": "text", "text": frame_document(document) if document else LOST_FILE}


def frame_document(row: StoredFile) -> str:
    """The text of a document, as the model reads it: with its name, and where it begins and ends."""
    name = row.name.replace('"', "'") or "document"
    return f'<document name="{name}">\n{row.text}\n</document>'


def describe_document(row: StoredFile) -> str:
    return fill_in("The text of `{name}` alone has {bytes} bytes.", name=row.name, bytes=row.text_bytes)


def load_attached(item: NewTurn, said: Sequence[Said]) -> AttachedFiles:
    """The files of what was `said`. Raises ContextLengthExceeded before loading any that cannot fit."""
    used = [file_id for message in said if message.extra for file_id in file_ids_in(message.extra.parts)]
    rows = find_files(item.owner_id, set(used))
    documents = [rows[id_] for id_ in used if id_ in rows and rows[id_].kind == FileKind.DOCUMENT]
    if documents:
        _check_documents(item, documents)
    texts = StoredFile.objects.filter(pk__in={row.pk for row in documents}) if documents else ()
    newest_first = [rows[id_] for id_ in reversed(used) if id_ in rows and rows[id_].kind == FileKind.IMAGE]
    kept = count_kept(newest_first, get_config().max_prompt_file_bytes)
    return AttachedFiles(
        said,
        images={row.pk: _load_image(row, item.name_media) for row in {*newest_first[:kept]}},
        omitted=Counter(row.pk for row in newest_first[kept:]),
        documents={row.pk: row for row in texts},
    )


def _check_documents(item: NewTurn, documents: Sequence[StoredFile]) -> None:
    size_bytes = sum(row.text_bytes for row in documents)
    largest = describe_document(max(documents, key=lambda row: row.text_bytes))
    try:
        if not item.limits.keeps_newest:
            item.limits.check_prompt(size_bytes)
    except ContextLengthExceeded as exc:
        raise ContextLengthExceeded(
            fill_in("{problem} {largest}", problem=exc.wording, largest=largest), param=exc.param
        ) from exc
    if size_bytes > MOST_BYTES:
        raise ContextLengthExceeded(
            fill_in(
                "The documents have {bytes} bytes of text; a prompt has {most} at most. {largest}",
                bytes=size_bytes,
                most=MOST_BYTES,
                largest=largest,
            ),
            param="messages",
        )


def count_kept(newest_first: Sequence[StoredFile], most_bytes: int) -> int:
    """How many of the uses of images fit. An image counts each time, as the prompt repeats it."""
    for place, row in enumerate(newest_first):
        most_bytes -= row.size_bytes
        if most_bytes < 0:
            return place
    return len(newest_first)


def _load_image(row: StoredFile, name_media: Callable[[str], str] | None) -> dict[str, Any]:
    try:
        with default_storage.open(row.storage_name) as file:
            content = base64.b64encode(file.read()).decode()
    except FileNotFoundError:
        return {"type": "text", "text": LOST_FILE}
    part = {"type": "image_url", "image_url": {"url": f"data:{row.media_type};base64,{content}"}}
    return part if name_media is None else part | {"uuid": name_media(row.sha256)}
