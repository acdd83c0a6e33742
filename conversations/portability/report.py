"""What an import took, and what not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.shortening import shorten

MOST_LISTED = 100
"""Of what was not taken; the others are counted."""


@dataclass(kw_only=True)
class ImportReport:
    source: str = ""
    is_dry_run: bool = False
    conversations: int = 0
    messages: int = 0
    files: int = 0
    already_here: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    skipped_count: int = 0

    def skip(self, name: str, reason: str | Callable[[], str]) -> None:
        """Note a conversation or a file that was not taken. Asks for the reason only if it is listed."""
        self.skipped_count += 1
        if len(self.skipped) < MOST_LISTED:
            self.skipped.append(
                {"name": shorten(name), "reason": reason if isinstance(reason, str) else reason()}
            )

    def describe(self) -> dict[str, Any]:
        return {
            "format": self.source or None,
            "dry_run": self.is_dry_run,
            "taken": {
                "conversations": self.conversations,
                "messages": self.messages,
                "files": self.files,
            },
            "already_here": self.already_here,
            "skipped": self.skipped,
            "skipped_count": self.skipped_count,
        }
