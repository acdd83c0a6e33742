"""A form with one file on its way to the engine: read as it comes, sent on once it is complete.

The file is on disk meanwhile, but for a small one. The engine is asked only when all of it is here: a request
that waits for a model, or whose client sends slowly, must hold neither a place at the engine nor a switch.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from typing import IO

from chat.form_parsing import FORM_TYPE, FormParser, PartBegun
from gateway.errors import InvalidRequest, RequestTooLarge
from gateway.wording import fill_in

FILE_FIELD = "file"
MEMORY_BYTES = 256 * 1024
"""Of a file; a larger one is on disk. Also how much is read and written at a time, on a thread."""
MAX_FORM_FIELDS = 128
MAX_FIELD_BYTES = 256 * 1024
"""Of all fields together: a prompt is the longest of them."""


class FormFile:
    """The file of a form. To be closed."""

    def __init__(self, part: PartBegun) -> None:
        self.filename = part.filename or FILE_FIELD
        self.content_type = part.content_type
        self.size_bytes = 0
        self._fresh = bytearray()
        self._stored: IO[bytes] | None = None

    async def write(self, data: bytes) -> None:
        self.size_bytes += len(data)
        self._fresh += data
        if len(self._fresh) > MEMORY_BYTES:
            if self._stored is None:
                self._stored = tempfile.TemporaryFile()  # noqa: SIM115  # until `close`
            piece, self._fresh = self._fresh, bytearray()
            await asyncio.to_thread(self._stored.write, piece)

    async def read(self) -> AsyncGenerator[bytes]:
        """All of it, from the beginning."""
        if self._stored is not None:
            await asyncio.to_thread(self._stored.seek, 0)
            while piece := await asyncio.to_thread(self._stored.read, MEMORY_BYTES):
                yield piece
        if self._fresh:
            yield bytes(self._fresh)

    def close(self) -> None:
        if self._stored is not None:
            self._stored.close()


class Form:
    """The fields of a form in their order, and its file. To be closed."""

    def __init__(self, fields: Sequence[tuple[str, str]], file: FormFile) -> None:
        self.fields = fields
        self.file = file

    def close(self) -> None:
        self.file.close()


async def read_form(content_type: str, body: AsyncIterable[bytes], *, max_file_bytes: int) -> Form:
    """The form in `body`. Raises InvalidRequest, also without exactly one file, and RequestTooLarge."""
    reading = _FormReading(FormParser(content_type), max_file_bytes)
    try:
        async for data in body:
            await reading.take(data)
        return reading.finish()
    except BaseException:
        reading.close()
        raise


class _FormReading:
    def __init__(self, parser: FormParser, max_file_bytes: int) -> None:
        self._parser = parser
        self._max_file_bytes = max_file_bytes
        self._fields: list[tuple[str, bytearray]] = []
        self._fields_bytes = 0
        self._file: FormFile | None = None
        self._is_in_file = False

    async def take(self, data: bytes) -> None:
        for event in self._parser.feed(data):
            if isinstance(event, PartBegun):
                self._begin(event)
            elif self._is_in_file and self._file is not None:
                if self._file.size_bytes + len(event) > self._max_file_bytes:
                    raise RequestTooLarge(
                        fill_in(
                            "The file is larger than {max_bytes} bytes (MAX_AUDIO_BYTES).",
                            max_bytes=self._max_file_bytes,
                        ),
                        param=FILE_FIELD,
                    )
                await self._file.write(event)
            else:
                self._fields_bytes += len(event)
                self._check_fields()
                self._fields[-1][1].extend(event)

    def finish(self) -> Form:
        self._parser.finish()
        if self._file is None:
            raise InvalidRequest("The form holds no file.", param=FILE_FIELD)
        try:
            fields = [(name, value.decode()) for name, value in self._fields]
        except UnicodeDecodeError as exc:
            raise InvalidRequest("A field of the form is no text in UTF-8.") from exc
        return Form(fields, self._file)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _begin(self, part: PartBegun) -> None:
        self._is_in_file = part.filename is not None
        if self._is_in_file is not (part.name == FILE_FIELD) or (self._is_in_file and self._file is not None):
            raise InvalidRequest(
                fill_in("Send one file, in the field `{name}`.", name=FILE_FIELD), param=FILE_FIELD
            )
        if self._is_in_file:
            self._file = FormFile(part)
        else:
            self._fields.append((part.name, bytearray()))
            self._check_fields()

    def _check_fields(self) -> None:
        if len(self._fields) > MAX_FORM_FIELDS:
            raise InvalidRequest(
                fill_in("A request has {max_fields} fields at most.", max_fields=MAX_FORM_FIELDS)
            )
        if self._fields_bytes > MAX_FIELD_BYTES:
            raise InvalidRequest(
                fill_in("All fields together have {limit} bytes at most.", limit=MAX_FIELD_BYTES)
            )


class FormBody:
    """A form as the engine gets it: written anew, so that it reads there just what was read here."""

    def __init__(self, fields: Iterable[tuple[str, str]], file: FormFile) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"{FORM_TYPE}; boundary={boundary}"
        parts = [f"{_head(boundary, name)}\r\n{value}\r\n" for name, value in fields]
        kind = file.content_type if file.content_type.isprintable() else ""
        typed = f"Content-Type: {kind}\r\n" if kind else ""
        parts.append(f'{_head(boundary, FILE_FIELD)[:-2]}; filename="{_quote(file.filename)}"\r\n{typed}\r\n')
        self._beginning = "".join(parts).encode()
        self._end = f"\r\n--{boundary}--\r\n".encode()
        self._file = file

    def __len__(self) -> int:
        return len(self._beginning) + self._file.size_bytes + len(self._end)

    @property
    def text_bytes(self) -> int:
        """Without the file."""
        return len(self._beginning)

    async def pieces(self) -> AsyncGenerator[bytes]:
        yield self._beginning
        async for piece in self._file.read():
            yield piece
        yield self._end


def _head(boundary: str, name: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{_quote(name)}"\r\n'


def _quote(value: str) -> str:
    """As browsers write names and file names in a form (WHATWG, "multipart/form-data encoding algorithm")."""
    return value.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
