"""`manage.py recommend`: which profiles suit these GPUs or these users, or which GPUs a profile needs."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError
from django.utils.translation import gettext

from gateway.caller_language import say_here
from gateway.columns import measure_columns, pad
from gateway.command_errors import refuse_input, report_failure, to_command_error
from gateway.errors import ModelNotFound
from gateway.wording import fill_in
from modelops.domain.fit.demand import Holding, UserDemand
from modelops.domain.fit.demand_text import describe_demand, describe_holding, describe_settings
from modelops.domain.fit.gpu_needs import Need
from modelops.domain.fit.report_text import VERDICT_WORDS, format_bytes
from modelops.fit.demand_fits import (
    MOST_TOKENS,
    MOST_USERS,
    DemandFit,
    choose_models,
    find_best,
    recommend_for,
    summarise_demand,
)
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import find_profile_needs, get_profile, rank_profiles
from modelops.fit.summary import summarise_choice, summarise_fit, summarise_need
from modelops.management.hardware_options import add_hardware_options, choose_gpus
from modelops.models import ModelProfile

SHOWN_NEEDS = 12
EXIT_CODES = {Holding.HOLDS: 0, Holding.TIGHT: 0, Holding.LACKS: 3, Holding.UNKNOWN: 4}
"""Those of `check_fit`, for the best of the profiles."""


class Command(BaseCommand):
    help = (
        "Rank the enabled profiles by how they suit the GPUs here; with --users and --tokens, by whether "
        "they hold that many requests at once, and with which settings; with --for, find GPUs for one "
        "profile. Exit code of --users: 0: some profile holds them, 3: none does, 4: unknown."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_hardware_options(parser)
        parser.add_argument("--for", dest="wanted", metavar="SLUG", help="What would this profile need?")
        parser.add_argument("--users", type=parse_users, metavar="N", help="People who ask at once.")
        parser.add_argument(
            "--tokens", type=parse_tokens, metavar="C", help="Tokens of each of their requests, on average."
        )
        parser.add_argument(
            "--models",
            nargs="+",
            default=[],
            metavar="ID",
            help="Only these, by slug or repository; equals stay in this order.",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["wanted"]:
                self._recommend_gpus(options)
            elif options["users"] or options["tokens"] or options["models"]:
                self._recommend_for_users(options)
            else:
                self._recommend_profiles(options)
        except DatabaseError as exc:
            message = fill_in("profiles cannot be read (run manage.py migrate): {problem}", problem=exc)
            raise report_failure(message) from exc

    def _recommend_profiles(self, options: Mapping[str, Any]) -> None:
        choice = choose_gpus(options)
        fits = rank_profiles(ModelProfile.objects.enabled(), choice)
        if options["json"]:
            ranked = [{"id": fit.profile.slug, **summarise_fit(fit)} for fit in fits]
            self._print_json({"hardware": summarise_choice(choice), "recommendations": ranked})
            return
        self.stdout.write(
            say_here(
                fill_in("On {description} ({source}):", description=choice.description, source=choice.source)
            )
        )
        rows = [
            (
                say_here(VERDICT_WORDS[fit.report.verdict]),
                fit.profile.slug,
                str(fit.assessment.settings.tensor_parallel_size),
                _write_count(fit.assessment.context),
                _write_count(fit.report.max_concurrency),
                say_here(fit.assessment.why),
            )
            for fit in fits
        ]
        heads = (
            gettext("verdict"),
            gettext("profile"),
            "TP",
            gettext("context"),
            gettext("requests"),
            gettext("why"),
        )
        self._print_table(heads, rows)
        for problem in choice.problems:
            self.stdout.write(
                say_here(fill_in("\n{message}\n  {advice}", message=problem.message, advice=problem.advice))
            )

    def _recommend_for_users(self, options: Mapping[str, Any]) -> None:
        if not options["users"] or not options["tokens"]:
            raise refuse_input(fill_in("--users and --tokens go together, and --models with both"))
        choice, demand = choose_gpus(options), UserDemand(options["users"], options["tokens"])
        try:
            profiles = choose_models(options["models"])
        except ModelNotFound as exc:
            raise to_command_error(exc, about="--models") from exc
        fits = recommend_for(profiles, choice, demand, keeps_order=bool(options["models"]))
        if options["json"]:
            ranked = [summarise_demand(fit) for fit in fits]
            asked = {"users": demand.users, "tokens": demand.tokens}
            content = {"demand": asked, "hardware": summarise_choice(choice), "recommendations": ranked}
            self._print_json(content)
        else:
            self._print_demand(demand, choice, fits)
        if code := EXIT_CODES[find_best(fits)]:
            sys.exit(code)

    def _print_demand(self, demand: UserDemand, choice: GpuChoice, fits: Sequence[DemandFit]) -> None:
        self.stdout.write(say_here(fill_in("{demand}.", demand=describe_demand(demand))))
        self.stdout.write(
            say_here(
                fill_in("On {description} ({source}):", description=choice.description, source=choice.source)
            )
        )
        heads = (gettext("verdict"), gettext("profile"), "TP", gettext("context"), gettext("surely"))
        rows = [
            (
                say_here(describe_holding(fit.offer)),
                fit.profile.slug,
                str(fit.offer.report.tensor_parallel_size),
                _write_count(fit.offer.report.max_model_len),
                _write_count(fit.offer.sure_requests),
                f"{fit.offer.margin:g} ×",
                say_here(fit.offer.why),
            )
            for fit in fits
        ]
        self._print_table((*heads, gettext("margin"), gettext("why")), rows)
        for fit in fits:
            if fit.offer.changes:
                self.stdout.write(
                    say_here(
                        fill_in(
                            "\n{profile} with {flags}",
                            profile=fit.profile.slug,
                            flags=describe_settings(fit.offer),
                        )
                    )
                )
                for cost in fit.offer.costs:
                    self.stdout.write(f"  {say_here(fill_in('− {cost}', cost=cost))}")

    def _recommend_gpus(self, options: Mapping[str, Any]) -> None:
        if options["gpu"] or options["hardware"]:
            raise refuse_input(fill_in("--for goes without --gpu and --hardware"))
        if options["users"] or options["tokens"] or options["models"]:
            raise refuse_input(fill_in("--for goes without --users, --tokens and --models"))
        try:
            profile = get_profile(options["wanted"])
        except ModelNotFound as exc:
            raise to_command_error(exc, about="--for") from exc
        needs, problem = find_profile_needs(profile)
        if options["json"]:
            found = [summarise_need(need) for need in needs]
            self._print_json({"id": profile.slug, "needs": found, "problem": problem or None})
            return
        if not needs:
            self.stdout.write(say_here(fill_in("{slug}: {problem}", slug=profile.slug, problem=problem)))
            return
        self.stdout.write(say_here(fill_in("{slug} runs on, the least memory first:", slug=profile.slug)))
        rows = [
            (
                f"{need.count} × {need.card}",
                format_bytes(need.total_bytes),
                f"TP {need.settings.tensor_parallel_size}"
                + (
                    f" PP {need.settings.pipeline_parallel_size}"
                    if need.settings.pipeline_parallel_size > 1
                    else ""
                ),
                _write_count(need.report.max_model_len),
                _write_count(need.report.max_concurrency),
                _describe_need(need),
            )
            for need in needs[:SHOWN_NEEDS]
        ]
        heads = (
            "GPU",
            gettext("memory"),
            gettext("split"),
            gettext("context"),
            gettext("requests"),
            gettext("verdict"),
        )
        self._print_table(heads, rows)

    def _print_json(self, content: Mapping[str, Any]) -> None:
        self.stdout.write(json.dumps(content, indent=2))

    def _print_table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Columns as wide as their widest entry; the last one runs on."""
        widths = [
            max(measure_columns(row[index]) for row in (heads, *rows)) for index in range(len(heads) - 1)
        ]
        for row in (heads, *rows):
            cells = [pad(cell, width) for cell, width in zip(row, widths, strict=False)]
            self.stdout.write("  ".join([*cells, row[-1]]))


def _describe_need(need: Need) -> str:
    verdict = VERDICT_WORDS[need.report.verdict]
    text: str = say_here(
        verdict if need.has_full_context else fill_in("{verdict}, shorter context", verdict=verdict)
    )
    return text


def _write_count(number: float | None) -> str:
    return "–" if number is None else f"{number:,.10g}"


def parse_users(text: str) -> int:
    return _parse_number(text, MOST_USERS)


def parse_tokens(text: str) -> int:
    return _parse_number(text, MOST_TOKENS)


def _parse_number(text: str, most: int) -> int:
    """A whole number from 1 to `most`. Raises ArgumentTypeError."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text)
    raise ArgumentTypeError(
        say_here(
            fill_in("expected a whole number from 1 to {most}, got {text}", most=f"{most:,}", text=repr(text))
        )
    )
