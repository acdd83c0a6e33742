"""`manage.py check_fit`: does a model fit on these GPUs, how much will it carry, what to change if not."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils.translation import gettext

from gateway.caller_language import say_here
from gateway.command_errors import BAD_INPUT, refuse_input, report_failure, to_command_error
from gateway.errors import ModelNotFound
from gateway.wording import fill_in
from modelops.domain.fit.architecture import describe_size
from modelops.domain.fit.report import Aim, FitReport, Verdict, serialise_report
from modelops.domain.fit.report_text import render_report
from modelops.fit.batch import answer_lines
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import check_profile, get_profile
from modelops.management.fit_flags import (
    add_question_flags,
    ask_question,
    read_lines,
    read_question,
    refuse_question_flags,
)
from modelops.management.hardware_options import add_hardware_options, choose_gpus

EXIT_CODES = {Verdict.FITS: 0, Verdict.TIGHT: 0, Verdict.DOES_NOT_FIT: 3, Verdict.UNKNOWN: 4}


class Command(BaseCommand):
    help = (
        "Check whether a model fits on the GPUs: a profile, a config.json, or a file of questions. "
        "Exit code 0: fits, 1: the database cannot be read, 2: bad input, 3: does not fit, 4: unknown."
    )
    # --config and --batch must work before there is a database.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument("profile", nargs="?", help="Slug of a profile.")
        subject.add_argument("--config", metavar="FILE", help="A model's config.json.")
        subject.add_argument("--batch", metavar="FILE", help="Questions, one JSON object a line; - is stdin.")
        add_hardware_options(parser)
        add_question_flags(parser)
        parser.add_argument(
            "--aim",
            choices=[str(each) for each in Aim],
            help="What suggestions are to reach; without it they keep what was asked.",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["config"]:
            refuse_question_flags(options)
        if options["batch"]:
            self._answer_batch(options)
        elif options["config"]:
            self._answer_config(options)
        else:
            self._answer_profile(options)

    def _answer_profile(self, options: Mapping[str, Any]) -> None:
        try:
            profile = get_profile(options["profile"])
        except ModelNotFound as exc:
            raise to_command_error(exc) from exc
        except DatabaseError as exc:
            message = fill_in("profiles cannot be read (run manage.py migrate): {problem}", problem=exc)
            raise report_failure(message) from exc
        choice = choose_gpus(options)
        fit = check_profile(profile, choice, aim=Aim(options["aim"] or Aim.AS_ASKED))
        self._print(fit.report, choice, title=profile.slug, options=options, profile=profile.slug)

    def _answer_config(self, options: Mapping[str, Any]) -> None:
        choice = choose_gpus(options)
        question = read_question(options, choice)
        self._print(ask_question(question), choice, title=describe_size(question.config), options=options)

    def _answer_batch(self, options: Mapping[str, Any]) -> None:
        if options["gpu"] or options["hardware"]:
            raise refuse_input(fill_in("--batch: each line names its own GPUs"))
        if options["aim"]:
            raise refuse_input(fill_in("--batch: each line names its own aim"))
        answers = answer_lines(read_lines(options["batch"]))
        self.stdout.write(json.dumps([answer.content for answer in answers], indent=2))
        for answer in answers:
            if answer.problem:
                self.stderr.write(say_here(fill_in("--batch: {problem}", problem=answer.problem)))
        if not all(answer.is_readable for answer in answers):
            sys.exit(BAD_INPUT)

    def _print(
        self, report: FitReport, choice: GpuChoice, *, title: str, options: Mapping[str, Any], **more: Any
    ) -> None:
        if options["json"]:
            content = {**more, "gpus": choice.serialise(), **serialise_report(report)}
            self.stdout.write(json.dumps(content, indent=2))
        else:
            self.stdout.write(
                render_report(report, title=title, hardware=choice.description, translate=gettext)
            )
            for problem in choice.problems:
                self.stdout.write(
                    say_here(
                        fill_in("\n{message}\n  {advice}", message=problem.message, advice=problem.advice)
                    )
                )
        if code := EXIT_CODES[report.verdict]:
            sys.exit(code)
