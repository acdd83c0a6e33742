"""Accounts. Their rights are changed by other administrators only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from accounts import hashing
from accounts.admin.base import admin_origin
from accounts.admin.user_changes import paths_of_account
from accounts.admin.user_panels import describe_account
from accounts.audit import record_audit
from accounts.cookie_sessions import cookie_session_id
from accounts.leaving import remove_account
from accounts.models import (
    ApiKey,
    AuditEvent,
    DailyUsage,
    ExternalIdentity,
    GroupMembership,
    Session,
    User,
)
from accounts.models.users import COMPARED_FORMS
from accounts.services import record_password_reset, record_rights, set_active
from accounts.sessions import end_sessions
from accounts.stamps import account_change
from gateway.admin_lists import UncountedAdmin

RIGHTS = ["role", "is_active", "may_view_texts"]
OWN_PAGE = gettext_lazy("Your own password is changed here, with the old one.")
GO_ALONG = (Session, ApiKey, DailyUsage, ExternalIdentity, GroupMembership)
"""Rows that are deleted with their account."""
SHOWN_IN_TRAIL = frozenset({"username", "email", "locale"})

admin.site.unregister(Group)  # rights come from the role alone


@admin.register(User)
class UserAdmin(UncountedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # not subscriptable
    form = UserChangeForm
    add_form = AdminUserCreationForm
    list_display = ["username", "email", "role", "is_active", "last_login", "created_at"]
    list_filter = ["role", "is_active", "last_login"]
    search_fields = ["username", "email"]
    ordering = ["username"]
    searched_rows = None  # accounts are few beside what they write
    filter_horizontal = []
    readonly_fields = ["last_login", "created_at"]
    actions = ["end_all_sessions", "deactivate", "activate"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Profile", {"fields": ["email", "locale", "default_system_prompt"]}),
        ("Rights", {"fields": [*RIGHTS]}),
        ("Dates", {"fields": ["last_login", "created_at"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "email", "role", "usable_password", "password1", "password2"]})
    ]

    def get_urls(self) -> list[Any]:
        return [*paths_of_account(self), *super().get_urls()]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: User | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {"title": str(obj), "subtitle": None}
            context |= describe_account(obj, own_session=cookie_session_id(request))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Nobody changes their own rights; `record_rights` says so once more."""
        own = RIGHTS if obj is not None and obj.pk == request.user.pk else []
        return [*super().get_readonly_fields(request, obj), *own]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        is_own = obj is not None and obj.pk == request.user.pk
        return super().has_delete_permission(request, obj) and not is_own

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Sessions, keys and use go with their account, though their own pages delete nothing."""
        deleted, counts, missing_permissions, protected = super().get_deleted_objects(objs, request)
        go_along = {str(model._meta.verbose_name) for model in GO_ALONG}
        return deleted, counts, set(missing_permissions) - go_along, protected

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        origin = admin_origin(request)
        if not change:
            with transaction.atomic():
                obj.save()
                changes = {"role": [None, obj.role]}
                record_audit(
                    origin=origin, action=AuditEvent.Action.USER_CREATED, target=obj, changes=changes
                )
            return
        columns = [name for name in form.changed_data if name in form.cleaned_data]
        with account_change(obj.pk):
            before: dict[str, Any] = dict(User.objects.select_for_update().values().get(pk=obj.pk))
            # Only what was edited: the rest may have changed since the form was read.
            follow = [column for name in columns for column in COMPARED_FORMS.get(name, [])]
            obj.save(update_fields=columns + follow)
            record_rights(user=obj, before={name: before[name] for name in RIGHTS}, origin=origin)
            edited = {
                name: [before[name], getattr(obj, name)] if name in SHOWN_IN_TRAIL else "changed"
                for name in columns
                if name not in RIGHTS
            }
            if edited:
                action = AuditEvent.Action.USER_CHANGED
                record_audit(origin=origin, action=action, target=obj, changes=edited)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method != "POST":
            return super().add_view(request, form_url, extra_context)
        # The place first: Django opens a transaction, and SQLite's one writer must not wait for it.
        with hashing.hashing_gate().place():
            return super().add_view(request, form_url, extra_context)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is not None and user.pk == request.user.pk:
            self.message_user(request, str(OWN_PAGE), messages.WARNING)
            return HttpResponseRedirect(reverse("admin:password_change"))
        if user is None or request.method != "POST":
            return super().user_change_password(request, id, form_url)
        with hashing.hashing_gate().place(), account_change(user.pk):
            response = super().user_change_password(request, id, form_url)
            record_password_reset(user=user, origin=admin_origin(request))
        return response

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        if obj.pk == request.user.pk:
            self.message_user(request, gettext("Nobody deletes their own account."), messages.ERROR)
            return
        remove_account(user=obj, origin=admin_origin(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            self.delete_model(request, user)

    @admin.action(description="End all sessions of the selected accounts")
    def end_all_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        ended = end_sessions(list(queryset), reason=Session.EndReason.ADMIN, origin=admin_origin(request))
        text = gettext("{count} sessions ended.").format(count=ended)
        self.message_user(request, text, messages.SUCCESS)

    @admin.action(description="Deactivate the selected accounts")
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, is_active=False)

    @admin.action(description="Activate the selected accounts")
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_active(request, queryset, is_active=True)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], *, is_active: bool) -> None:
        origin = admin_origin(request)
        others = [user for user in queryset if user != request.user]
        changed = sum(set_active(user=user, is_active=is_active, origin=origin) for user in others)
        text = gettext("{count} accounts changed, never your own.").format(count=changed)
        self.message_user(request, text, messages.SUCCESS)
