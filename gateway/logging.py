"""Structured logs: JSON lines in production, readable columns on a terminal."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import msgspec
import structlog

from gateway.redaction import Redactor
from gateway.request_id import current_request_id

LOGGED_LIBRARIES_LEVEL = logging.WARNING


def add_request_id(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if request_id := current_request_id.get():
        event.setdefault("request_id", request_id)
    return event


def drop_color_message(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """uvicorn logs each line twice over, once with terminal colours in it."""
    event.pop("color_message", None)
    return event


def _dump(event: Any, **_options: Any) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=str).decode()
    except UnicodeEncodeError:  # a lone surrogate: rare, and no reason to fail whoever logs it
        return json.dumps(event, default=str)


def configure_logging(*, level: str, style: str, secrets: Iterable[str] = ()) -> None:
    """Send structlog's and the standard library's records to stdout in one format, redacted.

    `style` is json, console, or auto: console when stdout is a terminal. `secrets` never appear in a line,
    wherever they come from.
    """
    as_json = style == "json" or (style == "auto" and not sys.stdout.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        drop_color_message,
        add_request_id,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = [
        # Tracebacks as text before they are cleaned; a prettier one would print the frames' variables, too.
        structlog.processors.format_exc_info,
        Redactor(secrets),
        structlog.processors.JSONRenderer(serializer=_dump)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
    structlog.configure(
        processors=[shared[0], *shared[3:], *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.getLevelNamesMapping()[level], LOGGED_LIBRARIES_LEVEL))
    logging.getLogger("uvicorn").setLevel(level)
    # The access log has said it already: Django's own lines about 4xx would be a second one.
    for name in ("django.request", "django.channels.server"):
        logging.getLogger(name).setLevel(logging.ERROR)
