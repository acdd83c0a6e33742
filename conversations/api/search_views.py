"""Searches over what the caller and models said."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.search_serializers import (
    SearchPageSerializer,
    SearchQuerySerializer,
)
from conversations.search.queries import SearchFilters, SearchQuery, parse_words
from conversations.search.searching import search
from gateway.rest import caller_id, read


class SearchView(APIView):
    @extend_schema(
        operation_id="search_conversations",
        parameters=[SearchQuerySerializer],
        responses=SearchPageSerializer,
        tags=["conversations"],
        summary="Search the caller's titles and messages",
        description="Titles come first, then messages, each newest first; within a page, those that have the "
        "words as whole words come before those that have them within others. What is in the trash is not "
        "found; what is archived is, and says so. Reasoning is not searched.",
    )
    def get(self, request: Request) -> Response:
        asked = read(SearchQuerySerializer(data=request.query_params.dict()))
        query = SearchQuery(
            owner_id=caller_id(request),
            words=parse_words(asked.pop("q")),
            filters=SearchFilters(
                **{name: asked.pop(name) for name in ("role", "model", "since", "until") if name in asked}
            ),
        )
        page = search(query, **asked)
        return Response(
            SearchPageSerializer(
                {
                    "object": "list",
                    "data": page.hits,
                    "next": page.next,
                    "has_more": page.next is not None,
                    "incomplete": not page.is_complete,
                }
            ).data
        )
