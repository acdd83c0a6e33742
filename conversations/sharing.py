"""Links by which people without an account read one branch of a conversation, as it was when it was shared.

A link is a row, and its token the row's id, signed: nothing secret is stored, and its owner can be shown the
token again. It changes with SECRET_KEY, which ends every link.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from conversations.models import Message, MessageRole, SharedLink
from conversations.selectors import get_conversation, load_branch_page
from conversations.services import lock_conversation
from gateway.conf import get_config
from gateway.errors import InvalidRequest, NotFound, PermissionDenied
from gateway.ids import parse_id
from gateway.wording import fill_in

MOST_LINKS = 500
"""Of one account."""
SHOWN_ROLES = frozenset({MessageRole.USER, MessageRole.ASSISTANT})
"""Neither prompts of the system nor what tools were asked and answered."""


def share_conversation(
    *, owner_id: uuid.UUID, conversation_id: uuid.UUID, expires_in_days: int | None = None
) -> SharedLink:
    """A new link to the active branch up to here. Without `expires_in_days` it lasts as long as it may.

    Raises NotFound, PermissionDenied where links are switched off, and InvalidRequest for a conversation
    without messages, a link that would last too long, or one too many.
    """
    config, now = get_config(), timezone.now()
    with transaction.atomic():
        conversation = lock_conversation(owner_id=owner_id, conversation_id=conversation_id)
        if not config.shared_links:
            raise PermissionDenied("Shared links are switched off.")
        if conversation.head_id is None:
            raise InvalidRequest("Nothing was said in this conversation yet.")
        days = expires_in_days or config.shared_link_days
        if days > config.shared_link_days:
            message = fill_in("A link lasts {days} days at most.", days=config.shared_link_days)
            raise InvalidRequest(message, param="expires_in_days")
        own = SharedLink.objects.filter(owner_id=owner_id)
        own.filter(expires_at__lte=now).delete()
        if own.count() >= MOST_LINKS:
            raise InvalidRequest(
                fill_in("There are {most} links already. Revoke some first.", most=MOST_LINKS)
            )
        return SharedLink.objects.create(
            owner_id=owner_id,
            conversation=conversation,
            head_id=conversation.head_id,
            expires_at=now + timedelta(days=days),
        )


def list_links(*, owner_id: uuid.UUID, conversation_id: uuid.UUID | None = None) -> list[SharedLink]:
    """The owner's links, newest first, those that expired too until the next one is made.

    Raises NotFound for a conversation that is none of theirs.
    """
    links = SharedLink.objects.filter(owner_id=owner_id, conversation__deleted_at=None)
    if conversation_id is not None:
        links = links.filter(conversation=get_conversation(user_id=owner_id, conversation_id=conversation_id))
    return list(links.select_related("conversation").order_by("-created_at", "-id"))


def revoke_link(*, owner_id: uuid.UUID, share_id: uuid.UUID) -> None:
    """Raises NotFound."""
    deleted, _by_model = SharedLink.objects.filter(owner_id=owner_id, pk=share_id).delete()
    if not deleted:
        raise NotFound("There is no such link.")


@dataclass(frozen=True)
class SharedPage:
    """A part of what a link shows, oldest message first."""

    title: str
    messages: list[Message]
    before: str | None
    """The cursor of the page before; None on the first one."""


def read_shared(token: str, *, limit: int, before: str = "") -> SharedPage:
    """The last messages that the link shows, or those of the page `before`.

    Raises the same NotFound for whatever is no link that works, and InvalidRequest for a cursor that is none
    of the link's.
    """
    link = _find_link(token)
    page, has_more = load_branch_page(_end_of_page(link, before), limit=limit)
    shown = [m for m in page if m.role in SHOWN_ROLES and (m.content or m.parts)]
    cursor = _cursor_signer(link).sign(page[0].id.hex) if has_more else None
    return SharedPage(link.conversation.title, shown, cursor)


def _find_link(token: str) -> SharedLink:
    share_id = read_token(token) if get_config().shared_links else None
    working = SharedLink.objects.filter(
        Q(expires_at=None) | Q(expires_at__gt=timezone.now()),
        conversation__deleted_at=None,
        owner__is_active=True,
    )
    link = working.filter(pk=share_id).select_related("conversation").first() if share_id else None
    if link is None:
        raise NotFound("There is no such link.")
    return link


def _end_of_page(link: SharedLink, before: str) -> uuid.UUID | None:
    if not before:
        return link.head_id
    parent_id = None
    if (first_id := _unsign(_cursor_signer(link), before)) is not None:
        parent_id = Message.objects.filter(pk=first_id).values_list("parent_id", flat=True).first()
    if parent_id is None:
        raise InvalidRequest("The cursor names no page of this link.", param="before")
    return parent_id


def make_token(share_id: uuid.UUID) -> str:
    return _token_signer().sign(share_id.hex)


def read_token(token: str) -> uuid.UUID | None:
    """The id of the link, or None for what was not signed here."""
    return _unsign(_token_signer(), token)


def _unsign(signer: Signer, text: str) -> uuid.UUID | None:
    try:
        return parse_id(signer.unsign(text))
    except BadSignature:
        return None


def _token_signer() -> Signer:
    return Signer(salt="conversations.shared_link", sep=".")


def _cursor_signer(link: SharedLink) -> Signer:
    """Signed, so that a reader asks for nothing but what the branch leads to."""
    return Signer(salt=f"conversations.shared_link.{link.id.hex}", sep=".")
