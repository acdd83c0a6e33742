"""What the account calls take and answer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.limits.rules import Allowance
from accounts.models import DailyUsage, Session, User
from accounts.oidc.break_glass import may_use_password
from gateway.conf import get_config
from gateway.rest import StrictSerializer

MAX_LOGIN_NAME = 254
MAX_PASSWORD = 1024


class LoginSerializer(StrictSerializer):
    username = serializers.CharField(max_length=MAX_LOGIN_NAME, help_text="User name or e-mail address.")
    password = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True)


class RegistrationSerializer(StrictSerializer):
    username = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_null=True, max_length=254)
    password = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True)


class RefreshSerializer(StrictSerializer):
    refresh_token = serializers.CharField(max_length=4096, write_only=True)


class LogoutSerializer(StrictSerializer):
    refresh_token = serializers.CharField(max_length=4096, write_only=True)
    all = serializers.BooleanField(default=False, help_text="End every session of the account.")


class PasswordSerializer(StrictSerializer):
    current = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True)
    new = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True)


class LeavingSerializer(StrictSerializer):
    password = serializers.CharField(max_length=MAX_PASSWORD, trim_whitespace=False, write_only=True)


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "email", "role", "default_system_prompt", "locale", "created_at"]
        read_only_fields = fields


class AllowanceSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(source="value")
    window_s = serializers.SerializerMethodField(help_text="Seconds; null for answers at a time.")

    def get_window_s(self, allowance: Allowance) -> int | None:
        return allowance.window_s or None


class LimitsSerializer(serializers.Serializer[Any]):
    """What applies to the account; null where nothing does."""

    requests = AllowanceSerializer(allow_null=True)
    tokens = AllowanceSerializer(allow_null=True)
    streams = AllowanceSerializer(allow_null=True, help_text="Answers being generated at a time.")


class DailyUsageSerializer(serializers.ModelSerializer[DailyUsage]):
    class Meta:
        model = DailyUsage
        fields = ["day", "requests", "prompt_tokens", "completion_tokens"]
        read_only_fields = fields


class OwnAccountSerializer(UserSerializer):
    """With `limits` and `usage_today` in the context."""

    has_password = serializers.SerializerMethodField(
        help_text="Whether a password signs in to the account; without one an identity provider does."
    )
    limits = serializers.SerializerMethodField()
    usage_today = serializers.SerializerMethodField(
        help_text="Of the day in UTC; a few seconds may be missing."
    )

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "has_password", "limits", "usage_today"]
        read_only_fields = fields

    def get_has_password(self, user: User) -> bool:
        return user.has_usable_password() and may_use_password(user, get_config())

    @extend_schema_field(LimitsSerializer)
    def get_limits(self, user: User) -> Any:
        return LimitsSerializer({kind.value: value for kind, value in self.context["limits"].items()}).data

    @extend_schema_field(DailyUsageSerializer)
    def get_usage_today(self, user: User) -> Any:
        return DailyUsageSerializer(self.context["usage_today"]).data


class TokenPairSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(help_text="Always `Bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
    user = UserSerializer()


class AccessTokenSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.CharField(help_text="Always `Bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds until the token expires.")


class SessionSerializer(serializers.ModelSerializer[Session]):
    is_current = serializers.SerializerMethodField(help_text="The session that asks.")

    class Meta:
        model = Session
        fields = [
            *("id", "kind", "created_at", "last_used_at", "expires_at", "user_agent", "address"),
            "is_current",
        ]
        read_only_fields = fields

    def get_is_current(self, session: Session) -> bool:
        return session.pk == self.context.get("current_id")


class SessionListSerializer(serializers.Serializer[Any]):
    object = serializers.CharField(help_text="Always `list`.")
    data = SessionSerializer(many=True)  # type: ignore[assignment]  # a field, not the property


class ProfileSerializer(StrictSerializer, serializers.ModelSerializer[User]):
    """The part of an account that its owner may change."""

    class Meta:
        model = User
        fields = ["email", "default_system_prompt", "locale"]

    def validate_email(self, value: str | None) -> str | None:
        if not value:
            return None
        own = self.instance if isinstance(self.instance, User) else None
        if User.objects.is_address_taken(value, by_other_than=own):
            raise serializers.ValidationError("This e-mail address is taken.")
        return value
