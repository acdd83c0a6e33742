"""Log-in, registration and the caller's own account."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.leaving import leave
from accounts.limits.in_force import limits_of_account
from accounts.limits.throttle import admit_login
from accounts.models import User
from accounts.rest_caller import caller_of, rest_origin
from accounts.serializers import (
    LeavingSerializer,
    LoginSerializer,
    OwnAccountSerializer,
    PasswordSerializer,
    ProfileSerializer,
    RegistrationSerializer,
    TokenPairSerializer,
    UserSerializer,
)
from accounts.services import change_own_password, change_profile, log_in, register
from accounts.tokens import TokenPair
from accounts.usage.log import usage_of_today
from gateway.rest import read


def pair_response(user: User, pair: TokenPair, *, status: int = 200) -> Response:
    content = {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
        "user": UserSerializer(user).data,
    }
    return Response(content, status=status)


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
        credentials = read(LoginSerializer(data=request.data))
        return pair_response(*log_in(request=request._request, origin=rest_origin(request), **credentials))


class RegisterView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []

    @extend_schema(
        request=RegistrationSerializer,
        responses={201: TokenPairSerializer},
        tags=["auth"],
        summary="Create an account, where REGISTRATION is on",
    )
    def post(self, request: Request) -> Response:
        account = read(RegistrationSerializer(data=request.data))
        admit_login(request._request, username=account["username"])
        return pair_response(*register(origin=rest_origin(request), **account), status=201)


def _describe_own(user: User) -> Response:
    context = {"limits": limits_of_account(user), "usage_today": usage_of_today(user)}
    return Response(OwnAccountSerializer(user, context=context).data)


class MeView(APIView):
    @extend_schema(
        responses=OwnAccountSerializer,
        tags=["auth"],
        summary="The caller's account, with its limits and what was used of them today",
    )
    def get(self, request: Request) -> Response:
        return _describe_own(caller_of(request))

    @extend_schema(
        request=ProfileSerializer,
        responses=OwnAccountSerializer,
        tags=["auth"],
        summary="Change the caller's account",
    )
    def patch(self, request: Request) -> Response:
        user = caller_of(request)
        changes = read(ProfileSerializer(user, data=request.data, partial=True))
        return _describe_own(change_profile(user=user, changes=changes))

    @extend_schema(
        request={"application/json": LeavingSerializer},
        responses={204: None},
        tags=["auth"],
        summary="Remove the caller's account, and everything in it, for good",
    )
    def delete(self, request: Request) -> Response:
        user = caller_of(request)
        password = read(LeavingSerializer(data=request.data))["password"]
        leave(request=request._request, user=user, password=password, origin=rest_origin(request))
        return Response(status=204)


class PasswordView(APIView):
    @extend_schema(
        request=PasswordSerializer,
        responses=TokenPairSerializer,
        tags=["auth"],
        summary="Change the password; every other session ends",
    )
    def post(self, request: Request) -> Response:
        user = caller_of(request)
        passwords = read(PasswordSerializer(data=request.data))
        pair = change_own_password(
            request=request._request, user=user, origin=rest_origin(request), **passwords
        )
        return pair_response(user, pair)
