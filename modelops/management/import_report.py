"""What `import_profile` says of an entry: line by line what a profile takes of it, what not and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext

from gateway.caller_language import say_here
from gateway.wording import fill_in, fill_text
from modelops.domain.fit.report import serialise_report
from modelops.domain.fit.report_text import render_report
from modelops.domain.profiles.imports.entries import KIND_WORDS
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.summary import summarise_choice
from modelops.profiles.adding import ProposedProfile
from modelops.profiles.importing import SourceEntry


@dataclass(frozen=True)
class EntryReport:
    """`proposed` is None where nothing could be made of the entry, which `refusal` explains.

    `warning` is why the hub did not tell the facts of the model.
    """

    entry: SourceEntry
    imported: ImportedProfile | None = None
    proposed: ProposedProfile | None = None
    refusal: str = ""
    warning: str = ""
    is_saved: bool = False


def render_entry(report: EntryReport, choice: GpuChoice) -> str:
    """For a terminal, in its language."""
    return "\n".join(_list_lines(report, choice)) + "\n"


def _list_lines(report: EntryReport, choice: GpuChoice) -> Iterator[str]:
    kind = fill_text(KIND_WORDS[report.entry.kind], {})
    yield say_here(fill_in("== {entry} ({kind})", entry=report.entry.name, kind=kind))
    if report.imported is not None and report.imported.taken:
        yield say_here(fill_in("Taken over"))
        for taken in report.imported.taken:
            yield f"  {taken.what} → {taken.field}: {_write(taken.value)}"
    if report.imported is not None and report.imported.left_out:
        yield say_here(fill_in("Not taken over"))
        for left in report.imported.left_out:
            yield "  " + say_here(fill_in("{what}: {reason}", what=left.what, reason=left.reason))
    if report.warning:
        yield say_here(fill_in("The hub says nothing of the model: {reason}", reason=report.warning))
    if report.refusal:
        yield say_here(fill_in("No profile is made of it: {reason}", reason=report.refusal))
    if report.proposed is not None:
        fit, slug = report.proposed.assessment.report, report.proposed.spec.slug
        yield ""
        yield render_report(fit, title=slug, hardware=choice.description, translate=gettext)
        for problem in choice.problems:
            yield say_here(fill_in("{message} {advice}", message=problem.message, advice=problem.advice))
        if report.is_saved:
            yield ""
            yield say_here(fill_in("Stored as {slug}, disabled: look it over and enable it.", slug=slug))


def _write(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def serialise_entry(report: EntryReport, choice: GpuChoice) -> dict[str, Any]:
    """As plain JSON values."""
    imported, proposed = report.imported, report.proposed
    return {
        "entry": report.entry.name,
        "kind": str(report.entry.kind),
        "profile": proposed.exported if proposed else None,
        "taken": [asdict(each) for each in imported.taken] if imported else [],
        "left_out": [asdict(each) for each in imported.left_out] if imported else [],
        "refusal": report.refusal,
        "warning": report.warning,
        "hardware": summarise_choice(choice),
        "fit": serialise_report(proposed.assessment.report) if proposed else None,
        "saved": report.is_saved,
    }
