"""`manage.py add_profile REPO`: a profile for any model on the hub, proposed for the GPUs at hand."""

from __future__ import annotations

import json
import logging
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, transaction

from gateway.audit import record_change
from gateway.command_errors import refuse_input, report_failure, to_command_error
from gateway.env import ConfigurationError
from gateway.errors import GatewayError
from modelops.domain.fit.report import serialise_report
from modelops.domain.fit.report_text import render_report
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.summary import summarise_choice
from modelops.management.commands.check_fit import EXIT_CODES
from modelops.management.hardware_options import add_hardware_options, choose_gpus
from modelops.profiles.adding import ProposedProfile, propose, save_proposal, summarise_facts
from modelops.profiles.hub import RepositoryFacts, fetch_facts, read_hub_settings


class Command(BaseCommand):
    help = (
        "Read a model's facts from the Hugging Face hub, propose a profile for the GPUs here, and store "
        "it disabled. Exit code as of check_fit; 1 when the hub or the database does not answer."
    )
    requires_system_checks: list[str] = []  # --dry-run must work before there is a database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("repository", help="A model repository, such as Qwen/Qwen2.5-7B-Instruct.")
        parser.add_argument("--revision", help="Its branch, tag or commit; the proposal pins the commit.")
        parser.add_argument("--slug", help="Name of the profile; made from the repository's without this.")
        add_hardware_options(parser)
        parser.add_argument("--dry-run", action="store_true", help="Print the proposal and store nothing.")
        parser.add_argument("--json", action="store_true", help="Print JSON instead of YAML.")

    def handle(self, *args: Any, **options: Any) -> None:
        # The library's own retries are warnings on stdout, where the answer is.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        choice = choose_gpus(options)
        try:
            settings = read_hub_settings(os.environ)
            facts = fetch_facts(options["repository"], revision=options["revision"], settings=settings)
            proposed = propose(facts, choice, slug=options["slug"])
            if not options["dry_run"]:
                with transaction.atomic():
                    record_change("modelprofile_created", save_proposal(proposed), request=None)
        except ConfigurationError as exc:
            raise refuse_input(str(exc)) from exc
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        except DatabaseError as exc:
            message = f"the profile cannot be stored (run manage.py migrate, or use --dry-run): {exc}"
            raise report_failure(message) from exc
        if options["json"]:
            self._print_json(facts, proposed, choice, is_saved=not options["dry_run"])
        else:
            self._print_yaml(proposed, choice, is_saved=not options["dry_run"])
        if code := EXIT_CODES[proposed.assessment.report.verdict]:
            sys.exit(code)

    def _print_yaml(self, proposed: ProposedProfile, choice: GpuChoice, *, is_saved: bool) -> None:
        """YAML alone on stdout, so that it can be kept; what there is to say goes to stderr."""
        self.stdout.write(proposed.yaml, ending="")
        report = proposed.assessment.report
        self.stderr.write(render_report(report, title=proposed.spec.slug, hardware=choice.description), str)
        for problem in choice.problems:
            self.stderr.write(f"{problem.message} {problem.advice}", str)
        if is_saved:
            self.stderr.write(f"\nStored as {proposed.spec.slug}, disabled: look it over and enable it.", str)

    def _print_json(
        self, facts: RepositoryFacts, proposed: ProposedProfile, choice: GpuChoice, *, is_saved: bool
    ) -> None:
        content = {
            "profile": proposed.exported,
            "facts": summarise_facts(facts),
            "hardware": summarise_choice(choice),
            "why": proposed.assessment.why,
            "fit": serialise_report(proposed.assessment.report),
            "saved": is_saved,
        }
        self.stdout.write(json.dumps(content, indent=2, ensure_ascii=False))
