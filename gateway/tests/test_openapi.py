"""The OpenAPI document: valid, complete, and saying of every call how it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from starlette.routing import Route

from chat.plane import build_chat_plane
from gateway.envelopes import is_anthropic
from gateway.openapi import ANTHROPIC_ERROR_RESPONSE, ERROR_RESPONSE


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return generate()


def generate() -> dict[str, Any]:
    content: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return content


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def rest_paths(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from rest_paths(pattern.url_patterns, path)
        else:
            yield re.sub(r"<\w+:(\w+)>", r"{\1}", path)


def test_document_is_valid_openapi(schema: dict[str, Any]) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]


def test_generator_has_nothing_to_complain_of(capsys: pytest.CaptureFixture[str]) -> None:
    generate()

    assert capsys.readouterr().err == ""


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}

    assert set(references(schema)) - known == set()


def test_every_rest_path_is_documented(schema: dict[str, Any]) -> None:
    paths = {p for p in rest_paths(get_resolver().url_patterns) if p.startswith("/api/")}

    assert paths - set(schema["paths"]) == set()
    assert "/api/conversations/{conversation_id}" in paths


def test_every_path_of_the_chat_plane_is_documented(schema: dict[str, Any]) -> None:
    routes = {
        f"{method} {re.sub(':[a-z]+}', '}', route.path)}"
        for route in build_chat_plane().routes
        if isinstance(route, Route) and route.include_in_schema
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert routes - {name for name, _operation in operations(schema)} == set()


def test_operation_ids_are_unique_and_usable_as_names(schema: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _name, operation in operations(schema)]

    assert sorted(set(ids)) == sorted(ids)
    assert [i for i in ids if not i.isidentifier()] == []


def test_every_operation_documents_its_failures(schema: dict[str, Any]) -> None:
    failures = {name: op["responses"].get("default", {}) for name, op in operations(schema)}

    for name, failure in failures.items():
        expected = ANTHROPIC_ERROR_RESPONSE if is_anthropic(name.removeprefix("POST ")) else ERROR_RESPONSE
        assert expected.items() <= failure.items(), name


@pytest.mark.parametrize(
    "path",
    [
        "/api/chat",
        "/api/conversations/{conversation_id}/messages",
        "/api/conversations/{conversation_id}/messages/{message_id}/regenerate",
        "/api/conversations/{conversation_id}/messages/{message_id}/continue",
    ],
)
def test_calls_that_store_answers_say_which_headers_name_the_place(schema: dict[str, Any], path: str) -> None:
    responses = schema["paths"][path]["post"]["responses"]

    for status in ("200", "default"):
        assert {"x-conversation-id", "x-message-id"} <= responses[status]["headers"].keys()


def test_bearer_token_is_the_way_in(schema: dict[str, Any]) -> None:
    assert schema["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    assert {"x-api-key": []} in schema["paths"]["/v1/models"]["get"]["security"]
    assert schema["components"]["securitySchemes"]["x-api-key"]["in"] == "header"
    assert schema["security"] == [{"bearer": []}]


def test_calls_that_need_no_credential_say_so(schema: dict[str, Any]) -> None:
    for path in ("/api/auth/login", "/api/auth/refresh"):
        assert {} in schema["paths"][path]["post"]["security"]
