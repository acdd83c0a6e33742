"""The file that somebody imports: JSON, or a zip archive with JSON and other files in it.

Nothing is ever unpacked to a name that an archive gives. What it expands to is counted while it is read, as
its headers may lie.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from typing import IO, cast

from django.utils.translation import gettext_noop

from gateway.errors import InvalidRequest, RequestTooLarge
from gateway.wording import fill_in

CHUNK_BYTES = 2**18
MOST_DIRECTORY_BYTES = 8 * 2**20
"""Of an archive's list of files, which the library reads into memory as a whole."""
MOST_DOCUMENTS = 1_000

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_MAIN = re.compile(r"(^|/)conversations[^/]*\.jsonl?$")
_JSON = re.compile(r"\.jsonl?$")
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
"""What the library raises for an entry that it cannot read: broken, encrypted, or packed in another way."""

EXPANDS = gettext_noop("The archive expands to more than MAX_IMPORT_BYTES.")


class Package:
    def __init__(self, file: IO[bytes], *, most_bytes: int) -> None:
        """Raises InvalidRequest for an archive that is damaged or has too many files."""
        self._file = file
        self._left_bytes = self._left_file_bytes = most_bytes
        file.seek(0)
        self._archive = _open_archive(file) if file.read(4) in _SIGNATURES else None

    def documents(self) -> Iterator[tuple[str, IO[bytes]]]:
        """The names and contents of its JSON documents, one at a time.

        Raises InvalidRequest for an archive without any, RequestTooLarge when they expand to more than is
        allowed.
        """
        if self._archive is None:
            yield "", self._file
            return
        names = [name for name in self._archive.namelist() if _JSON.search(name)]
        names = [name for name in names if _MAIN.search(name)] or names
        if not names:
            raise InvalidRequest("The archive holds no JSON document with conversations.")
        if len(names) > MOST_DOCUMENTS:
            raise InvalidRequest(
                fill_in("The archive holds more than {most} JSON documents.", most=MOST_DOCUMENTS)
            )
        for name in sorted(names):
            with tempfile.TemporaryFile() as document:
                self._expand(self._archive, name, document)
                yield name, document

    def _expand(self, archive: zipfile.ZipFile, name: str, document: IO[bytes]) -> None:
        try:
            with archive.open(name) as packed:
                while piece := packed.read(CHUNK_BYTES):
                    self._left_bytes -= len(piece)
                    if self._left_bytes < 0:
                        break
                    document.write(piece)
        except DAMAGED as exc:
            raise InvalidRequest(
                fill_in("The archive is damaged or encrypted: {problem}.", problem=type(exc).__name__)
            ) from exc
        if self._left_bytes < 0:
            raise RequestTooLarge(EXPANDS)

    def open_file(self, key: str, *, most_bytes: int) -> IO[bytes] | None:
        """The file of the archive with this path, or whose name begins like this; None: there is none.

        Raises RequestTooLarge, also when all that were read expand to more than is allowed, as many names may
        stand for the same bytes; InvalidRequest for one that is damaged.
        """
        name = self._find(key) if self._archive is not None and key else None
        if self._archive is None or name is None:
            return None
        if self._left_file_bytes < 0:
            raise RequestTooLarge(EXPANDS)
        try:
            with self._archive.open(name) as packed:
                content = packed.read(most_bytes + 1)
        except DAMAGED as exc:
            raise InvalidRequest("The file is damaged in the archive.") from exc
        self._left_file_bytes -= len(content)
        if len(content) > most_bytes:
            raise RequestTooLarge(fill_in("The file is larger than {max_bytes} bytes.", max_bytes=most_bytes))
        return io.BytesIO(content)

    def _find(self, key: str) -> str | None:
        if key in self._paths:
            return key
        names = self._by_name
        place = bisect_left(names, (key, ""))
        return names[place][1] if place < len(names) and names[place][0].startswith(key) else None

    @cached_property
    def _paths(self) -> frozenset[str]:
        return frozenset(self._archive.namelist() if self._archive else ())

    @cached_property
    def _by_name(self) -> list[tuple[str, str]]:
        return sorted((path.rpartition("/")[2], path) for path in self._paths if not path.endswith("/"))


def _open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    source = _ArchiveSource(file)
    try:
        archive = zipfile.ZipFile(cast("IO[bytes]", source))
    except DAMAGED as exc:
        raise InvalidRequest("The archive is damaged.") from exc
    source.is_opening = False
    return archive


class _ArchiveSource:
    """The file for the library, which reads the list of an archive's files at once.

    How long the list is, an archive says in several places, and the library knows which one counts.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.is_opening = True

    def read(self, size: int = -1) -> bytes:
        """Raises InvalidRequest for more than the list may have, while the archive is opened."""
        if self.is_opening and size > MOST_DIRECTORY_BYTES:
            raise InvalidRequest("The archive holds too many files.")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
