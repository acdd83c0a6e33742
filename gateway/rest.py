"""The parser, serializer base and helpers of all REST views."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.bodies import NOT_JSON, holds_nul, not_json_message
from gateway.caller_language import say_here
from gateway.errors import AuthenticationFailed


class StrictJSONParser(JSONParser):
    """JSON by msgspec: deep nesting and lone surrogates are a clear 400, never a stack overflow.

    A chunked body without Content-Length is read like any other; NUL characters are refused because
    PostgreSQL cannot store them.
    """

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return decode_json(stream.read())


def answer(content: Any, *, status: int = 200) -> Response:
    """The content with its texts in the caller's language (`gateway.wording`)."""
    return Response(say_here(content), status=status)


def decode_json(body: bytes) -> Any:
    """Raises DRF's ParseError."""
    try:
        content = msgspec.json.decode(body)
    except NOT_JSON as exc:
        raise ParseError(not_json_message(body, exc)) from exc
    if holds_nul(body):
        raise ParseError("The body holds a NUL character.")
    return content


def caller_id(request: Request) -> uuid.UUID:
    """The id of the account behind an authenticated request."""
    user_id = request.user.pk
    if user_id is None:
        raise AuthenticationFailed
    return uuid.UUID(str(user_id))


def read(serializer: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    """What a body or a query says. Raises DRF's ValidationError, which names the field."""
    serializer.is_valid(raise_exception=True)
    content: dict[str, Any] = serializer.validated_data
    return content


class FormatlessNegotiation(DefaultContentNegotiation):
    """For views that answer something other than JSON by themselves: `format` and `Accept` refuse nothing."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know, instead of ignoring them."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise ValidationError({name: ["Unknown field."] for name in unknown})
        return super().to_internal_value(data)
