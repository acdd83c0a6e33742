"""The id that ties a request to its answer, its log lines and its stored message."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,128}")

current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


def accept_request_id(given: str | None) -> str:
    """The client's id if it is harmless in a header and a log line, else a new one."""
    if given and ACCEPTED.fullmatch(given):
        return given
    return secrets.token_hex(16)
