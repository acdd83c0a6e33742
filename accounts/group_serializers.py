"""What the calls about groups take and answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import AccountGroup, GroupMembership, LimitKind
from accounts.models.groups import MAX_GROUP_NAME
from accounts.models.limits import MAX_LIMIT, MAX_WINDOW_S
from accounts.serializers import LimitsSerializer
from gateway.rest import StrictSerializer


class GroupFieldsSerializer(StrictSerializer):
    name = serializers.CharField(max_length=MAX_GROUP_NAME)
    claim_value = serializers.CharField(
        max_length=255,
        required=False,
        allow_blank=True,
        help_text="The value of OIDC_GROUPS_CLAIM that makes a member; empty: the name of the group.",
    )


class GroupLimitSerializer(StrictSerializer):
    limit = serializers.IntegerField(min_value=0, max_value=MAX_LIMIT, help_text="0: no limit.")
    window_s = serializers.IntegerField(
        min_value=1,
        max_value=MAX_WINDOW_S,
        required=False,
        allow_null=True,
        default=None,
        help_text="Seconds; not for answers at a time.",
    )


class MemberSerializer(serializers.ModelSerializer[GroupMembership]):
    id = serializers.UUIDField(source="user_id", help_text="Of the account.")
    username = serializers.CharField(source="user.username")
    since = serializers.DateTimeField(source="created_at")

    class Meta:
        model = GroupMembership
        fields = ["id", "username", "source", "since"]
        read_only_fields = fields


class GroupSerializer(serializers.ModelSerializer[AccountGroup]):
    limits = serializers.SerializerMethodField(help_text="Of each member; null where the group says nothing.")
    members = MemberSerializer(source="memberships", many=True)

    class Meta:
        model = AccountGroup
        fields = ["id", "name", "claim_value", "created_at", "limits", "members"]
        read_only_fields = fields

    @extend_schema_field(LimitsSerializer)
    def get_limits(self, group: AccountGroup) -> Any:
        numbers = {row.kind: {"limit": row.value, "window_s": row.window_s} for row in group.limits.all()}
        return {kind.value: numbers.get(kind.value) for kind in LimitKind}


class GroupListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = GroupSerializer(many=True)  # type: ignore[assignment]  # a field, not the property
