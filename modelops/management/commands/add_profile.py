"""`manage.py add_profile REPO`: a profile for any model on the hub, proposed for the GPUs at hand.

With `--from-command` or `--from-compose` the settings are those of somebody else's start of vLLM.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, transaction
from django.utils.translation import gettext

from gateway.audit import record_change
from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure, to_command_error
from gateway.env import ConfigurationError
from gateway.errors import GatewayError
from gateway.wording import FilledText, fill_in
from modelops.domain.fit.report import serialise_report
from modelops.domain.fit.report_text import render_report
from modelops.domain.profiles.imports.engine_call import LeftOut
from modelops.domain.profiles.imports.entries import SourceKind
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.summary import summarise_choice
from modelops.management.commands.check_fit import EXIT_CODES
from modelops.management.hardware_options import add_hardware_options, choose_gpus
from modelops.profiles.adding import (
    ProposedProfile,
    propose,
    propose_imported,
    save_proposal,
    summarise_facts,
)
from modelops.profiles.hub import (
    RepositoryFacts,
    fetch_facts,
    fetch_facts_with_draft,
    read_hub_settings,
)
from modelops.profiles.hub_errors import HubRateLimited, HubTimeout, HubUnreachable
from modelops.profiles.importing import import_source
from modelops.profiles.link_advice import describe_missing, find_missing_link_settings


class Command(BaseCommand):
    help = (
        "Read a model's facts from the Hugging Face hub, propose a profile for the GPUs here, and store "
        "it disabled. Exit code as of check_fit; 1 when the hub or the database does not answer."
    )
    requires_system_checks: list[str] = []  # --dry-run must work before there is a database

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "repository", nargs="?", help="A model repository, such as Qwen/Qwen2.5-7B-Instruct."
        )
        parser.add_argument(
            "--from-command",
            metavar="TEXT",
            help="Take the settings of a line that starts vLLM (vllm serve …, docker run …); - reads it from "
            "standard input. Nothing of it is run, and what is not taken over is named.",
        )
        parser.add_argument(
            "--from-compose", metavar="PATH", help="The same from a compose file; - reads standard input."
        )
        parser.add_argument("--service", default="", help="Which service of the compose file.")
        parser.add_argument("--revision", help="Its branch, tag or commit; the proposal pins the commit.")
        parser.add_argument("--slug", help="Name of the profile; made from the repository's without this.")
        add_hardware_options(parser)
        parser.add_argument("--dry-run", action="store_true", help="Print the proposal and store nothing.")
        parser.add_argument("--json", action="store_true", help="Print JSON instead of YAML.")

    def handle(self, *args: Any, **options: Any) -> None:
        # The library's own retries are warnings on stdout, where the answer is.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        source = _choose_source(options)
        choice = choose_gpus(options)
        try:
            imported = _import(source, options)
            proposed, facts, problem = _propose(options, imported, choice)
            if not options["dry_run"]:
                with transaction.atomic():
                    record_change("modelprofile_created", save_proposal(proposed), request=None)
        except ConfigurationError as exc:
            raise refuse_input(str(exc)) from exc
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        except DatabaseError as exc:
            message = fill_in(
                "the profile cannot be stored (run manage.py migrate, or use --dry-run): {problem}",
                problem=exc,
            )
            raise report_failure(message) from exc
        left_out = imported.left_out if imported else ()
        advice = _advise(proposed, choice, problem)
        if options["json"]:
            content = _describe_json(facts, proposed, choice, left_out, is_saved=not options["dry_run"])
            content["advice"] = [say_here(text) for text in advice]
            self.stdout.write(json.dumps(content, indent=2, ensure_ascii=False))
        else:
            self._print_yaml(proposed, choice, left_out, advice)
            if not options["dry_run"]:
                stored = fill_in(
                    "\nStored as {slug}, disabled: look it over and enable it.", slug=proposed.spec.slug
                )
                self.stderr.write(say_here(stored), str)
        if code := EXIT_CODES[proposed.assessment.report.verdict]:
            sys.exit(code)

    def _print_yaml(
        self,
        proposed: ProposedProfile,
        choice: GpuChoice,
        left_out: Sequence[LeftOut],
        advice: Sequence[FilledText],
    ) -> None:
        """YAML alone on stdout, so that it can be kept; what there is to say goes to stderr."""
        self.stdout.write(proposed.yaml, ending="")
        report = proposed.assessment.report
        self.stderr.write(
            render_report(report, title=proposed.spec.slug, hardware=choice.description, translate=gettext),
            str,
        )
        if left_out:
            self.stderr.write(say_here(fill_in("\nNot taken over")), str)
        for each in left_out:
            self.stderr.write(
                say_here(fill_in("  {what}: {reason}", what=each.what, reason=each.reason)), str
            )
        for problem in choice.problems:
            self.stderr.write(
                say_here(fill_in("{message} {advice}", message=problem.message, advice=problem.advice)), str
            )
        for text in advice:
            self.stderr.write(say_here(text), str)


def _describe_json(
    facts: RepositoryFacts | None,
    proposed: ProposedProfile,
    choice: GpuChoice,
    left_out: Sequence[LeftOut],
    *,
    is_saved: bool,
) -> dict[str, Any]:
    return {
        "profile": proposed.exported,
        "facts": summarise_facts(facts) if facts else None,
        "hardware": summarise_choice(choice),
        "why": proposed.assessment.why,
        "fit": serialise_report(proposed.assessment.report),
        "left_out": [asdict(each) for each in left_out],
        "saved": is_saved,
    }


def _propose(
    options: Mapping[str, Any], imported: ImportedProfile | None, choice: GpuChoice
) -> tuple[ProposedProfile, RepositoryFacts | None, GatewayError | None]:
    """With the facts of the model. Imported settings are of use without them: then why the hub did not tell
    them comes instead. Raises GatewayError and ConfigurationError."""
    settings = read_hub_settings(os.environ)
    if imported is None:
        facts = fetch_facts(options["repository"], revision=options["revision"], settings=settings)
        return propose(facts, choice, slug=options["slug"]), facts, None
    revision = options["revision"] or imported.revision
    known, problem = None, None
    try:
        known = fetch_facts_with_draft(
            imported.repository, imported.draft_repository, revision=revision, settings=settings
        )
    except (HubUnreachable, HubTimeout, HubRateLimited) as exc:
        problem = exc
    return propose_imported(imported, known, choice, slug=options["slug"]), known, problem


def _advise(proposed: ProposedProfile, choice: GpuChoice, problem: GatewayError | None) -> list[FilledText]:
    advice = []
    if problem is not None:
        advice.append(
            fill_in(
                "The model's facts are not known, nor whether it fits: {problem} Check it again later: "
                "manage.py check_fit {slug}",
                problem=problem.wording,
                slug=proposed.spec.slug,
            )
        )
    if missing := find_missing_link_settings(proposed, choice):
        advice.append(describe_missing(missing))
    return advice


def _choose_source(options: Mapping[str, Any]) -> str:
    """The one option that says which model is meant. Raises CommandError."""
    given = [name for name in ("repository", "from_command", "from_compose") if options[name]]
    if len(given) != 1:
        raise refuse_input(fill_in("give a repository, --from-command or --from-compose: one of them"))
    if options["service"] and given != ["from_compose"]:
        raise refuse_input(fill_in("--service goes with --from-compose"))
    return given[0]


def _import(source: str, options: Mapping[str, Any]) -> ImportedProfile | None:
    """None for a repository that is named itself."""
    if source == "repository":
        return None
    is_path = source == "from_compose"
    fallback = SourceKind.COMPOSE if is_path else SourceKind.COMMAND
    text = _read_text(options[source], is_path=is_path)
    return import_source(text, entry=options["service"], fallback=fallback)


def _read_text(value: str, *, is_path: bool) -> str:
    try:
        if value == "-":
            return sys.stdin.read()
        return Path(value).read_text(encoding="utf-8-sig") if is_path else value
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else fill_in("it is not UTF-8")
        raise refuse_input(fill_in("{value} cannot be read: {reason}", value=value, reason=reason)) from exc
