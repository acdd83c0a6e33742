"""The exception tree, and the one envelope that clients see."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway import errors
from gateway.errors import GatewayError, RetryableError, status_of, to_envelope

BEARER = {"WWW-Authenticate": 'Bearer realm="gateway"'}
NO_RETRY = {"x-should-retry": "false"}

TABLE: list[tuple[type[GatewayError], int, str, dict[str, str]]] = [
    (errors.InvalidRequest, 400, "invalid_request", {}),
    (errors.ContextLengthExceeded, 400, "context_length_exceeded", {}),
    (errors.ImagesNotSupported, 400, "images_not_supported", {}),
    (errors.AuthenticationFailed, 401, "invalid_api_key", BEARER),
    (errors.TokenExpired, 401, "token_expired", BEARER),
    (errors.TokenRevoked, 401, "token_revoked", BEARER),
    (errors.TokenReused, 401, "token_reused", BEARER),
    (errors.InvalidCredentials, 401, "invalid_credentials", BEARER),
    (errors.PermissionDenied, 403, "permission_denied", {}),
    (errors.NotFound, 404, "not_found", {}),
    (errors.ModelNotFound, 404, "model_not_found", {}),
    (errors.TaskNotSupported, 404, "task_not_supported", {}),
    (errors.MethodNotAllowed, 405, "method_not_allowed", {}),
    (errors.ConversationBusy, 409, "conversation_busy", NO_RETRY),
    (errors.AnswerNotContinuable, 409, "answer_not_continuable", NO_RETRY),
    (errors.VersionConflict, 409, "version_conflict", NO_RETRY),
    (errors.IdempotencyInProgress, 409, "idempotency_in_progress", NO_RETRY),
    (errors.ClientMessageIdReused, 409, "client_message_id_reused", NO_RETRY),
    (errors.ConversationFull, 409, "conversation_full", NO_RETRY),
    (errors.StorageFull, 409, "storage_full", NO_RETRY),
    (errors.FileInUse, 409, "file_in_use", NO_RETRY),
    (errors.LastAdministrator, 409, "last_administrator", NO_RETRY),
    (errors.DoesNotFit, 409, "does_not_fit", NO_RETRY),
    (errors.SwitchRefused, 409, "switch_refused", NO_RETRY),
    (errors.SlotRefused, 409, "slot_refused", NO_RETRY),
    (errors.RequestTooLarge, 413, "request_too_large", {}),
    (errors.UnsupportedMediaType, 415, "unsupported_media_type", {}),
    (errors.RateLimitExceeded, 429, "rate_limit_exceeded", {"Retry-After": "1"}),
    (errors.ConcurrencyLimitExceeded, 429, "concurrency_limit_exceeded", {"Retry-After": "2"}),
    (errors.InsufficientQuota, 429, "insufficient_quota", {"Retry-After": "1"}),
    (errors.InternalError, 500, "internal_error", {}),
    (errors.AnswerInterrupted, 502, "interrupted", {}),
    (errors.UpstreamUnavailable, 502, "upstream_unavailable", {}),
    (errors.ModelLoading, 503, "model_loading", {"Retry-After": "5"}),
    (errors.ModelSwitching, 503, "model_switching", {"Retry-After": "10"}),
    (errors.NoModel, 503, "no_model", {"Retry-After": "30"}),
    (errors.ShuttingDown, 503, "shutting_down", {"Retry-After": "5"}),
    (errors.DependencyUnavailable, 503, "dependency_unavailable", {"Retry-After": "5"}),
    (errors.UpstreamTimeout, 504, "upstream_timeout", {}),
]


@pytest.mark.parametrize(("kind", "status", "code", "headers"), TABLE)
def test_error_has_the_status_code_and_headers_that_clients_were_told(
    kind: type[GatewayError], status: int, code: str, headers: dict[str, str]
) -> None:
    error = kind()

    assert (status_of(error), error.code, error.headers) == (status, code, headers)


@pytest.mark.parametrize(("kind", "status", "code", "headers"), TABLE)
def test_envelope_has_exactly_the_four_fields_of_openai(
    kind: type[GatewayError], status: int, code: str, headers: dict[str, str]
) -> None:
    error = kind("What happened.")

    envelope = to_envelope(error)

    assert envelope == {
        "error": {"message": "What happened.", "type": error.type, "param": None, "code": code}
    }
    # OpenAI's own exception to its own rule
    assert error.type.endswith("_error") or error.type == "insufficient_quota"


@pytest.mark.parametrize("kind", [row[0] for row in TABLE])
def test_error_without_a_message_says_something_all_the_same(kind: type[GatewayError]) -> None:
    message = to_envelope(kind())["error"]["message"]

    assert message.endswith(".")
    assert message == str(kind())


def test_envelope_names_the_parameter_at_fault() -> None:
    error = errors.InvalidRequest("Too hot.", param="temperature")

    assert to_envelope(error)["error"]["param"] == "temperature"


@pytest.mark.parametrize(
    ("wait_s", "header"),
    [(-3.0, "1"), (0.0, "1"), (0.2, "1"), (1.2, "2"), (59.5, "60"), (60.0, "60"), (3600.0, "60")],
)
def test_retry_after_is_whole_seconds_from_one_to_sixty(wait_s: float, header: str) -> None:
    assert errors.RateLimitExceeded(retry_after_s=wait_s).headers["Retry-After"] == header


def test_retryable_error_takes_further_headers() -> None:
    error = errors.RateLimitExceeded(retry_after_s=2, headers={"x-ratelimit-limit-requests": "5"})

    assert error.headers == {"Retry-After": "2", "x-ratelimit-limit-requests": "5"}


def test_refusal_of_the_engine_keeps_its_status() -> None:
    error = errors.UpstreamRejected("No.", status=422, param="top_k")

    assert status_of(error) == 422
    assert to_envelope(error)["error"] == {
        "message": "No.",
        "type": "invalid_request_error",
        "param": "top_k",
        "code": "invalid_request",
    }


def test_headers_of_one_error_do_not_leak_into_the_next() -> None:
    errors.ConversationBusy().headers["x-extra"] = "1"

    assert errors.ConversationBusy().headers == NO_RETRY


def test_table_of_this_test_knows_every_error() -> None:
    def descendants(kind: type[GatewayError]) -> set[type[GatewayError]]:
        return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))

    in_tree: Callable[[type], bool] = lambda kind: kind.__module__ == "gateway.errors"  # noqa: E731
    known = {row[0] for row in TABLE}
    bases = {GatewayError, errors.Conflict, RetryableError, errors.UpstreamRejected}

    assert set(filter(in_tree, descendants(GatewayError))) == known | bases
