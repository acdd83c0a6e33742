"""Groups of accounts, with their members."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.utils.translation import gettext

from accounts.admin.base import admin_origin
from accounts.admin.limit_words import say_allowance, say_kind
from accounts.groups import add_member, delete_group, remove_member, save_group
from accounts.limits.rules import Allowance
from accounts.models import AccountGroup, GroupMembership, LimitKind, LimitSubject
from gateway.admin_lists import DeclaredFilters


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # not subscriptable
    model = GroupMembership
    fields = ["user", "source", "created_at"]
    readonly_fields = ["source", "created_at"]
    autocomplete_fields = ["user"]
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: AccountGroup | None = None) -> bool:
        """Members are put in and taken out; there is nothing to change about one."""
        return False


@admin.register(AccountGroup)
class AccountGroupAdmin(DeclaredFilters):
    list_display = ["name", "claim_value", "member_count", "created_at"]
    search_fields = ["name", "claim_value"]
    fields = ["name", "claim_value", "limits_of_members"]
    readonly_fields = ["limits_of_members"]
    inlines = [MembershipInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccountGroup]:
        rows: QuerySet[AccountGroup] = super().get_queryset(request)
        return rows.annotate(members=Count("memberships"))

    @admin.display(description="members", ordering="members")
    def member_count(self, group: Any) -> int:
        return int(group.members)

    @admin.display(description="limits of each member")
    def limits_of_members(self, group: AccountGroup) -> str:
        """Each with the way to its page, and the way to a new one."""
        if group._state.adding:
            return gettext("Save the group first.")
        links = [
            (
                reverse("admin:accounts_limit_change", args=[limit.pk]),
                f"{say_kind(LimitKind(limit.kind))}: "
                f"{say_allowance(Allowance(limit.value, limit.window_s or 0))}",
            )
            for limit in group.limits.order_by("kind")
        ]
        query = urlencode({"subject": LimitSubject.GROUP.value, "group": str(group.pk)})
        links.append((f"{reverse('admin:accounts_limit_add')}?{query}", gettext("Set a limit")))
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>', links)

    def save_model(self, request: HttpRequest, obj: AccountGroup, form: Any, change: bool) -> None:
        save_group(group=obj, origin=admin_origin(request))

    def save_formset(
        self,
        request: HttpRequest,
        form: ModelForm[AccountGroup],
        formset: BaseModelFormSet[GroupMembership, ModelForm[GroupMembership]],
        change: bool,
    ) -> None:
        origin, group = admin_origin(request), form.instance
        added = formset.save(commit=False)
        for membership in formset.deleted_objects:
            remove_member(group=group, user=membership.user, origin=origin)
        for membership in added:
            add_member(group=group, user=membership.user, origin=origin)

    def delete_model(self, request: HttpRequest, obj: AccountGroup) -> None:
        delete_group(group=obj, origin=admin_origin(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AccountGroup]) -> None:
        for group in queryset:
            delete_group(group=group, origin=admin_origin(request))
