"""What an answer of the engine's says of its body, and what of that a client gets."""

from __future__ import annotations

from typing import NamedTuple

JSON_TYPE = "application/json"
BYTES_TYPE = "application/octet-stream"
PASSED_TYPES = frozenset({JSON_TYPE, BYTES_TYPE, "text/plain", "text/vtt", "application/x-subrip"})


class ContentHeaders(NamedTuple):
    """What an answer says of its body."""

    content_type: str = JSON_TYPE
    metadata: str = ""

    @property
    def is_json(self) -> bool:
        return self.content_type in {"", JSON_TYPE} or self.content_type.startswith(f"{JSON_TYPE};")

    def to_client(self) -> list[tuple[bytes, bytes]]:
        """Those that the client gets: a type that no browser runs, whatever the engine says."""
        kind = JSON_TYPE if self.is_json else self.content_type
        if kind.partition(";")[0].strip() not in PASSED_TYPES:
            kind = BYTES_TYPE
        headers = [(b"content-type", kind.encode("latin-1"))]
        return [*headers, (b"metadata", self.metadata.encode("latin-1"))] if self.metadata else headers
