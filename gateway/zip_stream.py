"""Zip archives as a stream: nothing but the piece that is being written is held in memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

COMPRESSION = 3
"""Of zlib's levels: more would halve the speed for a few per cent."""


@dataclass(frozen=True)
class ZipEntry:
    """A file of an archive."""

    name: str
    pieces: Iterable[bytes]
    is_compressed: bool = True
    """False for what is compressed already, such as images."""


class _Sink:
    """What the archive writes to: it cannot seek, so sizes follow their entries."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Needs nothing: `take` has all that was written."""

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def stream_zip(entries: Iterable[ZipEntry]) -> Iterator[bytes]:
    """The archive in pieces. An entry is asked for when the one before it is written."""
    sink = _Sink()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", compresslevel=COMPRESSION) as archive:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name)
            info.compress_type = zipfile.ZIP_DEFLATED if entry.is_compressed else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as file:
                for piece in entry.pieces:
                    file.write(piece)
                    yield sink.take()
            yield sink.take()
    yield sink.take()
