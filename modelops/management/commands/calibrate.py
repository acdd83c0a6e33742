"""`manage.py calibrate`: how well the fit check says what engines then did, on runs whose sizes are known."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext

from gateway.caller_language import say_here
from gateway.columns import measure_columns, pad
from gateway.command_errors import BAD_INPUT, refuse_input
from gateway.wording import fill_in
from modelops.domain.fit.report_text import VERDICT_WORDS
from modelops.domain.fit.scoring import Comparison, RunScore, Totals, serialise_score
from modelops.fit.calibrating import Calibration, score_text
from modelops.management.fit_flags import read_file

_HEADS = (
    fill_in("run"),
    fill_in("verdict"),
    fill_in("right"),
    fill_in("weights"),
    fill_in("activation"),
    fill_in("outside PyTorch"),
    fill_in("CUDA graphs"),
    fill_in("KV cache"),
    fill_in("band"),
)


class Command(BaseCommand):
    help = (
        "Put the questions of runs whose sizes are known to the fit check, and compare its answers with what "
        "happened: lines of fit_report --share. Lines that cannot be read are named, the others scored. "
        "Exit code 2: there is such a line, or none at all."
    )
    # It needs no database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="One run a line, as JSON; - is stdin.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        calibration = score_text(read_file(options["file"], "FILE"))
        if not calibration.scores and not calibration.bad_lines:
            raise refuse_input(fill_in("FILE: there is no run in it"))
        if options["json"]:
            self.stdout.write(json.dumps(_serialise(calibration), indent=2))
        else:
            self._print(calibration)
        for line in calibration.bad_lines:
            self.stderr.write(say_here(line.problem))
        if calibration.bad_lines:
            sys.exit(BAD_INPUT)

    def _print(self, calibration: Calibration) -> None:
        heads = [say_here(head) for head in _HEADS]
        rows = [heads, *(_write_row(score) for score in calibration.scores)]
        widths = [max(measure_columns(row[column]) for row in rows) for column in range(len(heads))]
        self.stdout.write(say_here(fill_in("Sizes in GiB, expected/measured.")))
        for row in rows:
            cells = [pad(cell, width) for cell, width in zip(row, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())
        self.stdout.write("")
        for text in _describe_totals(calibration.totals):
            self.stdout.write(say_here(text))


def _write_row(score: RunScore) -> list[str]:
    low_high = "–" if score.band is None else f"{score.band[0]:.2f}–{score.band[1]:.2f}"
    if score.is_in_band is False:
        low_high = say_here(fill_in("{band}, missed", band=low_high))
    return [
        score.run.id or "–",
        say_here(VERDICT_WORDS[score.verdict]),
        gettext("yes") if score.is_right else gettext("no"),
        *(_write_comparison(each) for each in score.terms.values()),
        _write_comparison(score.cache),
        low_high,
    ]


def _write_comparison(comparison: Comparison) -> str:
    if comparison.measured is None:
        return "–"
    expected = "–" if comparison.expected is None else f"{comparison.expected:.2f}"
    return f"{expected}/{comparison.measured:.2f}"


def _describe_totals(totals: Totals) -> list[str]:
    texts: list[str] = [
        fill_in(
            "Verdicts: {right} of {count} are right; {false} said “fits” of what did not start.",
            right=totals.right_verdicts,
            count=totals.runs,
            false=totals.false_fits,
        )
    ]
    if totals.cache_median_gib is not None:
        texts.append(
            fill_in(
                "KV cache: {share} ({size} GiB) off in the median and {most} GiB at the 90th percentile, "
                "of {count} runs.",
                share="–" if totals.cache_median_share is None else f"{totals.cache_median_share:.1%}",
                size=f"{totals.cache_median_gib:.2f}",
                most=f"{totals.cache_p90_gib or 0.0:.2f}",
                count=totals.cache_runs,
            )
        )
    if totals.band_share is not None:
        texts.append(
            fill_in(
                "Band: {share} of {count} runs lie in it; its width is {width} GiB in the median.",
                share=f"{totals.band_share:.0%}",
                count=totals.band_runs,
                width=f"{totals.band_median_width_gib or 0.0:.2f}",
            )
        )
    return texts


def _serialise(calibration: Calibration) -> dict[str, Any]:
    return {
        "runs": [serialise_score(score) for score in calibration.scores],
        "totals": vars(calibration.totals),
        "bad_lines": [
            {"line": each.line, "field": each.field, "reason": str(each.reason)}
            for each in calibration.bad_lines
        ],
    }
