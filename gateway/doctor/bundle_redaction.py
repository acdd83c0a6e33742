"""Redacts what goes into a support bundle: secrets always, names of accounts unless they are asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from accounts.models import User
from gateway.conf import GatewayConfig, secret_values
from gateway.doctor.bundle_settings import SET
from gateway.redaction import REDACTED, Redactor

NAME = "[name]"
NOBODYS_NAMES = frozenset({"admin", "demo", "user", "root", "test", "gateway", "default", "simulated"})
"""Accounts that are called so are nobody's; the words are all over logs."""
SHORTEST_NAME = 3
MOST_NAMES = 20_000
SECRET_NAME = re.compile(r"(?i)password|passwd|secret|api_?key|authorization|credential|(?:^|_)token$")
"""Names of values that are secrets whatever they look like."""


@dataclass(frozen=True)
class BundleRedactor:
    redactor: Redactor
    names: re.Pattern[str] | None

    @classmethod
    def build(cls, config: GatewayConfig, *, with_names: bool, has_database: bool) -> BundleRedactor:
        names = [] if with_names or not has_database else _list_names()
        return cls(Redactor(secret_values(config)), _compile(names))

    def clean_content(self, content: Any) -> str:
        """Text line by line; JSON value by value, so that it stays JSON."""
        if isinstance(content, str):
            return "\n".join(self.clean_text(line) for line in content.split("\n"))
        # First what the encoder makes of dates and ids.
        values = json.loads(json.dumps(content, default=str))
        return json.dumps(self._clean_value(values), indent=2, ensure_ascii=False)

    def clean_text(self, text: str) -> str:
        cleaned = self.redactor.clean(text)
        return self.names.sub(NAME, cleaned) if self.names else cleaned

    def _clean_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.clean_text(value)
        if isinstance(value, list):
            return [self._clean_value(item) for item in value]
        if isinstance(value, dict):
            return {
                self.clean_text(name): REDACTED
                if SECRET_NAME.search(name) and isinstance(item, str) and item not in ("", SET)
                else self._clean_value(item)
                for name, item in value.items()
            }
        return value


def _list_names() -> list[str]:
    try:
        rows = User.objects.values_list("username", "email")[:MOST_NAMES]
        return [name for row in rows for name in row if name]
    except DatabaseError:
        return []


def _compile(names: Iterable[str]) -> re.Pattern[str] | None:
    """Whole words in any case, the longest first, so that no part of a name is left."""
    kept = {name for name in names if len(name) >= SHORTEST_NAME and name.lower() not in NOBODYS_NAMES}
    if not kept:
        return None
    words = "|".join(re.escape(name) for name in sorted(kept, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
