"""Many fit questions at once, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.wording import fill_in
from modelops.domain.fit.question import answer_question
from modelops.domain.fit.report import FitReport, LimitingTerm, Verdict, serialise_report


@dataclass(frozen=True)
class BatchAnswer:
    """The answer to line `line` (from 1). `is_readable` is False for a line that was no question at all."""

    line: int
    content: dict[str, Any]
    is_readable: bool = True

    @property
    def problem(self) -> str | None:
        error = self.content.get("error")
        return None if error is None else fill_in("line {line}: {field}: {reason}", line=self.line, **error)


def answer_lines(lines: Iterable[str]) -> list[BatchAnswer]:
    """An answer to every line that is not blank, in order. Never raises for what a line holds."""
    return [_answer_line(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _answer_line(number: int, line: str) -> BatchAnswer:
    try:
        question = json.loads(line, parse_constant=_refuse_constant)
        if not isinstance(question, dict):
            raise ValueError("is not a JSON object")
    except (ValueError, RecursionError) as exc:
        return BatchAnswer(number, _answer_unknown(None, "line", str(exc)), is_readable=False)
    try:
        return BatchAnswer(number, answer_question(question))
    except Exception as exc:  # the batch goes on, and the answer says what failed: a config may hold anything
        reason = fill_in(
            "cannot be read as a model's config.json ({error}: {problem})",
            error=type(exc).__name__,
            problem=exc,
        )
        return BatchAnswer(number, _answer_unknown(question.get("id"), "config", reason))


def _answer_unknown(question_id: Any, field: str, reason: str) -> dict[str, Any]:
    report = FitReport(
        Verdict.UNKNOWN, LimitingTerm.INPUT, (fill_in("{field}: {reason}", field=field, reason=reason),)
    )
    return {
        "id": question_id,
        **serialise_report(report),
        "error": {"field": field, "reason": reason},
    }


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")
