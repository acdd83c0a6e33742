"""Bearer tokens for Django REST framework; settings name this class by its path."""

from __future__ import annotations

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.authentication import bearer_token
from accounts.models import User
from accounts.tokens import AccessTokenVerifier
from gateway.errors import AuthenticationFailed


class BearerAuthentication(BaseAuthentication):
    """Takes `Authorization: Bearer <access token>`; leaves requests without that header anonymous."""

    verifier = AccessTokenVerifier()

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        claims = self.verifier.verify(bearer_token(header))
        user = User.objects.filter(pk=claims.user_id, is_active=True).first()
        if user is None:
            raise AuthenticationFailed("The account of this token is not active.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="gateway"'
