"""What can go wrong, as one exception tree, and the one envelope in which clients see it.

No Django here: the chat plane, the REST views and the command line all raise these. A library's own
exceptions are translated once, by the module that owns that library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self

from gateway.shortening import shorten_echoes
from gateway.wording import say, say_all

MAXIMUM_RETRY_AFTER_S = 60

# Clients must not repeat these by themselves: OpenAI's SDKs would, for 409, turn one call into three.
NO_RETRY = {"x-should-retry": "false"}


class UpstreamCause(StrEnum):
    """What went wrong at the engine, for metrics: clients are told less."""

    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    CLOSED = "closed"
    """It closed the connection without an answer."""
    BROKEN_OFF = "broken_off"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    SERVER_ERROR = "server_error"
    """A 5xx, or an error within its answer."""
    NOT_READY = "not_ready"
    """A 503: it is starting, asleep or ending, and has done nothing."""
    KEY_REFUSED = "key_refused"
    REJECTED = "rejected"
    """A 4xx."""
    INVALID_ANSWER = "invalid_answer"
    OTHER = "other"


class GatewayError(Exception):
    """An error with a public face. Subclasses set what is constant; an instance adds message and param."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"
    default_message: ClassVar[str] = "The gateway met an unexpected error."
    upstream_cause: UpstreamCause | None = None
    """None where the engine has no part in it."""

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """`details` stand beside `error` in the envelope: JSON values, such as a refused plan; their
        `FilledText`s are translated as the message is."""
        self.wording = message or self.default_message
        """What translations begin from; `message` is a plain string, as encoders want it."""
        self.message = str(self.wording)
        self.param = param
        self.headers = dict(headers or {})
        self.details = dict(details or {})
        super().__init__(self.message)

    def caused_by(self, cause: UpstreamCause) -> Self:
        """The same error, which says what went wrong at the engine."""
        self.upstream_cause = cause
        return self

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same error for one client, with `headers` below its own.

        An error may be raised to several requests at once: those of a batch whose database failed. So what
        belongs to one of them, such as where its answer is stored, is never written into the error itself.
        """
        twin = self.__class__.__new__(self.__class__, *self.args)
        twin.__dict__.update(self.__dict__)
        twin.headers = {**headers, **self.headers}
        return twin


class InternalError(GatewayError):
    pass


class InvalidRequest(GatewayError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    default_message = "The request is not valid."


class ContextLengthExceeded(InvalidRequest):
    code = "context_length_exceeded"
    default_message = "The prompt is longer than the model's context."


class ImagesNotSupported(InvalidRequest):
    code = "images_not_supported"
    default_message = "The model does not read images."


class AuthenticationFailed(GatewayError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"
    default_message = "No valid credential was given. Send `Authorization: Bearer <token>`."

    def __init__(self, message: str | None = None, *, param: str | None = None) -> None:
        super().__init__(message, param=param, headers={"WWW-Authenticate": 'Bearer realm="gateway"'})


class TokenExpired(AuthenticationFailed):
    code = "token_expired"
    default_message = "The access token has expired. Refresh it or log in again."


class TokenRevoked(AuthenticationFailed):
    code = "token_revoked"
    default_message = "This credential is no longer valid: it was revoked, or its account changed."


class TokenReused(AuthenticationFailed):
    """A refresh token came back later than a lost answer explains: somebody copied it."""

    code = "token_reused"
    default_message = "This refresh token was used before. Its session has been ended; log in again."


class InvalidCredentials(AuthenticationFailed):
    code = "invalid_credentials"
    default_message = "No active account matches this user name and password."


class PermissionDenied(GatewayError):
    status = 403
    type = "permission_error"
    code = "permission_denied"
    default_message = "This credential may not do that."


class NotFound(GatewayError):
    """Missing, or somebody else's: the two look the same."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"
    default_message = "There is no such object."


class ModelNotFound(NotFound):
    code = "model_not_found"
    default_message = "There is no such model."


class TaskNotSupported(NotFound):
    """OpenAI's API answers 404, too, where a model is asked for at the path of another kind of model."""

    code = "task_not_supported"
    default_message = "The model does not do what this path is for."


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    default_message = "This path does not take that method."


class Conflict(GatewayError):
    """The base of the 409s; what is raised is one of its subclasses."""

    status = 409
    type = "conflict_error"

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, param=param, headers=NO_RETRY, details=details)


class ConversationBusy(Conflict):
    code = "conversation_busy"
    default_message = "The conversation is still receiving an answer. Wait for it or cancel it."


class VersionConflict(Conflict):
    """`version` stands beside the error: what the object is in by now."""

    code = "version_conflict"
    default_message = "It was changed elsewhere since it was read. Read it again."


class IdempotencyInProgress(Conflict):
    """`conversation_id` and `message_id` stand beside the error where known: where the answer comes in."""

    code = "idempotency_in_progress"
    default_message = "The first request with this client_message_id is still being answered."


class ClientMessageIdReused(Conflict):
    code = "client_message_id_reused"
    default_message = "This client_message_id was sent before with a request that asks for something else."


class AnswerNotContinuable(Conflict):
    code = "answer_not_continuable"
    default_message = "Only an answer that was cut, and has some text, can be continued."


