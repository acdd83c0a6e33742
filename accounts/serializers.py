"""What the account calls take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import Session, User
from gateway.rest import StrictSerializer

MAX_PASSWORD = 1024


class LoginSerializer(StrictSerializer):
    username = serializers.CharField(max_length=254, help_text="User name or e-mail address.")
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


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "username", "email", "role", "default_system_prompt", "locale", "created_at"]
        read_only_fields = fields


class TokenPairSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField(help_text="Always `Bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds until the access token expires.")
    user = UserSerializer()


class SessionSerializer(serializers.ModelSerializer[Session]):
    is_current = serializers.SerializerMethodField(help_text="The session that asks.")

    class Meta:
        model = Session
        fields = ["id", "created_at", "last_used_at", "expires_at", "user_agent", "address", "is_current"]
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
        others = User.objects.filter(email__iexact=value)
        if isinstance(self.instance, User):
            others = others.exclude(pk=self.instance.pk)
        if others.exists():
            raise serializers.ValidationError("This e-mail address is taken.")
        return value
