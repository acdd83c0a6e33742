"""REST views of the service's state, of switches and of engines."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.errors import PermissionDenied
from gateway.rest import StrictSerializer, answer, caller_id
from modelops.api.profile_serializers import EmptyQuerySerializer
from modelops.api.status_serializers import StatusSerializer
from modelops.api.switch_answers import serialise_engine, serialise_switch, serialise_switch_detail
from modelops.api.switch_serializers import (
    AcceptedSwitchSerializer,
    EngineListSerializer,
    EngineQuerySerializer,
    PlanAnswerSerializer,
    SwitchDetailSerializer,
    SwitchListSerializer,
    SwitchQuerySerializer,
    SwitchRequestSerializer,
)
from modelops.domain.switching.plan import Plan
from modelops.domain.switching.request import SwitchRequest
from modelops.models import Switch
from modelops.switching.actor import Actor
from modelops.switching.cancelling import cancel_switch
from modelops.switching.contexts import keep_context
from modelops.switching.requests import RequestOutcome, preview_switch, request_switch
from modelops.switching.selectors import get_switch, list_engines, list_switches
from modelops.switching.slot_status import find_default_status
from modelops.switching.status import reduce_status, serialise_status


class StatusView(APIView):
    permission_classes = [AllowAny]

    def perform_authentication(self, request: Request) -> None:
        """A key without `models:read` gets the same answer as a request without a credential."""
        try:
            super().perform_authentication(request)
        except PermissionDenied:
            request.user = AnonymousUser()

    @extend_schema(
        operation_id="get_model_status",
        responses=StatusSerializer,
        tags=["models"],
        summary="What is served, and what is being done about it",
        description="Without a credential, or with a key without `models:read`, the answer has `state` and "
        "`current_profile` alone.",
    )
    def get(self, request: Request) -> Response:
        _read(EmptyQuerySerializer, request.query_params.dict())
        if not request.user.is_authenticated:
            return answer(reduce_status(find_default_status()))
        return answer(serialise_status(for_admin=is_admin(request)))


class SwitchView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="switch_model",
        request=SwitchRequestSerializer,
        responses={
            202: OpenApiResponse(AcceptedSwitchSerializer, "The switch that leads there."),
            200: OpenApiResponse(PlanAnswerSerializer, "A dry run, or nothing to do."),
        },
        tags=["models"],
        summary="Serve another profile",
        description="A refusal (409) carries the `plan` beside the `error`.",
    )
    def post(self, request: Request) -> Response:
        values = _read(SwitchRequestSerializer, request.data)
        is_dry_run = values.pop("dry_run")
        wanted = SwitchRequest(values.pop("profile_id"), **values)
        if is_dry_run:
            return _answer_plan(preview_switch(wanted), dry_run=True)
        requested = request_switch(wanted, find_actor(request))
        if requested.switch is None:
            return _answer_plan(requested.plan, already_active=True)
        joining = {
            "joined": requested.outcome is RequestOutcome.JOINED,
            "taken_over": list(requested.taken_over),
        }
        return answer(_detail(requested.switch, request) | joining, status=202)


class SwitchesView(APIView):
    @extend_schema(
        operation_id="list_switches",
        parameters=[SwitchQuerySerializer],
        responses=SwitchListSerializer,
        tags=["models"],
        summary="The switches so far, newest first",
    )
    def get(self, request: Request) -> Response:
        page, has_more = list_switches(**_read(SwitchQuerySerializer, request.query_params.dict()))
        now, for_admin = timezone.now(), is_admin(request)
        return answer(
            {
                "object": "list",
                "data": [serialise_switch(each, now, for_admin=for_admin) for each in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": has_more,
            }
        )


class SwitchDetailView(APIView):
    @extend_schema(
        operation_id="get_switch",
        responses=SwitchDetailSerializer,
        tags=["models"],
        summary="A switch: what happened, how long it took, why it failed",
    )
    def get(self, request: Request, switch_id: uuid.UUID) -> Response:
        _read(EmptyQuerySerializer, request.query_params.dict())
        return answer(_detail(get_switch(switch_id), request))


class SwitchCancelView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="cancel_switch",
        request=EmptyQuerySerializer,
        responses={202: SwitchDetailSerializer},
        tags=["models"],
        summary="End a switch: what served before goes on, or is started again",
    )
    def post(self, request: Request, switch_id: uuid.UUID) -> Response:
        _read(EmptyQuerySerializer, request.data)
        switch = cancel_switch(switch_id, find_actor(request))
        return answer(_detail(switch, request), status=202)


class SwitchKeepContextView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="keep_switch_context",
        request=EmptyQuerySerializer,
        responses=SwitchDetailSerializer,
        tags=["models"],
        summary="Have the profile ask for the shorter context that its switch came up with",
        description="409 where the switch came up with all that was asked for, or serves no more. Touches no "
        "engine; safe to repeat.",
    )
    def post(self, request: Request, switch_id: uuid.UUID) -> Response:
        _read(EmptyQuerySerializer, request.data)
        keep_context(switch_id, find_actor(request))
        return Response(_detail(get_switch(switch_id), request))


class EnginesView(APIView):
    @extend_schema(
        operation_id="list_engines",
        parameters=[EngineQuerySerializer],
        responses=EngineListSerializer,
        tags=["models"],
        summary="The engines started so far: what was expected of each, and what it took",
    )
    def get(self, request: Request) -> Response:
        engines = list_engines(**_read(EngineQuerySerializer, request.query_params.dict()))
        for_admin = is_admin(request)
        return answer({"engines": [serialise_engine(each, for_admin=for_admin) for each in engines]})


def _read(kind: type[StrictSerializer], content: Any) -> dict[str, Any]:
    serializer = kind(data=content)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def _answer_plan(plan: Plan, *, dry_run: bool = False, already_active: bool = False) -> Response:
    content = {"dry_run": dry_run, "already_active": already_active, "plan": plan.serialise()}
    return answer(content)


def _detail(switch: Switch, request: Request) -> dict[str, Any]:
    return serialise_switch_detail(switch, timezone.now(), for_admin=is_admin(request))


def find_actor(request: Request) -> Actor:
    """Who asks. A cookie is a page's of the admin, which nothing else is let in with."""
    is_page = getattr(request.auth, "kind", "") == "cookie"
    return Actor(
        Switch.Via.ADMIN if is_page else Switch.Via.API,
        caller_id(request),
        request.user.get_username(),
        request=request,
    )


def is_admin(request: Request) -> bool:
    return bool(getattr(request.user, "is_staff", False))
