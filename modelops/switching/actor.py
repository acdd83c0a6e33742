"""Who asks for a switch, or for the end of one."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from gateway.audit import Requester


@dataclass(frozen=True)
class Actor:
    """`via` is a `Switch.Via`; `request` is what the audit trail takes the account and the address from."""

    via: str
    user_id: uuid.UUID | None = None
    name: str = ""
    request: Requester = field(default=None, repr=False, compare=False)
