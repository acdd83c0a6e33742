"""REST views of slots: everybody reads, admins make, change and retire."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import SAFE_METHODS, IsAdminUser, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.rest import answer, read
from modelops.api.profile_serializers import EmptyQuerySerializer
from modelops.api.slot_serializers import (
    SlotChangeSerializer,
    SlotCreationSerializer,
    SlotListSerializer,
    SlotQuerySerializer,
    SlotRetirementSerializer,
    SlotSerializer,
    SlotWishSerializer,
)
from modelops.api.switch_views import find_actor, is_admin
from modelops.switching.boxes import list_boxes
from modelops.switching.placing import SlotWish, change_slot, create_slot
from modelops.switching.retiring import SlotChange, retire_slot
from modelops.switching.slot_details import describe_slot, describe_slots, serialise_slot_details
from modelops.switching.slot_status import find_slot_statuses

REFUSALS = (
    "409 `slot_refused` says what is in the way: a card of another slot with that slot's name, a switch "
)
REFUSALS += "that is under way, an engine that runs on a card that would be taken."


class SlotsView(APIView):
    def get_permissions(self) -> list[Any]:
        return [IsAuthenticated() if self.request.method in SAFE_METHODS else IsAdminUser()]

    @extend_schema(
        operation_id="list_slots",
        parameters=[SlotQuerySerializer],
        responses=SlotListSerializer,
        tags=["models"],
        summary="The slots, and the boxes with their cards",
    )
    def get(self, request: Request) -> Response:
        query = read(SlotQuerySerializer(data=request.query_params.dict()))
        found = describe_slots(with_retired=query["retired"])
        if not is_admin(request):
            found = {"slots": [_reduce(slot) for slot in found["slots"]], "boxes": []}
        return answer(found)

    @extend_schema(
        operation_id="create_slot",
        request=SlotCreationSerializer,
        responses={
            201: OpenApiResponse(SlotChangeSerializer, "The slot."),
            200: OpenApiResponse(SlotChangeSerializer, "A dry run."),
        },
        tags=["models"],
        summary="Make a slot, or take a retired one up again",
        description=REFUSALS,
    )
    def post(self, request: Request) -> Response:
        values = read(SlotCreationSerializer(data=request.data))
        name, dry_run = values.pop("name"), values.pop("dry_run")
        changed = create_slot(name, SlotWish(**values), find_actor(request), dry_run=dry_run)
        return _answer_change(changed, dry_run=dry_run, status=200 if dry_run else 201)


class SlotDetailView(APIView):
    def get_permissions(self) -> list[Any]:
        return [IsAuthenticated() if self.request.method in SAFE_METHODS else IsAdminUser()]

    @extend_schema(
        operation_id="get_slot", responses=SlotSerializer, tags=["models"], summary="A slot that is in use"
    )
    def get(self, request: Request, slot_name: str) -> Response:
        read(EmptyQuerySerializer(data=request.query_params.dict()))
        found = describe_slot(slot_name)
        return answer(found if is_admin(request) else _reduce(found))

    @extend_schema(
        operation_id="change_slot",
        request=SlotWishSerializer,
        responses=SlotChangeSerializer,
        tags=["models"],
        summary="Give a slot other cards, or another runtime",
        description=f"What serves goes on; the next start keeps to it. {REFUSALS}",
    )
    def patch(self, request: Request, slot_name: str) -> Response:
        values = read(SlotWishSerializer(data=request.data))
        dry_run = values.pop("dry_run")
        changed = change_slot(slot_name, SlotWish(**values), find_actor(request), dry_run=dry_run)
        return _answer_change(changed, dry_run=dry_run)


class SlotRetireView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        operation_id="retire_slot",
        request=SlotRetirementSerializer,
        responses={
            200: OpenApiResponse(SlotChangeSerializer, "It is retired, or a dry run."),
            202: OpenApiResponse(SlotChangeSerializer, "It is retired as soon as its engine has ended."),
        },
        tags=["models"],
        summary="Have nothing serve in a slot any more; its history stays",
        description="409 for the default slot, during a switch, and without `stop` while it serves.",
    )
    def post(self, request: Request, slot_name: str) -> Response:
        values = read(SlotRetirementSerializer(data=request.data))
        changed = retire_slot(slot_name, find_actor(request), **values)
        is_pending = changed.slot.retired_at is None and not values["dry_run"]
        return _answer_change(changed, dry_run=values["dry_run"], status=202 if is_pending else 200)


def _answer_change(changed: SlotChange, *, dry_run: bool, status: int = 200) -> Response:
    [found] = find_slot_statuses([changed.slot])
    details = serialise_slot_details(found, list_boxes())
    return answer({"dry_run": dry_run, "changes": dict(changed.changes), "slot": details}, status=status)


def _reduce(slot: dict[str, Any]) -> dict[str, Any]:
    """What everybody may know: not the machine."""
    return slot | {"gpus": None, "box": None}
