"""vLLM's refusals as exceptions, and the bodies they become."""

from __future__ import annotations

from typing import Any

import msgspec

_MALFORMED = "Bad Request"


class ApiError(Exception):
    """A request refused in vLLM's shape: ``{"error": {message, type, param, code}}``."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "BadRequestError", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.param = param

    @property
    def is_malformed(self) -> bool:
        """Whether the web framework refuses the request, before vLLM sees it."""
        return self.kind == _MALFORMED

    def payload(self) -> dict[str, Any]:
        """The body; the numeric ``code`` repeats the HTTP status."""
        return {
            "error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.status}
        }

    def body(self) -> bytes:
        """The body as compact JSON."""
        return msgspec.json.encode(self.payload())


def invalid_value(message: str, *, param: str, value: object = None) -> ApiError:
    """vLLM's validation error, which repeats parameter and value within its message."""
    suffix = f"(parameter={param}, value={value})" if value is not None else f"(parameter={param})"
    return ApiError(f"{message} {suffix}", param=param)


def malformed(kind: str, *, path: str, message: str, found: str, context: str | None = None) -> ApiError:
    """The web framework's validation error, raised before vLLM sees the request."""
    detail = f"{{'type': '{kind}', 'loc': '{path}', 'msg': '{message}', 'input': {found!r}"
    detail += f", 'ctx': {{'error': '{context}'}}}}" if context else "}"
    return ApiError(f"1 validation error:\n  {detail}", kind=_MALFORMED, param=path)


def model_not_found(name: str, *, served: tuple[str, ...]) -> ApiError:
    """404 for a model that this engine does not serve."""
    return ApiError(
        f"The model `{name}` does not exist. Valid aliases: {', '.join(served)}.",
        status=404,
        kind="NotFoundError",
        param="model",
    )


def context_overflow(*, max_model_len: int, prompt_tokens: int) -> ApiError:
    """400 for a prompt longer than the context.

    vLLM stops tokenizing one token past the limit, so it only ever reports "at least" that many.
    """
    counted = min(prompt_tokens, max_model_len + 1)
    return invalid_value(
        f"This model's maximum context length is {max_model_len} tokens. However, your prompt contains "
        f"at least {counted} input tokens, which exceeds this limit even without any output tokens. "
        "Please reduce the length of the input prompt.",
        param="input_tokens",
        value=counted,
    )


def engine_dead() -> ApiError:
    """500 for every request after the engine core died."""
    return ApiError(
        "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        status=500,
        kind="InternalServerError",
    )
