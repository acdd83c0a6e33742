"""What the account calls take and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts.models import User
from gateway.rest import StrictSerializer


class LoginSerializer(StrictSerializer):
    username = serializers.CharField(max_length=254, help_text="User name or e-mail address.")
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)


class RefreshSerializer(StrictSerializer):
    refresh_token = serializers.CharField(max_length=4096, write_only=True)


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
