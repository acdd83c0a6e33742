"""The file of a backup: a ZIP archive of tables and files, and of a manifest that says what they must be."""

from __future__ import annotations

import contextlib
import hashlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

import msgspec

from gateway.backups.failures import ArchiveDamaged, RestoreRefused
from gateway.wording import fill_in

FORMAT = 1
MANIFEST = "manifest.json"
COMPRESSION_LEVEL = 3
PIECE_BYTES = 2**18
BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, struct.error, msgspec.MsgspecError),
)
"""What zipfile, zlib and msgspec raise for bytes that are not as they were written."""


class TableEntry(msgspec.Struct, kw_only=True):
    """A table: `digest` of its rows (`gateway.backups.rows.TableDigest`), `sha256` of its lines."""

    table: str
    columns: list[str]
    rows: int
    digest: str
    sha256: str

    @property
    def member(self) -> str:
        return f"tables/{self.table}.jsonl"


class FileEntry(msgspec.Struct, kw_only=True):
    """A file that somebody attached, by its name in the storage."""

    name: str
    size_bytes: int
    sha256: str

    @property
    def member(self) -> str:
        return f"files/{self.name}"


class Manifest(msgspec.Struct, kw_only=True):
    """What an archive holds, and of what."""

    format: int
    version: str
    made_at: str
    database: str
    migrations: list[tuple[str, str]]
    tables: list[TableEntry]
    files: list[FileEntry]
    missing_files: list[str]
    """That had a row and no bytes."""
    secrets: list[str]
    """Names of settings, without which parts of the copy are worth nothing."""

    @property
    def rows(self) -> int:
        return sum(entry.rows for entry in self.tables)

    @property
    def file_bytes(self) -> int:
        return sum(entry.size_bytes for entry in self.files)


class Member:
    """A part of an archive that is being written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.size_bytes += len(piece)
        self._stream.write(piece)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class ArchiveWriter:
    """Writes to a stream that need not be seekable."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL)

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, *_exception: object) -> None:
        """What broke off stays without a manifest; closing it may fail for the same reason."""
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()

    @contextlib.contextmanager
    def member(self, name: str, *, is_compressed: bool = True) -> Iterator[Member]:
        info = zipfile.ZipInfo(name)  # with a date that is always the same
        info.compress_type = zipfile.ZIP_DEFLATED if is_compressed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as stream:
            yield Member(stream)

    def finish(self, manifest: Manifest) -> None:
        """The manifest comes last, and then the directory of the archive: one that broke off has neither."""
        with self.member(MANIFEST) as member:
            member.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        self._zip.close()


class Archive:
    """One to be read, with its manifest. Raises ArchiveDamaged, and RestoreRefused for a later format."""

    def __init__(self, stream: IO[bytes]) -> None:
        with _reading(MANIFEST):
            self._zip = zipfile.ZipFile(stream)
            content = self._zip.read(MANIFEST)
            made_for = msgspec.json.decode(content, type=_Format).format
            if made_for > FORMAT:
                raise RestoreRefused(
                    fill_in(
                        "The archive has format {format}, which only a later version reads.", format=made_for
                    )
                )
            self.manifest = msgspec.json.decode(content, type=Manifest)

    def check(self) -> None:
        """Read all of it. Raises ArchiveDamaged unless every byte is what the manifest says."""
        entries = {table.member: table.sha256 for table in self.manifest.tables}
        entries |= {file.member: file.sha256 for file in self.manifest.files}
        if set(self._zip.namelist()) != {*entries, MANIFEST}:
            raise ArchiveDamaged(fill_in("The archive is damaged: it does not hold what its manifest says."))
        for name, expected in entries.items():
            digest = hashlib.sha256()
            with self.open(name) as stream:
                while piece := stream.read(PIECE_BYTES):
                    digest.update(piece)
            if digest.hexdigest() != expected:
                raise _damaged(name)

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Raises ArchiveDamaged, also while it is being read."""
        with _reading(name), self._zip.open(name) as stream:
            yield stream


class _Format(msgspec.Struct):
    format: int


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except BROKEN_ZIP as exc:
        raise _damaged(name) from exc


def _damaged(name: str) -> ArchiveDamaged:
    return ArchiveDamaged(
        fill_in(
            "The archive is damaged, or no archive of `manage.py backup`: {part} cannot be read.", part=name
        )
    )
