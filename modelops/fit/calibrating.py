"""The fit check's score on runs that somebody sent, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.fit.scoring import RunScore, Totals, score_run, sum_up
from modelops.domain.fit.shared_runs import read_run


@dataclass(frozen=True)
class BadLine:
    """`line` counts from 1; in a document of runs it is the run's place."""

    line: int
    field: str
    reason: str

    @property
    def problem(self) -> str:
        return fill_in("line {line}: {field}: {reason}", line=self.line, field=self.field, reason=self.reason)


@dataclass(frozen=True)
class Calibration:
    scores: tuple[RunScore, ...]
    bad_lines: tuple[BadLine, ...]

    @property
    def totals(self) -> Totals:
        return sum_up(self.scores)


def score_text(text: str) -> Calibration:
    """Score every run that can be read, and name the others. Never raises for what the text holds.

    It is one run a line, or a document of `models` and `runs`, as the one that the check is tested with.
    """
    scores, bad_lines = [], []
    for number, raw, models in _list_runs(text):
        if isinstance(raw, BadLine):
            bad_lines.append(raw)
            continue
        try:
            run = read_run(raw, models)
        except FieldError as exc:
            bad_lines.append(BadLine(number, exc.field, exc.reason))
            continue
        try:
            scores.append(score_run(run))
        except FieldError as exc:
            parent = "model" if exc.field.startswith("config") else "question"
            bad_lines.append(BadLine(number, f"{parent}.{exc.field}", exc.reason))
        except Exception as exc:  # the others are scored: a config may hold anything
            reason = fill_in(
                "cannot be read as a model's config.json ({error}: {problem})",
                error=type(exc).__name__,
                problem=exc,
            )
            bad_lines.append(BadLine(number, "model.config", reason))
    return Calibration(tuple(scores), tuple(bad_lines))


def _list_runs(text: str) -> Iterator[tuple[int, Any, Mapping[str, Any]]]:
    """Each run with its number and the models that it may name."""
    document = _parse(text)
    if isinstance(document, dict) and isinstance(document.get("runs"), list):
        models = document.get("models")
        for number, raw in enumerate(document["runs"], start=1):
            yield number, raw, models if isinstance(models, dict) else {}
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            raw = _parse(line)
            reason = str(raw) if isinstance(raw, ValueError | RecursionError) else ""
            yield number, BadLine(number, "line", reason) if reason else raw, {}


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        return exc
