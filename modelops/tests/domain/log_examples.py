"""Logs of starts, written after the wordings of several versions of the engine."""

from __future__ import annotations

from modelops.domain.engine_log.startup_log import StartupLog
from modelops.tests.domain.fit_examples import DATA

TWO_CARDS = (DATA / "start_two_cards.txt").read_text(encoding="utf-8")
FIRST_ENGINE = (DATA / "start_first_engine.txt").read_text(encoding="utf-8")


def read_log(text: str, *, started_at: float = 0.0, step_s: float = 1.0) -> StartupLog:
    """A log fed line by line, one every `step_s`."""
    log = StartupLog(started_at)
    for number, line in enumerate(text.replace("\r", "\n").splitlines(), start=1):
        log.feed(line, started_at + number * step_s)
    return log
