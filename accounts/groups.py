"""Groups of accounts: create, change and delete them, and say who is in them. Each goes on record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.audit import record_audit
from accounts.change_origin import ChangeOrigin
from accounts.limits.rows import delete_limits_of
from accounts.models import AccountGroup, GroupMembership, User

FIELDS = ("name", "claim_value")
Source = GroupMembership.Source


def save_group(*, group: AccountGroup, origin: ChangeOrigin) -> AccountGroup:
    """Store a group, new or changed. Raises ValidationError."""
    with transaction.atomic():
        before = AccountGroup.objects.filter(pk=group.pk).values(*FIELDS).first()
        group.full_clean()
        group.save()
        after = {name: getattr(group, name) for name in FIELDS}
        if before is None:
            changes = {name: [None, value] for name, value in after.items() if value}
            record_audit(origin=origin, action="accountgroup_created", target=group, changes=changes)
        elif before != after:
            _record_change(group, origin, _differences(before, after))
    return group


def delete_group(*, group: AccountGroup, origin: ChangeOrigin) -> None:
    """Delete a group and its limits: for its members what is less specific counts again."""
    with transaction.atomic():
        delete_limits_of(groups=[group], origin=origin)
        record_audit(origin=origin, action="accountgroup_deleted", target=group)
        group.delete()


def list_groups() -> QuerySet[AccountGroup]:
    """Every group, with its members and limits, by name."""
    return AccountGroup.objects.prefetch_related("limits", "memberships__user")


def add_member(*, group: AccountGroup, user: User, origin: ChangeOrigin) -> bool:
    """Put an account into a group for good; False when it is in it by an administrator's word already.

    Of one that the identity provider put there the provider no longer decides.
    """
    with transaction.atomic():
        found, is_new = GroupMembership.objects.select_for_update().get_or_create(group=group, user=user)
        if is_new:
            _record_change(group, origin, {"member": [None, user.username]})
        elif found.source != Source.ADMIN:
            found.source = Source.ADMIN
            found.save(update_fields=["source"])
            _record_change(group, origin, {"source": [Source.CLAIM, Source.ADMIN], "member": user.username})
        else:
            return False
    return True


def remove_member(*, group: AccountGroup, user: User, origin: ChangeOrigin) -> bool:
    """Take an account out of a group; False when it is in it no longer."""
    with transaction.atomic():
        removed, _of_each_model = GroupMembership.objects.filter(group=group, user=user).delete()
        if removed:
            _record_change(group, origin, {"member": [user.username, None]})
    return bool(removed)


def follow_claim(*, user: User, values: Collection[str], origin: ChangeOrigin) -> None:
    """Put an account into the groups that the identity provider names, and out of those it names no longer.

    Groups that do not exist are not created, and what an administrator decided stays.
    """
    named = [group for group in AccountGroup.objects.all() if (group.claim_value or group.name) in values]
    own = replace(origin, actor=None)  # the provider decides, not the account
    with transaction.atomic():
        known = GroupMembership.objects.filter(user=user).select_related("group")
        memberships = {membership.group_id: membership for membership in known}
        for group in named:
            if group.pk not in memberships:
                _added, is_new = GroupMembership.objects.get_or_create(
                    group=group, user=user, defaults={"source": Source.CLAIM}
                )
                if is_new:
                    _record_change(group, own, {"member": [None, user.username]})
        _leave(memberships.values(), {group.pk for group in named}, own)


def _leave(memberships: Iterable[GroupMembership], named: Collection[Any], origin: ChangeOrigin) -> None:
    for membership in memberships:
        if membership.source == Source.CLAIM and membership.group_id not in named:
            membership.delete()
            _record_change(membership.group, origin, {"member": [membership.user.username, None]})


def _record_change(group: AccountGroup, origin: ChangeOrigin, changes: Mapping[str, object]) -> None:
    record_audit(origin=origin, action="accountgroup_changed", target=group, changes=changes)


def _differences(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    return {name: [before[name], after[name]] for name in FIELDS if before[name] != after[name]}
