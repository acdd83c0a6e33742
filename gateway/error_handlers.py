"""Adapters that turn every failure of Django and DRF into the one envelope, or a page that says as much."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import is_valid_path
from django.utils.translation import gettext
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError
from rest_framework import exceptions as rest
from rest_framework.response import Response

from gateway import errors
from gateway.database.failures import explain_failure
from gateway.error_pages import error_response
from gateway.http import tidy_path
from gateway.metrics import refusals_of
from gateway.shortening import LONGEST_ECHO, shorten
from gateway.wording import fill_in

log = structlog.get_logger()

BY_STATUS: dict[int, type[errors.GatewayError]] = {
    400: errors.InvalidRequest,
    401: errors.AuthenticationFailed,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.RequestTooLarge,
    415: errors.UnsupportedMediaType,
}


class OtherStatus(errors.GatewayError):
    """A 4xx that has no class of its own."""

    type: ClassVar[str] = "invalid_request_error"
    code: ClassVar[str] = "invalid_request"

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase + ".")
        self.status = status  # type: ignore[misc]


def error_for_status(status: int, message: str | None = None) -> errors.GatewayError:
    """The error of an HTTP status without an exception."""
    kind = BY_STATUS.get(status)
    if kind is not None:
        return kind(message)
    return OtherStatus(status) if status < 500 else errors.InternalError()


def to_gateway_error(exc: Exception) -> errors.GatewayError | None:
    """The error that clients get for `exc`; None for an unexpected exception."""
    match exc:
        case errors.GatewayError():
            return exc
        case rest.ValidationError():
            param, message = first_problem(exc.detail)
            return errors.InvalidRequest(_shorten(message), param=param)
        case rest.NotAuthenticated():
            return errors.AuthenticationFailed()
        case rest.APIException():
            return error_for_status(exc.status_code, _shorten(str(exc.detail)))
        case Http404():
            return errors.NotFound()
        case DjangoPermissionDenied():
            return errors.PermissionDenied()
        case RequestDataTooBig():
            return errors.RequestTooLarge()
        case ConnectionInterrupted() | RedisError():
            log.error("redis_failed", error=type(exc).__name__)
            return errors.DependencyUnavailable("The cache does not answer.")
        case OperationalError() | InterfaceError():
            log.error("database_failed", error=type(exc).__name__, detail=str(exc))
            return explain_failure(exc)
    return None


def _shorten(message: str) -> str:
    """DRF repeats what it refuses, between quotation marks that may stand in it, too."""
    if len(message) <= LONGEST_ECHO:
        return message
    begin, *inner = message.split('"')
    end = inner.pop() if inner else ""
    if inner:
        quoted = '"'.join(inner)
        message = f'{begin}"{shorten(quoted)}"{end}'
    return shorten(message, 2 * LONGEST_ECHO)


def first_problem(detail: Any, path: str = "") -> tuple[str | None, str]:
    """The first field that DRF complains about, with its message: `("messages.0.role", "…")`."""
    if isinstance(detail, dict) and detail:
        name, inner = next(iter(detail.items()))
        if name == "non_field_errors":
            return first_problem(inner, path)
        return first_problem(inner, f"{path}.{name}" if path else str(name))
    if isinstance(detail, list) and detail:
        return first_problem(detail[0], path)
    return path or None, str(detail)


def handle_rest_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER."""
    error = to_gateway_error(exc)
    if error is None:
        return None
    refusals_of(error.code).inc()
    return Response(errors.to_envelope(error, gettext), status=errors.status_of(error), headers=error.headers)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    refusal = errors.PermissionDenied("The CSRF check failed. Reload the page and try again.")
    return error_response(request, refusal)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, errors.InvalidRequest())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, errors.PermissionDenied())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, no_such_path(request.path_info))


def no_such_path(path: str) -> errors.NotFound:
    """The error for a path that does not exist; it names the one that differs by slashes alone."""
    tidy = tidy_path(path)
    for candidate in (tidy, f"{tidy}/"):
        if candidate != path and is_valid_path(candidate):
            return errors.NotFound(fill_in("There is no such path. Use {path}.", path=candidate))
    return errors.NotFound("There is no such path.")


def server_error(request: HttpRequest) -> HttpResponse:
    return error_response(request, errors.InternalError())
