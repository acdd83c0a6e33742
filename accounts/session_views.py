"""Refresh, log out, and where the caller is logged in."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.cookie_sessions import cookie_session_id
from accounts.limits.throttle import bad_refreshes_counted
from accounts.models import Session
from accounts.rest_authentication import CookieAuthentication
from accounts.rest_caller import caller_of, principal_of, rest_origin
from accounts.serializers import (
    AccessTokenSerializer,
    LogoutSerializer,
    RefreshSerializer,
    SessionListSerializer,
    SessionSerializer,
    TokenPairSerializer,
)
from accounts.sessions import end_own_session, list_sessions, log_out, refresh_session
from accounts.tokens import issue_page_token
from accounts.views import pair_response
from gateway.errors import AuthenticationFailed
from gateway.rest import read


class RefreshView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []  # bad_refreshes_counted

    @extend_schema(
        request=RefreshSerializer,
        responses=TokenPairSerializer,
        tags=["auth"],
        summary="Exchange a refresh token for a new pair",
    )
    def post(self, request: Request) -> Response:
        with bad_refreshes_counted(request._request):
            body = read(RefreshSerializer(data=request.data))
            refreshed = refresh_session(origin=rest_origin(request), **body)
        return pair_response(*refreshed)


class LogoutView(APIView):
    permission_classes = [AllowAny]
    authentication_classes = []
    throttle_classes = []  # bad_refreshes_counted

    @extend_schema(
        request=LogoutSerializer,
        responses={204: None},
        tags=["auth"],
        summary="End a session, or all of them",
    )
    def post(self, request: Request) -> Response:
        with bad_refreshes_counted(request._request):
            body = read(LogoutSerializer(data=request.data))
            log_out(refresh_token=body["refresh_token"], everywhere=body["all"], origin=rest_origin(request))
        return Response(status=204)


class PageTokenView(APIView):
    """The pages' way to the whole API, also to the part that takes no cookies."""

    authentication_classes = [CookieAuthentication]

    @extend_schema(
        request=None,
        responses=AccessTokenSerializer,
        tags=["auth"],
        summary="An access token for a page, by its cookie",
        description="It lives half an hour, and ends with the cookie's session.",
    )
    def post(self, request: Request) -> Response:
        session_id = cookie_session_id(request._request)
        if session_id is None:
            raise AuthenticationFailed
        session = Session.objects.get(pk=session_id, user=caller_of(request))
        token, life_s = issue_page_token(session)
        return Response({"access_token": token, "token_type": "Bearer", "expires_in": life_s})


class SessionsView(APIView):
    @extend_schema(
        operation_id="list_sessions",
        responses=SessionListSerializer,
        tags=["auth"],
        summary="Where the caller is logged in",
    )
    def get(self, request: Request) -> Response:
        principal = principal_of(request)
        context = {"current_id": principal.session_id if principal else None}
        rows = list_sessions(caller_of(request))
        return Response({"object": "list", "data": SessionSerializer(rows, many=True, context=context).data})


class SessionView(APIView):
    @extend_schema(
        operation_id="end_session", responses={204: None}, tags=["auth"], summary="End one of the sessions"
    )
    def delete(self, request: Request, session_id: uuid.UUID) -> Response:
        end_own_session(user=caller_of(request), session_id=session_id, origin=rest_origin(request))
        return Response(status=204)
