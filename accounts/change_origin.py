"""Who made a change, how and from where: what services pass on to the audit trail."""

from __future__ import annotations

from dataclasses import dataclass

from accounts.client_address import HasMeta, client_address
from accounts.models import User, Via
from accounts.models.sessions import MAX_USER_AGENT
from gateway.audit import operating_system_user
from gateway.request_id import current_request_id


@dataclass(frozen=True)
class ChangeOrigin:
    via: Via
    actor: User | None = None
    address: str | None = None
    user_agent: str = ""
    request_id: str = ""

    @property
    def actor_name(self) -> str:
        """On the command line, whom the operating system knows."""
        if self.actor is not None:
            return self.actor.username
        return operating_system_user() if self.via is Via.COMMAND else ""


SYSTEM = ChangeOrigin(Via.SYSTEM)
COMMAND = ChangeOrigin(Via.COMMAND)


def origin_of(request: HasMeta, *, via: Via, actor: User | None = None) -> ChangeOrigin:
    return ChangeOrigin(
        via=via,
        actor=actor,
        address=client_address(request),
        user_agent=plain_text(request.META.get("HTTP_USER_AGENT", ""), MAX_USER_AGENT),
        request_id=current_request_id.get(),
    )


def plain_text(text: str, length: int) -> str:
    """`text` without control characters and lone surrogates, cut to `length`: fit for a list and a log."""
    return "".join(c for c in text if c.isprintable())[:length].strip()
