"""Who made a change, and from where: what services are told about their caller."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Protocol

from accounts.models import User, Via
from accounts.models.sessions import MAX_USER_AGENT
from gateway.request_id import current_request_id


class HasMeta(Protocol):
    """Django's requests and Django REST framework's."""

    @property
    def META(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Origin:
    via: Via
    actor: User | None = None
    address: str | None = None
    user_agent: str = ""
    request_id: str = ""


SYSTEM = Origin(Via.SYSTEM)
COMMAND = Origin(Via.COMMAND)


def origin_of(request: HasMeta, *, via: Via, actor: User | None = None) -> Origin:
    return Origin(
        via=via,
        actor=actor,
        address=client_address(request),
        user_agent=plain_text(request.META.get("HTTP_USER_AGENT", ""), MAX_USER_AGENT),
        request_id=current_request_id.get(),
    )


def client_address(request: HasMeta) -> str | None:
    """The peer's address; None when there is none (a Unix socket)."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def plain_text(text: str, length: int) -> str:
    """`text` without control characters and lone surrogates, cut to `length`: fit for a list and a log."""
    return "".join(c for c in text if c.isprintable())[:length].strip()
