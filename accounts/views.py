"""Log-in, refresh and the caller's own account."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import User
from accounts.serializers import (
    LoginSerializer,
    ProfileSerializer,
    RefreshSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from accounts.services import change_profile, log_in, refresh_session
from accounts.tokens import TokenPair
from gateway.errors import AuthenticationFailed


def _caller(request: Request) -> User:
    if not isinstance(request.user, User):
        raise AuthenticationFailed
    return request.user


def _pair_response(user: User, pair: TokenPair) -> Response:
    return Response(
        {
            "access_token": pair.access_token,
            "refresh_token": pair.refresh_token,
            "token_type": "Bearer",
            "expires_in": pair.expires_in,
            "user": UserSerializer(user).data,
        }
    )


class LoginView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(
        request=LoginSerializer,
        responses=TokenPairSerializer,
        tags=["auth"],
        summary="Log in with a user name or an e-mail address",
    )
    def post(self, request: Request) -> Response:
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        credentials = serializer.validated_data
        return _pair_response(*log_in(request=request._request, **credentials))


class RefreshView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(
        request=RefreshSerializer,
        responses=TokenPairSerializer,
        tags=["auth"],
        summary="Exchange a refresh token for a new pair",
    )
    def post(self, request: Request) -> Response:
        serializer = RefreshSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return _pair_response(*refresh_session(**serializer.validated_data))


class MeView(APIView):
    @extend_schema(responses=UserSerializer, tags=["auth"], summary="The caller's account")
    def get(self, request: Request) -> Response:
        return Response(UserSerializer(_caller(request)).data)

    @extend_schema(
        request=ProfileSerializer,
        responses=UserSerializer,
        tags=["auth"],
        summary="Change the caller's account",
    )
    def patch(self, request: Request) -> Response:
        serializer = ProfileSerializer(_caller(request), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        user = change_profile(user=_caller(request), changes=serializer.validated_data)
        return Response(UserSerializer(user).data)
