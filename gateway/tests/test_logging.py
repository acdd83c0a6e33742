"""Log lines, read back from a process of their own: logging is configured once per process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from gateway.conf import BASE_DIR
from gateway.redaction import LOGGED_FIELDS

SCRIPT = """
import logging, sys, uuid
import structlog
from gateway.logging import configure_logging
from gateway.request_id import current_request_id

configure_logging(level=sys.argv[1], style=sys.argv[2])
log = structlog.get_logger()
log.debug("quiet")
log.info("plain", count=3, message_id=uuid.UUID(int=1))
current_request_id.set("req-1")
log.info("asked")
log.info("asked_for_another", request_id="req-2")
try:
    raise RuntimeError("boom")
except RuntimeError:
    log.error("failed", exc_info=True)
logging.getLogger("some.library").info("too quiet for a library")
logging.getLogger("some.library").warning("library says %s", "so", extra={"status_code": 7})
logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\\x1b[32mstarted"})
log.info("last")
"""

ODD_SCRIPT = """
import sys
import structlog
from gateway.logging import configure_logging

configure_logging(level=sys.argv[1], style=sys.argv[2])
structlog.get_logger().info("odd", problem="lone \\ud800 surrogate")
"""


def run(level: str, style: str, script: str = SCRIPT) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, level, style],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def lines() -> dict[str, dict[str, Any]]:
    """The JSON log lines of a run on level INFO, by event."""
    parsed = [json.loads(line) for line in run("INFO", "json").splitlines()]
    return {line["event"]: line for line in parsed}


def test_line_is_json_with_level_time_and_fields(lines: dict[str, dict[str, Any]]) -> None:
    line = lines["plain"]

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "plain",
        "level": "info",
        "count": 3,
        "message_id": "00000000-0000-0000-0000-000000000001",
    }


def test_line_within_a_request_carries_its_id(lines: dict[str, dict[str, Any]]) -> None:
    assert lines["asked"]["request_id"] == "req-1"
    assert lines["asked_for_another"]["request_id"] == "req-2"


def test_exception_is_one_field_of_its_line(lines: dict[str, dict[str, Any]]) -> None:
    assert lines["failed"]["exception"].endswith("RuntimeError: boom")


def test_text_that_is_no_utf8_does_not_break_the_caller() -> None:
    (line,) = run("INFO", "json", ODD_SCRIPT).splitlines()

    assert json.loads(line)["problem"].startswith("lone ")


def test_lines_of_libraries_have_the_same_format(lines: dict[str, dict[str, Any]]) -> None:
    line = lines["library says so"]

    assert (line["level"], line["logger"], line["status_code"]) == ("warning", "some.library", 7)
    assert line["request_id"] == "req-1"


def test_libraries_are_heard_from_warning_on(lines: dict[str, dict[str, Any]]) -> None:
    assert "too quiet for a library" not in lines


def test_terminal_colours_of_uvicorn_are_dropped(lines: dict[str, dict[str, Any]]) -> None:
    assert "color_message" not in lines["started"]


def test_level_decides_what_is_logged(lines: dict[str, dict[str, Any]]) -> None:
    assert "quiet" not in lines
    assert "last" in lines


def test_console_style_is_for_reading() -> None:
    output = run("DEBUG", "console")

    assert "quiet" in output
    assert "count" in output
    assert not output.startswith("{")


def test_automatic_style_is_json_when_nobody_watches() -> None:
    assert json.loads(run("INFO", "auto").splitlines()[0])["event"] == "plain"


def test_documented_fields_of_a_request_are_those_that_may_be_logged() -> None:
    text = (BASE_DIR / "docs" / "logs.md").read_text()
    table = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
    example = json.loads(text.split("```json")[1].split("```")[0])

    assert named >= {"request_id", "key_id", "engine_request_id", "unlogged"}
    assert named | set(example) <= LOGGED_FIELDS
