"""The origin of changes that are made in the admin."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.change_origin import ChangeOrigin, origin_of
from accounts.models import User, Via


def admin_origin(request: HttpRequest) -> ChangeOrigin:
    """The administrator who is changing something, for services and the audit trail."""
    return origin_of(request, via=Via.ADMIN, actor=request.user if isinstance(request.user, User) else None)
