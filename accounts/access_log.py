"""Names the caller on a request's line of the access log, which `gateway.asgi` writes on both planes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from accounts.principals import CredentialKind

LOG_FIELDS = "gateway.log"
"""The key of the line's fields in the ASGI scope."""


def name_caller(
    scope: Mapping[str, Any],
    user_id: uuid.UUID,
    kind: CredentialKind,
    key_id: uuid.UUID | None = None,
) -> None:
    """Put the account and its credential on the line, also when the request is refused later."""
    fields = scope.get(LOG_FIELDS)
    if fields is not None:  # a request of Django's test client has none
        fields["user_id"] = str(user_id)
        fields["credential"] = kind.value
        if key_id is not None:
            fields["key_id"] = str(key_id)
