"""Log lines as vLLM prints them: logger lines on stdout, progress bars and uvicorn on stderr."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stream(StrEnum):
    """Where a line goes."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Component(StrEnum):
    """The process that a line seems to come from; the simulator is one process."""

    API_SERVER = "APIServer"
    ENGINE_CORE = "EngineCore"
    WORKER = "Worker_TP0"


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """One line, or several when ``text`` has newlines. Without a source it is printed bare."""

    text: str
    component: Component = Component.ENGINE_CORE
    source: str | None = None
    level: str = "INFO"
    stream: Stream = Stream.STDOUT


def format_line(line: ConsoleLine, *, now: datetime, pid: int) -> str:
    """``(EngineCore pid=7) INFO 11-22 12:00:00 [core.py:133] text``, prefixed on every line."""
    if line.source is None:
        return line.text
    prefix = f"({line.component} pid={pid}) {line.level} {now:%m-%d %H:%M:%S} [{line.source}] "
    return "\n".join(prefix + text for text in line.text.split("\n"))


def print_line(line: ConsoleLine) -> None:
    """Print and flush, so that whoever follows the log sees it at once."""
    text = format_line(line, now=datetime.now().astimezone(), pid=os.getpid())
    target = sys.stdout if line.stream is Stream.STDOUT else sys.stderr
    print(text, file=target, flush=True)


def print_api(text: str, *, source: str, level: str = "INFO") -> None:
    """One logger line of the API server."""
    print_line(ConsoleLine(text, component=Component.API_SERVER, source=source, level=level))
