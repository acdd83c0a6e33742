"""A path of OpenAI's is one row: what else knows about it follows from that."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from chat.caps import apply_caps
from chat.endpoints import CHAT_BATCH, COMPLETIONS, OPENAI_ENDPOINTS, POOLING_ENDPOINTS, Endpoint
from chat.field_caps import POOLING_CAPS
from chat.plane import build_chat_plane
from chat.routing import call_for_openai
from gateway.conf import BASE_DIR
from gateway.conf_requests import RequestConfig
from gateway.errors import InvalidRequest
from modelops.serving.routes import Route

EMBEDDINGS = POOLING_ENDPOINTS[0]
LIMITED = Route(base_url="http://engine", model="m", slot="s", max_output_tokens=7)


def payload_of(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
    call = call_for_openai(LIMITED, endpoint=endpoint, body=body, salt={}, traceparent=None)
    assert call.path == endpoint.engine_path or endpoint.path
    assert isinstance(call.body, bytes)
    payload: dict[str, Any] = json.loads(call.body)
    return payload


def test_every_row_has_its_route_and_its_documentation() -> None:
    routes = {route.path: route.methods for route in build_chat_plane().routes}
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    guide = (BASE_DIR / "docs" / "api.md").read_text()

    for endpoint in OPENAI_ENDPOINTS:
        assert routes[endpoint.path] == {"POST"}
        assert document["paths"][endpoint.path]["post"]["summary"] == endpoint.summary
        assert f"`{endpoint.path}`" in guide


def test_output_is_limited_where_text_is_generated() -> None:
    assert payload_of(COMPLETIONS, {"prompt": "x"})["max_tokens"] == 7
    assert payload_of(EMBEDDINGS, {"input": "x"}) == {"input": "x", "model": "m"}


def test_usage_is_asked_of_streams_only() -> None:
    streamed = {"stream": True}

    assert payload_of(COMPLETIONS, streamed)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in payload_of(EMBEDDINGS, streamed)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (None, {"include_usage": True}),
        ({"continuous_usage_stats": True}, {"include_usage": True}),
        ({"include_usage": False, "continuous_usage_stats": True}, {"include_usage": True}),
        (
            {"include_usage": "yes", "continuous_usage_stats": True, "new": 1},
            {"include_usage": True, "continuous_usage_stats": True, "new": 1},
        ),
    ],
)
def test_usage_goes_into_every_event_only_where_the_client_asked_for_usage(
    asked: dict[str, Any] | None, sent: dict[str, Any]
) -> None:
    """The engine ignores `continuous_usage_stats` alone, and the gateway adds `include_usage` to it."""
    assert payload_of(COMPLETIONS, {"stream": True, "stream_options": asked})["stream_options"] == sent


@pytest.mark.parametrize(
    "body",
    [
        {"input": ["a", "b", "c"]},
        {"input": [[1], [2], [3]]},
        {"documents": ["a", {"content": []}, "c"], "query": "q"},
        {"text_1": "a", "text_2": ["a", "b", "c"]},
        {"images": ["data:,"] * 3},
        {"messages": [[{"role": "user"}]] * 3},
    ],
)
def test_inputs_are_counted_in_the_field_that_holds_them(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="this gateway allows 2 entries at most"):
        apply_caps(body, POOLING_CAPS, RequestConfig(max_inputs=2))

    apply_caps(body, POOLING_CAPS, RequestConfig(max_inputs=3))


@pytest.mark.parametrize(
    "body", [{"input": [1, 2, 3]}, {"input": "abc"}, {"messages": [{"role": "user", "content": "a"}] * 3}]
)
def test_one_input_is_one_however_long(body: dict[str, Any]) -> None:
    apply_caps(body, POOLING_CAPS, RequestConfig(max_inputs=1))


@pytest.mark.parametrize("value", [[1, "a"], [[1, "a"]], [None], [["a"]]])
def test_what_is_no_input_is_refused_as_a_whole(value: object) -> None:
    with pytest.raises(InvalidRequest, match="documents: expected texts"):
        apply_caps({"documents": value}, POOLING_CAPS, RequestConfig())


def test_each_chat_of_a_batch_is_an_answer() -> None:
    chats = [[{"role": "user", "content": "a"}]] * 3
    with pytest.raises(InvalidRequest, match="messages: a batch has 2 entries at most"):
        apply_caps({"messages": chats}, CHAT_BATCH.caps, RequestConfig(max_sequences=2))

    call = call_for_openai(LIMITED, endpoint=CHAT_BATCH, body={"messages": chats}, salt={}, traceparent=None)

    assert (call.choices, call.max_tokens) == (3, 7)
