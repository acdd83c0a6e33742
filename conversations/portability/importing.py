"""Imports a file: each conversation in it that is not here yet, as far as the account has space."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO, Any

import msgspec
from django.utils.translation import gettext

from conversations.folders import create_folder
from conversations.models import Folder
from conversations.portability.documents import FORMAT, LINES_FORMAT, VERSION
from conversations.portability.imported_files import FileItem, ImportedFiles
from conversations.portability.json_spans import Span, Spans, fail, find_line, find_spans
from conversations.portability.package import Package
from conversations.portability.readers import READERS, ImportSource, recognise
from conversations.portability.report import ImportReport
from conversations.portability.storing import arrange, count_tree_bytes, is_here, store_tree
from conversations.portability.trees import ImportedConversation, UnreadableItem
from conversations.portability.values import text_of
from conversations.stored_bytes import check_account, sum_stored_bytes
from gateway.bodies import BYTE_ORDER_MARKS, NOT_JSON, holds_nul
from gateway.conf import get_config
from gateway.errors import ConcurrencyLimitExceeded, GatewayError, InvalidRequest
from gateway.wording import fill_in, say

LEAST_ITEM_BYTES = 32 * 2**20
"""What one conversation may always have; more where conversations or files may be larger."""
MOST_BRACKETS = 2_000_000
"""Of one conversation, those in its texts included: an empty object is three bytes, and 64 in memory."""
HEAD_BYTES = 4096
IMPORT_WAIT_S = 20.0
"""Longest wait for another import of this process to end."""
_places = threading.BoundedSemaphore(2)
"""Imports of this process at a time: each holds a conversation in memory."""

_OWN = re.compile(
    rb'\s*\{\s*"format"\s*:\s*"' + FORMAT.encode() + rb'(-lines)?"\s*,\s*"version"\s*:\s*(\d{1,9})\b'
)
_BYTE = re.compile(r"\(byte (\d+)\)")
OWN_LEVEL = 2
"""How deep the items of an export of this product are: in lists of its one object."""
UNKNOWN = "It is no conversation of a known format."


def import_file(
    owner_id: uuid.UUID,
    file: IO[bytes],
    *,
    source: ImportSource | None = None,
    is_dry_run: bool = False,
) -> ImportReport:
    """Take the conversations of a file, which can seek; the report says what was taken. Idempotent.

    Blocks. Without `source` each conversation's shape says what it is. What is broken, or more than the
    account may hold, is left out by itself. Raises InvalidRequest for a file that is none of these formats,
    RequestTooLarge for an archive that expands too far, ConcurrencyLimitExceeded when others' take too long.
    """
    if not _places.acquire(timeout=IMPORT_WAIT_S):
        raise ConcurrencyLimitExceeded("Too many files are being imported.")
    try:
        return _Import(owner_id, file, source, is_dry_run=is_dry_run).run()
    finally:
        _places.release()


class _Import:
    def __init__(
        self, owner_id: uuid.UUID, file: IO[bytes], source: ImportSource | None, *, is_dry_run: bool
    ) -> None:
        config = get_config()
        self._owner_id = owner_id
        self._source = source
        self._report = ImportReport(source=source or "", is_dry_run=is_dry_run)
        self._package = Package(file, most_bytes=config.max_import_bytes)
        self._files = ImportedFiles(owner_id, self._package, self._report)
        self._most_bytes = max(
            LEAST_ITEM_BYTES, 2 * config.max_conversation_bytes, 3 * config.max_file_bytes // 2
        )
        self._account_bytes = config.max_account_bytes
        (self._stored_bytes,) = sum_stored_bytes([owner_id])
        self._folders: dict[str, uuid.UUID | None] = {}
        self._is_recognised = False
        self._met: set[str] = set()

    def run(self) -> ImportReport:
        for name, document in self._package.documents():
            self._files.begin(document)
            level = _find_level(document)
            self._is_recognised |= level == OWN_LEVEL
            spans = find_spans(document, level=level)
            for place, item in self._decode(document, spans, name):
                self._take(item, _name_item(name, place))
        if not self._is_recognised:
            raise InvalidRequest("The file holds no conversation of a known format.")
        return self._report

    def _decode(
        self, document: IO[bytes], spans: Spans, name: str
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The items that are objects; files are remembered, and what is no JSON is reported."""
        for place, span in enumerate(spans):
            item_name = _name_item(name, place)
            if span.end - span.start > self._most_bytes:
                self._report.skip(item_name, f"It has more than {self._most_bytes} bytes.")
                continue
            document.seek(span.start)
            raw = document.read(span.end - span.start)
            if raw.count(b"{") + raw.count(b"[") > MOST_BRACKETS:
                self._report.skip(item_name, f"It has more than {MOST_BRACKETS} objects and lists.")
                continue
            try:
                item = self._decode_item(raw, span)
            except NOT_JSON as exc:
                found = _BYTE.search(str(exc))
                broken_at = span.start + int(found[1]) if found else span.start
                is_deep = isinstance(exc, RecursionError)
                problem = "nested too deeply" if is_deep else _BYTE.sub("", str(exc)).strip()
                if len(spans) == 1:
                    fail(document, broken_at, problem)
                self._report.skip(item_name, partial(_say_where, document, broken_at, problem))
                continue
            if item is not None:
                yield place, item

    def _decode_item(self, raw: bytes, span: Span) -> Mapping[str, Any] | None:
        if raw[:1] == b"{":
            head = msgspec.json.decode(raw, type=FileItem)
            if isinstance(head.sha256, str):
                self._is_recognised = True
                self._files.remember(head, span)
                return None
        item = msgspec.json.decode(raw)
        if not isinstance(item, dict):
            return {}
        if item.get("format") == LINES_FORMAT:
            self._is_recognised = True
            return None
        cleaned: dict[str, Any] = _without_nul(item) if holds_nul(raw) else item
        return cleaned

    def _take(self, item: Mapping[str, Any], name: str) -> None:
        name = text_of(item.get("title")) or name
        source = self._source or recognise(item)
        if source is None or not READERS[source].recognises(item):
            self._report.skip(name, UNKNOWN)
            return
        self._is_recognised = True
        self._report.source = self._report.source or source
        try:
            self._store(READERS[source].read(item))
        except UnreadableItem as exc:
            self._report.skip(name, str(exc))
        except GatewayError as exc:
            self._report.skip(name, say(exc.wording, gettext))

    def _store(self, tree: ImportedConversation) -> None:
        arranged = arrange(tree.messages)
        if tree.key in self._met or is_here(self._owner_id, tree):
            self._report.already_here += 1
            return
        self._met.add(tree.key)
        size_bytes = count_tree_bytes(tree)
        check_account(self._stored_bytes + self._files.new_bytes, size_bytes, self._account_bytes)
        if self._report.is_dry_run:
            for placed in arranged:
                for piece in placed.message.pieces:
                    if not isinstance(piece, str):
                        self._files.make_part(piece)
        elif not store_tree(self._owner_id, tree, arranged, self._files, self._find_folder(tree.folder)):
            self._report.already_here += 1
            return
        self._stored_bytes += size_bytes
        self._report.conversations += 1
        self._report.messages += len(arranged)

    def _find_folder(self, name: str) -> uuid.UUID | None:
        """The owner's folder of this name, made if there is none; None where there are too many."""
        if name and name not in self._folders:
            found = Folder.objects.filter(owner_id=self._owner_id, name=name).first()
            try:
                self._folders[name] = (found or create_folder(owner_id=self._owner_id, name=name)).pk
            except GatewayError as exc:
                self._folders[name] = None
                self._report.skip(name, say(fill_in("The folder: {problem}", problem=exc.wording), gettext))
        return self._folders.get(name)


