"""Files of imported messages: looked up where their message says, and stored as uploads are."""

from __future__ import annotations

import base64
import binascii
import io
import uuid
from typing import IO, Any

import msgspec
from django.utils.translation import gettext

from conversations.files.parts import Part
from conversations.files.storing import store_upload
from conversations.models import ROW_BYTES, FileKind, StoredFile
from conversations.portability.json_spans import Span
from conversations.portability.package import Package
from conversations.portability.report import ImportReport
from conversations.portability.trees import FileReference
from gateway.bodies import NOT_JSON
from gateway.conf import get_config
from gateway.errors import GatewayError, InvalidRequest
from gateway.ids import new_id
from gateway.wording import fill_in, say

MOST_FILES = 100_000
"""That a document may hold: where each of them is stays in memory."""
MISSING = fill_in("The file is not in what was imported.")


class FileItem(msgspec.Struct):
    """What an export of this product says of a file; also read of other items, to tell them apart."""

    id: Any = None
    sha256: Any = None
    name: Any = None
    path: Any = None


class _FileContent(msgspec.Struct):
    data: bytes | None = None


class ImportedFiles:
    """Stores each file of one import once, when the first message with it is stored."""

    def __init__(self, owner_id: uuid.UUID, package: Package, report: ImportReport) -> None:
        self._owner_id = owner_id
        self._package = package
        self._report = report
        self._known: dict[str, tuple[FileItem, Span | None]] = {}
        self._document: IO[bytes] | None = None
        self._parts: dict[str, Part | None] = {}
        self.new_bytes = 0
        """What the files that were stored count for their account."""

    def begin(self, document: IO[bytes]) -> None:
        """Files that are remembered from now on are in this document."""
        self._document = document
        self._known.clear()

    def remember(self, item: FileItem, span: Span) -> None:
        """Note where a file is that messages of the same document refer to by its id.

        Raises InvalidRequest for more than MOST_FILES.
        """
        if len(self._known) >= MOST_FILES:
            raise InvalidRequest(fill_in("The export holds more than {most} files.", most=MOST_FILES))
        self._known[str(item.id)] = item, None if isinstance(item.path, str) else span

    def make_part(self, reference: FileReference) -> Part:
        """The part of a message with this file.

        A file that cannot be had is noted in the report, and becomes a part that says its name, like one that
        was deleted.
        """
        if reference.key in self._parts:
            part = self._parts[reference.key]
        else:
            part = self._take(reference)
            if reference.key:
                self._parts[reference.key] = part
        return part or {"type": "document", "file_id": str(new_id()), "name": reference.name}

    def _take(self, reference: FileReference) -> Part | None:
        try:
            stored = self._store(reference)
        except GatewayError as exc:
            self._report.skip(reference.name or reference.key or "file", say(exc.wording, gettext))
            return None
        if stored is None:
            return None
        if stored.kind == FileKind.IMAGE:
            return {"type": "image", "file_id": str(stored.pk)}
        return {"type": "document", "file_id": str(stored.pk), "name": stored.name or reference.name}

    def _store(self, reference: FileReference) -> StoredFile | None:
        item, span = self._known.get(reference.key, (None, None))
        name = reference.name or (item.name if item and isinstance(item.name, str) else "")
        content = self._open(reference, item, span)
        if content is None:
            raise InvalidRequest(MISSING)
        if self._report.is_dry_run:
            self._report.files += 1
            return None
        stored, is_new = store_upload(self._owner_id, content, name=name)
        if is_new:
            self._report.files += 1
            self.new_bytes += stored.size_bytes + stored.text_bytes + ROW_BYTES
        return stored

    def _open(self, reference: FileReference, item: FileItem | None, span: Span | None) -> IO[bytes] | None:
        if reference.data_url:
            return _decode_url(reference.data_url)
        if span is not None:
            return self._read_span(span)
        key = item.path if item is not None else reference.key
        return self._package.open_file(key, most_bytes=get_config().max_file_bytes)

    def _read_span(self, span: Span) -> IO[bytes] | None:
        if self._document is None:
            return None
        self._document.seek(span.start)
        try:
            found = msgspec.json.decode(self._document.read(span.end - span.start), type=_FileContent)
        except NOT_JSON as exc:
            raise InvalidRequest("The file is not in base64.") from exc
        return None if found.data is None else io.BytesIO(found.data)


def _decode_url(url: str) -> IO[bytes] | None:
    header, _, encoded = url.partition(",")
    if not header.endswith(";base64"):
        return None
    try:
        return io.BytesIO(base64.b64decode(encoded, validate=True))
    except binascii.Error as exc:
        raise InvalidRequest("The file is not in base64.") from exc
