"""The envelope of errors by path: on Anthropic's paths it is the one that its clients read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import GatewayError, describe_error, status_of, to_envelope
from gateway.request_id import current_request_id

ANTHROPIC_PATH = "/v1/messages"
"""All that Anthropic's clients ask for is below it."""

ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""As https://docs.anthropic.com/en/api/errors lists them; its 529 is the gateway's 503."""


def is_anthropic(path: str) -> bool:
    return path.startswith(ANTHROPIC_PATH) and path[len(ANTHROPIC_PATH) :][:1] in {"", "/"}


def envelope_for(
    path: str, error: GatewayError, translate: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """The error as the clients of `path` read it."""
    return (to_anthropic_envelope if is_anthropic(path) else to_envelope)(error, translate)


def to_anthropic_envelope(
    error: GatewayError, translate: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """`{"type": "error", "error": {"type", "message", "details"}, "request_id"}`.

    `details` are where Anthropic's SDKs look for a code that stays the same: the gateway's own.
    """
    message, param = describe_error(error, translate)
    status = status_of(error)
    kind = ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    details = {"error_code": error.code, "param": param}
    return {
        "type": "error",
        "error": {"type": kind, "message": message, "details": details},
        "request_id": current_request_id.get(),
    }