def _say_where(document: IO[bytes], place: int, problem: str) -> str:
    """Reads the document from its beginning."""
    line, column = find_line(document, place)
    return f"Not valid JSON: line {line}, byte {column}: {problem}."


def _name_item(document: str, place: int) -> str:
    return f"{document or 'item'} {place + 1}"


def _find_level(document: IO[bytes]) -> int:
    """How deep the items of a document are. Raises InvalidRequest for what is neither list nor object."""
    document.seek(0)
    head = document.read(HEAD_BYTES)
    if head.startswith(BYTE_ORDER_MARKS):
        raise InvalidRequest("The file begins with a byte order mark (BOM). Save it as UTF-8 without one.")
    if (own := _OWN.match(head)) is not None:
        if int(own[2]) > VERSION:
            raise InvalidRequest(
                fill_in(
                    "The export is of version {version}; this gateway reads {own}.",
                    version=int(own[2]),
                    own=VERSION,
                )
            )
        return 0 if own[1] else OWN_LEVEL
    first = head.lstrip()[:1]
    if first not in (b"[", b"{"):
        fail(document, len(head) - len(head.lstrip()), "expected a list or an object")
    return 1 if first == b"[" else 0


def _without_nul(value: Any) -> Any:
    """The same without NUL characters, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value
