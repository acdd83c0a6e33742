"""Keeps secrets out of log lines: fields by an allow-list, and free text by what secrets look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"
SHORTEST_SECRET = 8
"""Characters; a shorter one would be found within ordinary words."""
LONGEST_REMEMBERED = 200
"""Characters of a text that is not looked through again each time it is logged."""

LOGGED_FIELDS = frozenset(
    {
        # of every line
        *("event", "level", "logger", "timestamp", "request_id", "exception", "exc_info", "stack_info"),
        # of a request
        *("method", "path", "status", "client", "credential", "user_id", "key_id", "latency_ms", "outcome"),
        *("model", "ttft_ms", "input_tokens", "output_tokens", "estimated_tokens", "engine_request_id"),
        *("unlogged",),
        # of what runs beside requests
        *(
            "advice",
            "box",
            "cause",
            "count",
            "detail",
            "edge",
            "engine",
            "error",
            "folder",
            "gpus",
            "hint",
            "holder",
            "host",
            "instead_of",
        ),
        *(
            "message",
            "message_id",
            "response_id",
            "notice",
            "port",
            "probe",
            "problem",
            "problems",
            "profile",
            "reason",
            "replica",
            "retry_in_s",
            "running",
        ),
        *("sample", "slot", "state", "status_code", "switch", "to", "work"),
    }
)
"""What may be logged by name. Anything else (a library's `extra`, a field added in haste) keeps its name and
loses its value; a test compares the list with every log call of ours."""

FREE_TEXT = frozenset(
    {"event", "exception", "error", "detail", "problem", "message", "hint", "cause", "path"}
)
"""Fields whose words come from elsewhere: exceptions, engines, URLs."""

KNOWN_FIELDS = LOGGED_FIELDS | FREE_TEXT

SECRET_FORMS = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{8,}                                   # API keys, ours and other makers'
    | \bhf_[A-Za-z0-9]{16,}                                     # tokens of the model hub
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                            # keys of S3 storages
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*-----|\Z)
    | \beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?                      # JWTs
    | (?<=/shared/)[^/\s?"']+                              # whoever has such a token reads what it shows
    | (?<=://)[^/\s@]*:[^/\s@]+(?=@)                           # user:password in a URL
    | (?i:\bbearer)\s+\S+
    | (?i:\b[\w-]*(?:password|passwd|secret|token|api[_-]?key|authorization)["']?\s*[=:]\s*)
      (?i:(?:bearer|basic)\s+)?(?:"[^"]*"|'[^']*'|[^\s,;}]+)
    | \bDETAIL:.*?(?=\n\n|\Z)                                  # PostgreSQL quotes the row that it refused
    """,
    re.VERBOSE | re.DOTALL,
)


HINTS = (
    "sk-",
    "eyj",
    "hf_",
    "akia",
    "asia",
    "private key",
    "://",
    "/shared/",
    "bearer",
    "passw",
    "secret",
    "token",
    "key",
    "authorization",
    "detail:",
)
"""One of these is in every text that SECRET_FORMS matches, in lower case; few lines need the closer look."""


class Redactor:
    """A structlog processor: fields that nobody listed, and secrets in free text, become REDACTED.

    `secrets` are this process's own: its keys and passwords, wherever they turn up.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
        self._known = sorted(known, key=len, reverse=True)
        # Nearly every line names one of few events and paths.
        self._clean_again = lru_cache(maxsize=256)(self._clean)

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for field in FREE_TEXT.intersection(event):
            if (value := event[field]) is not None:
                event[field] = self.clean(str(value))
        for field in event.keys() - KNOWN_FIELDS:
            # structlog's own begin with an underscore; its formatter takes them out again
            if not field.startswith("_"):
                event[field] = REDACTED
        return event

    def clean(self, text: str) -> str:
        """`text` without what looks like a secret or is one of this process's."""
        return self._clean_again(text) if len(text) <= LONGEST_REMEMBERED else self._clean(text)

    def _clean(self, text: str) -> str:
        lowered = text.lower()
        if any(hint in lowered for hint in HINTS):
            text = SECRET_FORMS.sub(REDACTED, text)
        for secret in self._known:
            text = text.replace(secret, REDACTED)
        return text
