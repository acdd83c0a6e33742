"""Recordings that were sent: told by their first bytes, and measured where the header says how long."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_MAGIC = (
    ("FLAC", 0, b"fLaC"),
    ("Ogg", 0, b"OggS"),
    ("MP3", 0, b"ID3"),
    ("MP4", 4, b"ftyp"),
    ("WebM", 0, b"\x1a\x45\xdf\xa3"),
)


@dataclass(frozen=True, slots=True)
class ReceivedAudio:
    """Format and size; the duration is None where only decoding would tell it."""

    kind: str
    size_bytes: int
    duration_s: float | None

    def __str__(self) -> str:
        length = "" if self.duration_s is None else f"{self.duration_s:.1f} s, "
        return f"{self.kind}, {length}{self.size_bytes:,} bytes"


def measure_audio(data: bytes) -> ReceivedAudio | None:
    """What the recording is; None for what is none."""
    try:
        if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
            return ReceivedAudio("WAV", len(data), _measure_wav(data))
        if data[:4] == b"fLaC":
            return ReceivedAudio("FLAC", len(data), _measure_flac(data))
    except struct.error:
        return None
    kind = next((name for name, at, magic in _MAGIC if data[at : at + len(magic)] == magic), None)
    if kind is None and data[:1] == b"\xff" and data[1:2] >= b"\xe0":
        kind = "MP3"
    return None if kind is None else ReceivedAudio(kind, len(data), None)


def _measure_wav(data: bytes) -> float | None:
    """Walk over the chunks: the bytes of the sound by the bytes of a second."""
    at, bytes_per_s = 12, 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"fmt ":
            (bytes_per_s,) = struct.unpack_from("<I", data, at + 16)
        elif name == b"data" and bytes_per_s:
            # Whoever streams a recording does not know its size when the header is written.
            return float(min(size, len(data) - at - 8) / bytes_per_s)
        at += 8 + size + size % 2
    return None


def _measure_flac(data: bytes) -> float | None:
    """Rate and number of samples of the first block, in 20 and 36 bits."""
    (packed,) = struct.unpack_from(">Q", data, 18)
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    return float(samples / rate) if rate and samples else None
