"""Findings as columns of a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from gateway.caller_language import say_here
from gateway.columns import measure_columns, pad
from gateway.doctor.checkup import Checkup
from gateway.doctor.findings import VERDICTS, Finding, FindingKind
from gateway.wording import fill_in, fill_text

NARROWEST, WIDEST = 60, 120
LONGEST_ID = 28


def format_checkup(checkup: Checkup, width: int | None = None) -> str:
    """One row a finding, what to do under it, and the sum of it in the last line."""
    width = max(NARROWEST, min(width or shutil.get_terminal_size((100, 24)).columns, WIDEST))
    names = {verdict: say_here(fill_text(text, {})) for verdict, text in VERDICTS.items()}
    first = max(measure_columns(name) for name in names.values())
    second = min(max((len(each.id) for each in checkup.findings), default=0), LONGEST_ID)
    lines = [
        line
        for finding in checkup.findings
        for line in _format_row(finding, names[finding.verdict], first, second, width)
    ]
    return "\n".join([*lines, "", _sum_up(checkup)])


def _format_row(finding: Finding, verdict: str, first: int, second: int, width: int) -> Iterator[str]:
    head = f"{pad(verdict, first)}  {pad(finding.id, second)}  "
    margin = " " * (first + second + 4)
    room = width - len(margin)
    texts = wrap_columns(say_here(finding.message), room)
    if len(finding.id) > second:
        yield head.rstrip()
        head = margin
    for number, text in enumerate(texts):
        yield f"{head if number == 0 else margin}{text}"
    if finding.advice:
        for number, text in enumerate(wrap_columns(say_here(finding.advice), room - 2)):
            yield f"{margin}{'→ ' if number == 0 else '  '}{text}"


def wrap_columns(text: str, columns: int) -> list[str]:
    """Lines of at most so many columns, broken between words; `textwrap` counts Korean letters as one."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and measure_columns(joined) <= columns:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines or [""]


def _sum_up(checkup: Checkup) -> str:
    counts = {verdict: sum(each.verdict is verdict for each in checkup.findings) for verdict in FindingKind}
    text: str = say_here(
        fill_in(
            "{problems} problems, {notes} notes, {unknown} unknown, {ok} in order.",
            problems=counts[FindingKind.PROBLEM],
            notes=counts[FindingKind.NOTE],
            unknown=counts[FindingKind.UNKNOWN],
            ok=counts[FindingKind.OK],
        )
    )
    return text
