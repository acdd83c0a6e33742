"""Following the log file of an engine process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from modelops.runtimes.lines import LineSplitter

CHUNK_BYTES = 2**20


class ProcessLogFollower:
    """A LogFollower. Keeps nothing in memory: what was not read stays in the file."""

    def __init__(self, path: Path, is_alive: Callable[[], bool]) -> None:
        self._path = path
        self._is_alive = is_alive
        self._splitter = LineSplitter()
        self._position = 0

    def read(self) -> list[str]:
        # In this order: what was written before the end has to be seen after it.
        is_alive = self._is_alive()
        data = self._read_chunk()
        lines = self._splitter.feed(data)
        if not is_alive and len(data) < CHUNK_BYTES:
            lines += self._splitter.finish()
        return lines

    def close(self) -> None:
        """Nothing is open between two reads."""

    def _read_chunk(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read(CHUNK_BYTES)
        except FileNotFoundError:
            return b""
        self._position += len(data)
        return data
