"""Downloads that are made while they are sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.db import close_old_connections, connection
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header

from gateway.csv_lines import write_csv
from gateway.zip_stream import ZipEntry

MAX_STEM = 80
PIECE_BYTES = 256 * 1024
"""What is sent at a time, at least."""
PAGE_ROWS = 500
_NOT_IN_NAMES = re.compile(r"[^\w\-]+")


def rows_entry(name: str, rows: QuerySet[Any], columns: Sequence[str]) -> ZipEntry:
    """These columns of all rows, as a list of objects in JSON."""
    return ZipEntry(name, _write_rows(rows, columns))


def _write_rows(rows: QuerySet[Any], columns: Sequence[str]) -> Iterator[bytes]:
    yield b"["
    separator = b"\n"
    for row in _read_rows(rows, columns):
        yield separator + msgspec.json.encode(row)
        separator = b",\n"
    yield b"]\n"


def _read_rows(rows: QuerySet[Any], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Page by page in the order of primary keys, as no cursor outlives a piece."""
    ordered = rows.order_by("pk").values("pk", *columns)
    page = list(ordered[:PAGE_ROWS])
    while page:
        yield from ({name: row[name] for name in columns} for row in page)
        page = list(ordered.filter(pk__gt=page[-1]["pk"])[:PAGE_ROWS])


def write_rows_as_csv(rows: QuerySet[Any], columns: Sequence[str]) -> Iterator[bytes]:
    """These columns of all rows as lines of CSV below their names, page by page from the newest id on."""
    yield write_csv([columns]).encode()
    ordered = rows.order_by("-pk").values("pk", *columns)
    page = list(ordered[:PAGE_ROWS])
    while page:
        yield write_csv([_to_cell(row[name]) for name in columns] for row in page).encode()
        page = list(ordered.filter(pk__lt=page[-1]["pk"])[:PAGE_ROWS])


def _to_cell(value: Any) -> Any:
    """Times as RFC 3339 and structures as JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def make_name(text: str, ending: str) -> str:
    """A name for a file, of letters and digits of any language, with today's date."""
    stem = _NOT_IN_NAMES.sub(" ", text).strip()[:MAX_STEM] or "download"
    return f"{stem} {timezone.now():%Y-%m-%d}.{ending}"


def answer_download(pieces: Iterator[bytes], media_type: str, name: str) -> StreamingHttpResponse:
    """The pieces as a file with this name, each made when the one before it is sent."""
    return StreamingHttpResponse(
        _send(gather(pieces)),
        content_type=media_type,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=name)
            or "attachment",
            "X-Accel-Buffering": "no",
        },
    )


def gather(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, none of which is empty."""
    gathered, size_bytes = [], 0
    for piece in pieces:
        gathered.append(piece)
        size_bytes += len(piece)
        if size_bytes >= PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size_bytes = [], 0
    if size_bytes:
        yield b"".join(gathered)


async def _send(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Made on the request's own thread, which gives its connection to the database back between pieces.

    So a slow reader holds none. In a transaction, as in tests, the connection stays.
    """
    while piece := await sync_to_async(_make_piece)(pieces):
        yield piece


def _make_piece(pieces: Iterator[bytes]) -> bytes:
    try:
        return next(pieces, b"")
    finally:
        if not connection.in_atomic_block:
            close_old_connections()
