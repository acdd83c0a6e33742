"""Decodes answers that a proxy in front of the engine compressed, although nobody asked it to."""

from __future__ import annotations

import zlib
from collections.abc import Coroutine
from typing import Any

from chat.engine_connection import BrokenOff, Take

STEP_BYTES = 256 * 1024
"""What is decompressed at a time: a small answer may stand for one without end."""

DEFLATE_METHOD = 8
"""In the first byte of zlib's format (RFC 1950). Some servers leave its header out."""


class Decoder:
    """Takes compressed pieces, and gives what they mean to `take`."""

    def __init__(self, encoding: str, take: Take) -> None:
        """Raises BrokenOff for an encoding that is not known here."""
        if encoding not in {"gzip", "x-gzip", "deflate"}:
            raise BrokenOff(f"Content-Encoding: {encoding}")
        self._is_gzip = encoding != "deflate"
        self._take = take
        self._decompressor: zlib._Decompress | None = None

    def take(self, data: bytes) -> Coroutine[Any, Any, None]:
        return self._decode(data)

    async def _decode(self, data: bytes) -> None:
        if self._decompressor is None:
            has_header = data[0] & 0xF == DEFLATE_METHOD
            window_bits = zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
            self._decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS if self._is_gzip else window_bits)
        try:
            while data and not self._decompressor.eof:
                decoded = self._decompressor.decompress(data, STEP_BYTES)
                data = self._decompressor.unconsumed_tail
                if decoded and (busy := self._take(decoded)) is not None:
                    await busy
        except zlib.error as exc:
            raise BrokenOff from exc

    def finish(self) -> None:
        """Raises BrokenOff where the compressed data have no end."""
        if self._decompressor is not None and not self._decompressor.eof:
            raise BrokenOff
