"""The bytes of files that people attached, into an archive and back into the storage."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from django.core.files import File
from django.core.files.storage import default_storage
from django.db.models import Model

from conversations.models import StoredFile
from gateway.backups.archive import PIECE_BYTES, Archive, ArchiveWriter, FileEntry
from gateway.backups.failures import ArchiveDamaged
from gateway.wording import fill_in

NAME = re.compile(r"[0-9a-f-]{36}/[0-9a-f-]{36}")
"""As `StoredFile.storage_name` makes them; nothing else is written into the storage."""


def list_names(models: Sequence[type[Model]]) -> list[str]:
    """Where the bytes are of those files that have a row now."""
    table = StoredFile._meta.db_table
    if table not in {model._meta.db_table for model in models}:
        return []
    ids = StoredFile.objects.order_by("owner_id", "pk").values_list("owner_id", "pk")
    return [StoredFile(owner_id=owner_id, pk=pk).storage_name for owner_id, pk in ids.iterator()]


def write_files(names: Sequence[str], archive: ArchiveWriter) -> tuple[list[FileEntry], list[str]]:
    """Write them; the second list has those that are not there, as they were removed meanwhile."""
    written: list[FileEntry] = []
    missing: list[str] = []
    for name in names:
        try:
            source = default_storage.open(name)
        except FileNotFoundError:
            missing.append(name)
            continue
        with source, archive.member(f"files/{name}", is_compressed=False) as member:
            while piece := source.read(PIECE_BYTES):
                member.write(piece)
            written.append(FileEntry(name=name, size_bytes=member.size_bytes, sha256=member.sha256))
    return written, missing


class FileRestore:
    """Puts the files of an archive into the storage, before the rows that refer to them.

    A crash leaves bytes without a row, which `prune` removes, as after an upload that broke.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._added: list[str] = []

    def add_missing(self) -> None:
        for entry in self._archive.manifest.files:
            if not NAME.fullmatch(entry.name):
                raise ArchiveDamaged(
                    fill_in("The archive is damaged: it names a file {name}.", name=entry.name)
                )
            if default_storage.exists(entry.name):
                if _hash_stored(entry.name) == entry.sha256:
                    continue
                # A name has one content for ever: what is there broke.
                default_storage.delete(entry.name)
            self._added.append(entry.name)
            with self._archive.open(entry.member) as stream:
                default_storage.save(entry.name, File(stream))

    def undo(self) -> None:
        for name in self._added:
            default_storage.delete(name)


def _hash_stored(name: str) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(name):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(name: str) -> Iterator[bytes]:
    with default_storage.open(name) as stored:
        while piece := stored.read(PIECE_BYTES):
            yield piece
