"""What an engine's error answer means to a client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chat.upstream import error_from_answer, read_error_body
from gateway.errors import (
    ContextLengthExceeded,
    GatewayError,
    ImagesNotSupported,
    ModelNotFound,
    RequestTooLarge,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    status_of,
)


def nested(message: str, **more: Any) -> bytes:
    """The shape of vLLM since 0.10."""
    return json.dumps({"error": {"message": message, "type": "BadRequestError", "code": 400} | more}).encode()


def flat(message: str, **more: Any) -> bytes:
    """The shape before."""
    return json.dumps({"object": "error", "message": message, "code": 400} | more).encode()


@pytest.mark.parametrize("shape", [nested, flat])
def test_message_and_param_are_read_in_either_shape(shape: Any) -> None:
    assert read_error_body(shape("Too hot.", param="temperature")) == ("Too hot.", "temperature")
    assert read_error_body(shape("Too hot.", param=None)) == ("Too hot.", None)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"", ("", None)),
        (b"<html>Bad Gateway</html>", ("", None)),
        (b"\xff\xfe", ("", None)),
        (b'{"message": "\xff"}', ("", None)),
        (b"null", ("", None)),
        (b"[]", ("", None)),
        (b"[" * 5000 + b"]" * 5000, ("", None)),
        (b'{"detail": "Not Found"}', ("Not Found", None)),
        (b'{"detail": []}', ("", None)),
        (b'{"detail": [{"loc": 5, "msg": "Odd."}, "more"]}', ("Odd.", None)),
        (b'{"detail": {"error": "nested"}}', ("", None)),
        (b'{"error": "plain words"}', ("plain words", None)),
        (b'{"error": {"message": null, "param": 5}}', ("", None)),
        (b'{"error": null, "message": "flat"}', ("flat", None)),
        (b'{"error": {"message": "nested"}, "param": 5}', ("nested", None)),
        (b'{"error": ' + b"[" * 5000 + b"]" * 5000 + b"}", ("", None)),
    ],
)
def test_anything_else_is_read_as_far_as_it_goes(body: bytes, read: tuple[str, str | None]) -> None:
    assert read_error_body(body) == read


@pytest.mark.parametrize("status", [400, 405, 408, 409, 422])
def test_refusal_keeps_the_engines_status_message_and_param(status: int) -> None:
    error = error_from_answer(status, nested("top_k must be positive", param="top_k"))

    assert type(error) is UpstreamRejected
    assert (status_of(error), error.message, error.param) == (status, "top_k must be positive", "top_k")


def test_refusal_in_fastapis_shape_keeps_message_and_place() -> None:
    body = {"detail": [{"type": "int_type", "loc": ["body", "stop", 0], "msg": "Input should be a string"}]}

    error = error_from_answer(422, json.dumps(body).encode())

    assert (status_of(error), error.message, error.param) == (422, "Input should be a string", "stop.0")


def test_refusal_without_words_still_says_something() -> None:
    assert error_from_answer(422, b"").message == "The engine answered 422."


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        "max_tokens=9000 cannot be greater than max_model_len=4096",
    ],
)
def test_prompt_beyond_the_context_has_its_own_code(message: str) -> None:
    error = error_from_answer(400, nested(message))

    assert type(error) is ContextLengthExceeded
    assert (status_of(error), error.code, error.message) == (400, "context_length_exceeded", message)


@pytest.mark.parametrize(
    ("status", "body", "kind", "seen_as"),
    [
        (401, nested("Unauthorized"), UpstreamUnavailable, 502),
        (403, b"", UpstreamUnavailable, 502),
        (404, nested("The model `x` does not exist."), ModelNotFound, 404),
        (404, b'{"detail": "Not Found"}', UpstreamRejected, 404),
        (413, nested("Request too large"), RequestTooLarge, 413),
        (413, b"", RequestTooLarge, 413),
        (500, nested("CUDA error: canary"), UpstreamUnavailable, 502),
        (502, b"<html>", UpstreamUnavailable, 502),
        (503, b"", UpstreamUnavailable, 502),
        (504, b"", UpstreamTimeout, 504),
        (302, b"", UpstreamUnavailable, 502),
        (204, b"", UpstreamUnavailable, 502),
    ],
)
def test_other_answers_are_translated(
    status: int, body: bytes, kind: type[GatewayError], seen_as: int
) -> None:
    error = error_from_answer(status, body)

    assert type(error) is kind
    assert status_of(error) == seen_as


def test_unknown_model_names_the_field() -> None:
    error = error_from_answer(404, nested("The model `x` does not exist."))

    assert (error.param, error.message) == ("model", "The model `x` does not exist.")


@pytest.mark.parametrize("status", [401, 500, 503])
def test_inner_failures_of_the_engine_stay_inside(status: int) -> None:
    error = error_from_answer(status, nested("Traceback: key=canary"))

    assert "canary" not in error.message


def test_too_many_requests_at_the_engine_say_when_to_come_back() -> None:
    error = error_from_answer(429, nested("queue is full"))

    assert (status_of(error), error.code, error.message) == (429, "rate_limit_exceeded", "queue is full")
    assert 1 <= int(error.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    "message",
    ["Llama-3 is not a multimodal model", "At most 0 image(s) may be provided in one prompt."],
)
def test_image_that_the_model_cannot_read_has_a_code_and_keeps_the_engines_words(message: str) -> None:
    error = error_from_answer(400, nested(message))

    assert type(error) is ImagesNotSupported
    assert (status_of(error), error.message) == (400, message)
