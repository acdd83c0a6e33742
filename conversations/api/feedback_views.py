"""Feedback on answers: given by their owners, read by administrators."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.feedback_serializers import (
    FeedbackListSerializer,
    FeedbackQuerySerializer,
    FeedbackSerializer,
    GivenFeedbackSerializer,
    NewFeedbackSerializer,
)
from conversations.feedback import (
    FeedbackFilter,
    give_feedback,
    list_feedback,
    next_page,
    withdraw_feedback,
)
from gateway.csv_lines import write_csv
from gateway.rest import FormatlessNegotiation, caller_id, read

PAGE_ROWS = 500
"""Of a CSV file, read from the database at a time."""


class FeedbackView(APIView):
    @extend_schema(
        operation_id="give_feedback",
        request=NewFeedbackSerializer,
        responses=FeedbackSerializer,
        tags=["conversations"],
        summary="Say what you think of an answer; administrators read it, without the answer",
    )
    def put(self, request: Request, conversation_id: uuid.UUID, message_id: uuid.UUID) -> Response:
        body = read(NewFeedbackSerializer(data=request.data))
        feedback = give_feedback(
            user_id=caller_id(request),
            conversation_id=conversation_id,
            message_id=message_id,
            **body,
        )
        return Response(FeedbackSerializer(feedback).data)

    @extend_schema(
        operation_id="withdraw_feedback",
        request=None,
        responses={204: OpenApiResponse(description="There is none now.")},
        tags=["conversations"],
        summary="Take feedback back",
    )
    def delete(self, request: Request, conversation_id: uuid.UUID, message_id: uuid.UUID) -> Response:
        withdraw_feedback(user_id=caller_id(request), conversation_id=conversation_id, message_id=message_id)
        return Response(status=204)


class AllFeedbackView(APIView):
    permission_classes = [IsAdminUser]
    content_negotiation_class = FormatlessNegotiation

    @extend_schema(
        operation_id="list_feedback",
        parameters=[FeedbackQuerySerializer],
        responses={
            (200, "application/json"): FeedbackListSerializer,
            (200, "text/csv"): OpenApiTypes.STR,
        },
        tags=["conversations"],
        summary="What everybody thought of answers, the last change first; for administrators",
        description="Neither what was asked and answered is in it nor by whom. `format=csv` answers all of "
        "it; cells that a spreadsheet would take for formulas begin with an apostrophe.",
    )
    def get(self, request: Request) -> HttpResponseBase:
        values = read(FeedbackQuerySerializer(data=request.query_params.dict()))
        found = FeedbackFilter(
            first_day=values.get("from"), last_day=values.get("to"), model=values.get("model", "")
        )
        if values["format"] == "csv":
            return StreamingHttpResponse(
                stream_csv(found),
                content_type="text/csv; charset=utf-8",
                headers={"Content-Disposition": 'attachment; filename="feedback.csv"'},
            )
        page, has_more = list_feedback(found, limit=values["limit"], after=values.get("after"))
        return Response(
            {
                "object": "list",
                "data": GivenFeedbackSerializer(page, many=True).data,
                "first_id": page[0].pk if page else None,
                "last_id": page[-1].pk if page else None,
                "has_more": has_more,
            }
        )


async def stream_csv(found: FeedbackFilter) -> AsyncIterator[str]:
    """The file in pieces, each from a query of its own: nothing is held while a client reads."""
    columns = list(GivenFeedbackSerializer().fields)
    yield write_csv([columns])
    last = None
    while page := await sync_to_async(next_page)(found, last, size=PAGE_ROWS):
        last = page[-1]
        rows = GivenFeedbackSerializer(page, many=True).data
        yield write_csv([row[name] for name in columns] for row in rows)
