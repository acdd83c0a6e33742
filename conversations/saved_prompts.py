"""The library of prompts: everybody's own, and those that administrators share with all.

What is shared is an administrator's to change: somebody who is none any more can take it back, no more.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import TupleGreaterThan

from conversations.models import SavedPrompt
from gateway.errors import InvalidRequest, NotFound, PermissionDenied
from gateway.wording import fill_in

MOST_PROMPTS = 500
"""Of one account."""


def list_prompts(
    *, user_id: uuid.UUID, limit: int, after: uuid.UUID | None = None, q: str = ""
) -> tuple[list[SavedPrompt], bool]:
    """A page of what this user may use, by title, and whether more follow.

    `after` is the last id of the page before. Raises InvalidRequest when it names none of them.
    """
    usable = SavedPrompt.objects.filter(Q(owner_id=user_id) | Q(is_shared=True))
    rows = usable.filter(title__icontains=q) if q else usable
    if after:
        cursor = usable.filter(pk=after).values_list("title", "id").first()
        if cursor is None:
            raise InvalidRequest("The cursor names none of the prompts.", param="after")
        rows = rows.filter(TupleGreaterThan((F("title"), F("id")), cursor))
    page = list(rows.order_by("title", "id")[: limit + 1])
    return page[:limit], len(page) > limit


def create_prompt(
    *, owner_id: uuid.UUID, is_admin: bool, title: str, content: str, is_shared: bool = False
) -> SavedPrompt:
    """Raises PermissionDenied unless an administrator shares it, InvalidRequest for a title that is taken or
    one prompt too many.
    """
    _check_sharing(is_shared, is_admin)
    if SavedPrompt.objects.filter(owner_id=owner_id).count() >= MOST_PROMPTS:
        raise InvalidRequest(
            fill_in("There are {most} prompts already. Delete some first.", most=MOST_PROMPTS)
        )
    try:
        with transaction.atomic():
            return SavedPrompt.objects.create(
                owner_id=owner_id, title=title, content=content, is_shared=is_shared
            )
    except IntegrityError as exc:
        raise _title_is_taken() from exc


def change_prompt(
    *, owner_id: uuid.UUID, is_admin: bool, prompt_id: uuid.UUID, changes: Mapping[str, Any]
) -> SavedPrompt:
    """Change title, content or is_shared of an own prompt.

    Raises NotFound for one that is missing or somebody else's, shared or not; otherwise as `create_prompt`.
    """
    try:
        with transaction.atomic():
            prompt = SavedPrompt.objects.select_for_update().filter(owner_id=owner_id, pk=prompt_id).first()
            if prompt is None:
                raise NotFound("There is no such prompt.")
            for name, value in changes.items():
                setattr(prompt, name, value)
            _check_sharing(prompt.is_shared, is_admin)
            prompt.save(update_fields=[*changes, "updated_at"])
    except IntegrityError as exc:
        raise _title_is_taken() from exc
    return prompt


def delete_prompt(*, owner_id: uuid.UUID, prompt_id: uuid.UUID) -> None:
    """Raises NotFound as `change_prompt`."""
    deleted, _by_model = SavedPrompt.objects.filter(owner_id=owner_id, pk=prompt_id).delete()
    if not deleted:
        raise NotFound("There is no such prompt.")


def _check_sharing(is_shared: bool, is_admin: bool) -> None:
    if is_shared and not is_admin:
        raise PermissionDenied("Only administrators share prompts, and change shared ones.", param="shared")


def _title_is_taken() -> InvalidRequest:
    return InvalidRequest("You have a prompt of this title.", param="title")