class ConversationFull(Conflict):
    code = "conversation_full"
    default_message = "The conversation holds as much as it may. Start a new one."


class StorageFull(Conflict):
    code = "storage_full"
    default_message = "The conversations of this account hold as much as they may."


class FileInUse(Conflict):
    code = "file_in_use"
    default_message = "A message refers to this file. Delete its conversation first."


class LastAdministrator(Conflict):
    code = "last_administrator"
    default_message = "The only administrator cannot leave. Give the role to somebody else first."


class DoesNotFit(Conflict):
    code = "does_not_fit"
    default_message = "The profile does not fit the GPUs."


class SwitchRefused(Conflict):
    """The plan has problems other than memory; the message names them."""

    code = "switch_refused"
    default_message = "This profile cannot be switched to."


class SlotRefused(Conflict):
    """A slot cannot be made, changed or retired like this; the message says what is in the way."""

    code = "slot_refused"
    default_message = "The slot cannot be changed like this."


class RequestTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    default_message = "The request body is too large."


class UnsupportedMediaType(GatewayError):
    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"
    default_message = "Send JSON with `Content-Type: application/json`."


class RetryableError(GatewayError):
    """An error that passes by itself; carries Retry-After, at most a minute."""

    retry_after_s: ClassVar[float] = 1.0

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.wait_s = self.retry_after_s if retry_after_s is None else retry_after_s
        """As long as it takes; programs are told at most a minute."""
        bounded = str(max(1, min(MAXIMUM_RETRY_AFTER_S, math.ceil(self.wait_s))))
        super().__init__(message, headers={"Retry-After": bounded, **(headers or {})})


class RateLimitExceeded(RetryableError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"
    default_message = "Too many requests."


class ConcurrencyLimitExceeded(RateLimitExceeded):
    code = "concurrency_limit_exceeded"
    retry_after_s = 2
    default_message = "Too many answers at a time."

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`retry_after_s` where it is known when there is room; each refused request gets another time."""
        if retry_after_s is not None:
            # OpenAI's SDKs prefer it: whole seconds would have whoever was refused come back in groups.
            headers = {"retry-after-ms": str(math.ceil(retry_after_s * 1000)), **(headers or {})}
        super().__init__(message, retry_after_s=retry_after_s, headers=headers)


class InsufficientQuota(RateLimitExceeded):
    type = "insufficient_quota"
    code = "insufficient_quota"
    default_message = "The tokens of this window are used up."


class ModelLoading(RetryableError):
    status = 503
    type = "service_unavailable_error"
    code = "model_loading"
    retry_after_s = 5
    default_message = "The model is being loaded."


class ModelSwitching(RetryableError):
    status = 503
    type = "service_unavailable_error"
    code = "model_switching"
    retry_after_s = 10
    default_message = "Another model is being loaded."


class NoModel(RetryableError):
    status = 503
    type = "service_unavailable_error"
    code = "no_model"
    retry_after_s = 30
    default_message = "No model is being served."


class ShuttingDown(RetryableError):
    status = 503
    type = "service_unavailable_error"
    code = "shutting_down"
    retry_after_s = 5
    default_message = "This gateway process is stopping."


class DependencyUnavailable(RetryableError):
    status = 503
    type = "service_unavailable_error"
    code = "dependency_unavailable"
    retry_after_s = 5
    default_message = "The database or the cache does not answer."


class UpstreamUnavailable(GatewayError):
    status = 502
    type = "upstream_error"
    code = "upstream_unavailable"
    default_message = "The engine does not answer."
    upstream_cause = UpstreamCause.INVALID_ANSWER
    """Unless it is another one: there are many ways in which an answer can make no sense."""


class UpstreamTimeout(GatewayError):
    status = 504
    type = "upstream_error"
    code = "upstream_timeout"
    default_message = "The engine took too long."
    upstream_cause = UpstreamCause.OTHER


class AnswerInterrupted(GatewayError):
    """Never a status by itself: the streams of stored answers end with it."""

    status = 502
    type = "server_error"
    code = "interrupted"
    default_message = "The process that generated this answer ended before it was complete."


class UpstreamRejected(GatewayError):
    """The engine refused the request: its own status (4xx) and message are kept."""

    type = "invalid_request_error"
    code = "invalid_request"

    def __init__(self, message: str, *, status: int, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.upstream_status = status


def status_of(error: GatewayError) -> int:
    return error.upstream_status if isinstance(error, UpstreamRejected) else error.status


def describe_error(
    error: GatewayError, translate: Callable[[str], str] | None = None
) -> tuple[str, str | None]:
    """Message and param as clients read them: translated, and no longer than LONGEST_MESSAGE."""
    message = say(error.wording, translate) if translate else error.message
    return shorten_echoes(message, error.param)


def to_envelope(error: GatewayError, translate: Callable[[str], str] | None = None) -> dict[str, Any]:
    """`{"error": {"message", "type", "param", "code"}}`, OpenAI's shape, for every face of the gateway.

    Message and details are in the language of `translate`, if there is one.
    """
    message, param = describe_error(error, translate)
    described = {"message": message, "type": error.type, "param": param, "code": error.code}
    return {**say_all(error.details, translate), "error": described}
