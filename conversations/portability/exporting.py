"""Exports as streams of bytes: JSON, JSON lines, Markdown, and a zip archive with files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import IO

import msgspec
from django.core.files.storage import default_storage
from django.db import models
from django.utils import timezone

from conversations.models import Conversation, StoredFile
from conversations.portability.documents import (
    FORMAT,
    LINES_FORMAT,
    VERSION,
    describe_conversation,
    describe_file,
    describe_message,
    path_in_archive,
)
from conversations.portability.markdown import write_markdown
from conversations.portability.selection import Selection, read_conversations, read_files
from gateway.downloads import gather
from gateway.zip_stream import ZipEntry, stream_zip

FILE_PIECE_BYTES = 3 * 64 * 1024
"""A multiple of three: base64 of the pieces is that of the whole."""

Pieces = Iterator[bytes]


class ExportFormat(models.TextChoices):
    JSON = "json", "One JSON document, files in it"
    LINES = "jsonl", "A line of JSON for each file and conversation"
    MARKDOWN = "md", "To read: the active branches, files by their names"
    ZIP = "zip", "The JSON document and the files"


MEDIA_TYPES = {
    ExportFormat.JSON: "application/json",
    ExportFormat.LINES: "application/jsonl",
    ExportFormat.MARKDOWN: "text/markdown; charset=utf-8",
    ExportFormat.ZIP: "application/zip",
}


def export(selection: Selection, export_format: ExportFormat) -> Pieces:
    """The export in small pieces, whose contents are read from the database when they are asked for."""
    match export_format:
        case ExportFormat.JSON:
            return _write_document(selection, _embed_file)
        case ExportFormat.LINES:
            return _write_lines(selection)
        case ExportFormat.MARKDOWN:
            return write_markdown(selection)
        case ExportFormat.ZIP:
            return stream_zip(list_entries(selection))


def list_entries(selection: Selection) -> Iterator[ZipEntry]:
    """What the archive holds: the document, and the files that its messages refer to."""
    yield ZipEntry("conversations.json", gather(_write_document(selection, _name_file)))
    for file in read_files(selection):
        if (content := read_content(file)) is not None:
            is_text = file.media_type.startswith("text/")
            yield ZipEntry(path_in_archive(file), content, is_compressed=is_text)


def _write_document(selection: Selection, write_file: Callable[[StoredFile], Pieces]) -> Pieces:
    """The format comes first, as importers look for it there, and files before the messages with them."""
    yield _begin(FORMAT)[:-1] + b',\n"files":['
    separator = b"\n"
    for file in read_files(selection):
        yield separator
        yield from write_file(file)
        separator = b",\n"
    yield b'],\n"conversations":[\n'
    yield from _write_conversations(selection, separator=b",\n")
    yield b"]}\n"


def _write_lines(selection: Selection) -> Pieces:
    yield _begin(LINES_FORMAT) + b"\n"
    for file in read_files(selection):
        yield from _embed_file(file)
        yield b"\n"
    yield from _write_conversations(selection, separator=b"\n")
    yield b"\n"


def _begin(name: str) -> bytes:
    return msgspec.json.encode({"format": name, "version": VERSION, "exported_at": timezone.now()})


def _write_conversations(selection: Selection, *, separator: bytes) -> Pieces:
    end = b""
    for item in read_conversations(selection):
        if isinstance(item, Conversation):
            yield end + msgspec.json.encode(describe_conversation(item))[:-1] + b',"messages":['
            end, comma = b"]}" + separator, b""
        else:
            yield comma + msgspec.json.encode(describe_message(item))
            comma = b","
    yield end.removesuffix(separator)


def _name_file(file: StoredFile) -> Pieces:
    yield msgspec.json.encode(describe_file(file) | {"path": path_in_archive(file)})


def _embed_file(file: StoredFile) -> Pieces:
    """With its bytes; without them where the storage has lost the file."""
    content = read_content(file)
    if content is None:
        yield msgspec.json.encode(describe_file(file) | {"data": None})
        return
    yield msgspec.json.encode(describe_file(file))[:-1] + b',"data":"'
    for piece in content:
        yield base64.b64encode(piece)
    yield b'"}'


def read_content(file: StoredFile) -> Pieces | None:
    """The file's bytes in pieces of FILE_PIECE_BYTES; None where the storage has lost it."""
    try:
        opened = default_storage.open(file.storage_name)
    except FileNotFoundError:
        return None
    return _read_pieces(opened)


def _read_pieces(opened: IO[bytes]) -> Pieces:
    with opened:
        while piece := opened.read(FILE_PIECE_BYTES):
            yield piece
